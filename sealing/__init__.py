"""Seals bids so that nobody can read them before the opening, and opens them at it."""
