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
_SIGNING = "ir.tehran.signing."
_DOCUMENTS = "ir.tehran.documents."

# Every domain that records events. Each has its topics on a bus, so a new one needs them made before it is used.
DOMAINS = ("documents", "identity", "pki", "procurement", "signing")


@dataclass(frozen=True, slots=True)
class EventType:
    """One version of one fact; ``required`` names fields of ``data``. Confidential facts are logged salted."""

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


def _public(fact: str, *fields: str) -> EventType:
    return EventType(f"{_PROCUREMENT}{fact}.v1", frozenset({"tender", "ocid", *fields}))


def _confidential(fact: str) -> EventType:
    return EventType(
        f"{_PROCUREMENT}{fact}.v1",
        frozenset({"act", "lot", "bidder", "submission_number"}),
        confidential=True,
    )


_DRAFT = ("buyer", "draft_digest")
_ENDED = ("ground", "article", "reason")

TENDER_DRAFTED = _public("tender-drafted", *_DRAFT)
TENDER_REVISED = _public("tender-revised", *_DRAFT)
TENDER_SUBMITTED_FOR_APPROVAL = _public("tender-submitted-for-approval", *_DRAFT)
TENDER_APPROVED = _public("tender-approved", *_DRAFT)
TENDER_RETURNED_TO_DRAFT = _public("tender-returned-to-draft", *_DRAFT, "reason")
KEY_SET_PUBLISHED = _public("key-set-published", "digest", "threshold", "members", "custodian", "previous")
TENDER_PUBLISHED = _public("tender-published", "digest", "notice")
SUBMISSION_CLOSED = _public("submission-closed", "digest", "closed_at", "listed", "bidders", "tenderers")
ATTENDANCE_RECORDED = _public("attendance-recorded", "stage", "party", "seat", "conflict", "digest")
OPENING_STARTED = _public("opening-started", "stage", "digest", "chair", "present", "envelopes", "opened_at")
SHARE_BATCH_RECEIVED = EventType(
    f"{_PROCUREMENT}share-batch-received.v1", frozenset({"tender", "stage", "party", "digest"})
)
OPENING_RECORDED = _public("opening-recorded", "stage", "digest", "opened", "unopenable", "disputed")
MINUTES_SIGNED = _public(
    "minutes-signed", "stage", "party", "digest", "source_digest", "revision", "renderer"
)
DECISION_MADE = _public(
    "decision-made", "stage", "digest", "record_digest", "accepted", "rejected", "signers"
)
PRICE_OPENING_EXTENDED = _public("price-opening-extended", "previous", "price_opening_at", "reason")
AWARD_DECIDED = _public("award-decided", "digest", "record_digest", "signers", "lots")
ENVELOPES_RETURNED = _public("envelopes-returned", "digest", "manifest_digest", "kinds")
KEYS_DESTROYED = _public("keys-destroyed", "digest", "key_set_digest")
TENDER_CANCELLED = _public("tender-cancelled", *_ENDED)
TENDER_UNSUCCESSFUL = _public("tender-unsuccessful", *_ENDED)
SUBMISSION_RECEIVED = _confidential("submission-received")
SUBMISSION_WITHDRAWN = _confidential("submission-withdrawn")
SUBMISSION_REFUSED = _confidential("submission-refused")

# The log is public and documents are not: these name neither the document nor its signer. ``digest`` is that of the
# signed document, which nobody can guess who does not hold it.
DOCUMENT_PREPARED = EventType(
    f"{_SIGNING}document-prepared.v1", frozenset({"prepared", "format", "level", "expires_at"})
)
DOCUMENT_SIGNED = EventType(
    f"{_SIGNING}document-signed.v1", frozenset({"prepared", "format", "level", "digest"})
)
# The installation's own seal is no private matter: who had it put on what.
DOCUMENT_SEALED = EventType(f"{_SIGNING}document-sealed.v1", frozenset({"by", "format", "level", "digest"}))

# The register. ``commitment`` opens with what is disclosed to who holds the document; ``digest`` is there for
# public ones only.
DOCUMENT_REGISTERED = EventType(
    f"{_DOCUMENTS}document-registered.v1", frozenset({"document", "unit", "kind", "commitment", "paper"})
)
DOCUMENT_STATE_CHANGED = EventType(
    f"{_DOCUMENTS}document-state-changed.v1", frozenset({"document", "state", "commitment", "paper"})
)

EVENT_TYPES: Mapping[str, EventType] = MappingProxyType(
    {
        event.name: event
        for event in (
            TENDER_DRAFTED,
            TENDER_REVISED,
            TENDER_SUBMITTED_FOR_APPROVAL,
            TENDER_APPROVED,
            TENDER_RETURNED_TO_DRAFT,
            KEY_SET_PUBLISHED,
            TENDER_PUBLISHED,
            SUBMISSION_CLOSED,
            ATTENDANCE_RECORDED,
            OPENING_STARTED,
            SHARE_BATCH_RECEIVED,
            OPENING_RECORDED,
            MINUTES_SIGNED,
            DECISION_MADE,
            PRICE_OPENING_EXTENDED,
            AWARD_DECIDED,
            ENVELOPES_RETURNED,
            KEYS_DESTROYED,
            TENDER_CANCELLED,
            TENDER_UNSUCCESSFUL,
            SUBMISSION_RECEIVED,
            SUBMISSION_WITHDRAWN,
            SUBMISSION_REFUSED,
            DOCUMENT_PREPARED,
            DOCUMENT_SIGNED,
            DOCUMENT_SEALED,
            DOCUMENT_REGISTERED,
            DOCUMENT_STATE_CHANGED,
        )
    }
)
