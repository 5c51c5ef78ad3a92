"""Checks the published record of a procurement from outside, without trusting the server."""
