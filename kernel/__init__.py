"""Small, boring foundations without any domain: errors, clock, ids, money, canonical JSON, database session."""
