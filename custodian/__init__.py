"""Keeps one share of the keys that open sealed bids and gives it up only when the rules allow."""
