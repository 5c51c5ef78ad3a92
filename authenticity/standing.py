"""What a registered document is worth on a day: its state, and whether the last day of its validity is over.

Days are those of Tehran. What took a document out of force outweighs its end.
"""

from __future__ import annotations

from datetime import date, timedelta, timezone
from typing import Literal

from authenticity.record import Registration
from kernel.clock import parse_utc

Standing = Literal["valid", "superseded", "corrected", "revoked", "expired"]
# One time all year since 1401.
_TEHRAN = timezone(timedelta(hours=3, minutes=30))


def standing(registration: Registration, at: str) -> Standing:
    """The state at an instant (RFC 3339); raises MalformedInput for what is none."""
    if registration.state != "valid":
        return registration.state
    last = registration.record.valid_until
    return "expired" if last is not None and day_of(at) > date.fromisoformat(last) else "valid"


def day_of(at: str) -> date:
    """The day in Tehran at an instant (RFC 3339); raises MalformedInput for what is none."""
    return parse_utc(at).astimezone(_TEHRAN).date()


def verdict_on_bytes(
    registration: Registration, at: str
) -> Literal["authentic", "superseded", "corrected", "revoked", "expired"]:
    """What is said of the very bytes that are registered."""
    found = standing(registration, at)
    return "authentic" if found == "valid" else found
