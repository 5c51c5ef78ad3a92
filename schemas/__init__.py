"""The published contracts: API bodies, events by version, OCDS."""
