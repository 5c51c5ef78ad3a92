"""The append-only log, its proofs, and the publication of open contracting data."""
