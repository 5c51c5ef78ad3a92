"""Tenders, envelopes, commission, awards, contracts, workflow and indicators."""
