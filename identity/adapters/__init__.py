"""Rows and repositories of identity."""
