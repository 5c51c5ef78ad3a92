"""People, organisations, their roles, and login by certificate."""
