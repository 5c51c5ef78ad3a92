"""Foundations without any domain: errors, clock, ids, money, canonical JSON, database session."""
