"""Ceremonies: what is done to an authority by two operators, from a file, with a signed transcript."""
