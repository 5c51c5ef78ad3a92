"""Verification by ETSI EN 319 102-1: what a file holds, what may be trusted when, and the report."""
