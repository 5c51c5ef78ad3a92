"""The event types that are published, and the fields that each promises to carry.

A published field never changes its meaning and is never dropped: then comes the next version of the type.
Types that are not listed belong to rooms that publish no contract for them yet; only their names are checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from kernel.errors import MalformedInput

_NAME = re.compile(r"ir\.tehran\.(?P<domain>[a-z]+)\.(?P<fact>[a-z]+(-[a-z]+)*)\.v(?P<version>[1-9][0-9]*)")
_PROCUREMENT = "ir.tehran.procurement."


@dataclass(frozen=True, slots=True)
class EventType:
    """One version of one fact; ``required`` names fields of ``data``. Confidential facts are salted in the log."""

    name: str
    required: frozenset[str] = frozenset()
    confidential: bool = False

    @property
    def domain(self) -> str:
        return domain_of(self.name)


def domain_of(type_: str) -> str:
    """The domain in ``ir.tehran.<domain>.<fact>.v<version>``; raises MalformedInput on another form."""
    found = _NAME.fullmatch(type_)
    if found is None:
        raise MalformedInput("an event type is ir.tehran.<domain>.<fact>.v<version>", type=type_[:128])
    return found["domain"]


def check_event(type_: str, data: Mapping[str, Any], *, confidential: bool) -> str:
    """Check name, secrecy and required fields, and return the domain; raises MalformedInput."""
    domain = domain_of(type_)
    known = EVENT_TYPES.get(type_)
    if known is not None:
        missing = sorted(known.required - set(data))
        if missing:
            raise MalformedInput("the event lacks fields that its type promises", type=type_, missing=missing)
        if known.confidential is not confidential:
            raise MalformedInput("the event is not recorded in the way of its type", type=type_)
    return domain


def _public(fact: str, *required: str) -> EventType:
    return EventType(f"{_PROCUREMENT}{fact}.v1", frozenset(required))


def _confidential(fact: str, *required: str) -> EventType:
    return EventType(f"{_PROCUREMENT}{fact}.v1", frozenset(required), confidential=True)


TENDER_DRAFTED = _public("tender-drafted")
TENDER_APPROVED = _public("tender-approved")
KEY_SET_PUBLISHED = _public("key-set-published", "tender", "digest", "document")
TENDER_PUBLISHED = _public("tender-published", "tender", "ocid", "digest", "notice")
SUBMISSION_CLOSED = _public("submission-closed", "tender", "digest", "submissions", "tenderers")
OPENING_STARTED = _public("opening-started")
OPENING_RECORDED = _public("opening-recorded", "tender", "stage", "digest", "results")
DECISION_MADE = _public("decision-made", "tender", "stage", "digest", "results")
AWARD_DECIDED = _public("award-decided", "tender", "digest", "award")
ENVELOPES_RETURNED = _public("envelopes-returned")
KEYS_DESTROYED = _public("keys-destroyed")
TENDER_CANCELLED = _public("tender-cancelled", "reason")
SHARE_BATCH_RECEIVED = _public("share-batch-received")
SUBMISSION_RECEIVED = _confidential("submission-received", "act", "lot", "bidder")
SUBMISSION_WITHDRAWN = _confidential("submission-withdrawn", "act", "lot", "bidder")
SUBMISSION_REFUSED = _confidential("submission-refused", "act", "lot", "bidder")

EVENT_TYPES: Mapping[str, EventType] = MappingProxyType(
    {
        event.name: event
        for event in (
            TENDER_DRAFTED,
            TENDER_APPROVED,
            KEY_SET_PUBLISHED,
            TENDER_PUBLISHED,
            SUBMISSION_CLOSED,
            OPENING_STARTED,
            OPENING_RECORDED,
            DECISION_MADE,
            AWARD_DECIDED,
            ENVELOPES_RETURNED,
            KEYS_DESTROYED,
            TENDER_CANCELLED,
            SHARE_BATCH_RECEIVED,
            SUBMISSION_RECEIVED,
            SUBMISSION_WITHDRAWN,
            SUBMISSION_REFUSED,
        )
    }
)
