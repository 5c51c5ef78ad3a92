"""The demonstration: whole tenders played through the HTTP API by separate clients against real processes."""
