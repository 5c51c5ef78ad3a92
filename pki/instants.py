"""Instants as certificates and revocation lists state them."""

from __future__ import annotations

from datetime import UTC, datetime


def whole_second(instant: datetime) -> datetime:
    """The same in UTC without its fraction (RFC 5280 §4.1.2.5)."""
    return instant.astimezone(UTC).replace(microsecond=0)
