"""The sealed envelope."""
