"""PAdES: signatures in any PDF, their look, their locks, and what later levels add."""
