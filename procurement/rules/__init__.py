"""The rules of procurement as frozen values and pure functions: no database, no network, no clock."""
