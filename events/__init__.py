"""Outbox, relay, event bus and consumers."""
