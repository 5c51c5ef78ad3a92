"""Public events of a tender as Open Contracting Data: one release per step, and the record of them all.

Pure: ``evolve`` keeps what later steps have to repeat, ``release_for`` says what one event publishes, and
None for events that are not a step of their own. Demonstration installations are marked three times: in the
name of the publisher, in the title and in the description of the tender.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from schemas.events import (
    AWARD_DECIDED,
    DECISION_MADE,
    ENVELOPES_RETURNED,
    KEYS_DESTROYED,
    OPENING_RECORDED,
    OPENING_STARTED,
    PRICE_OPENING_EXTENDED,
    SUBMISSION_CLOSED,
    TENDER_CANCELLED,
    TENDER_PUBLISHED,
    TENDER_UNSUCCESSFUL,
)
from transparency.ocds_call import price_opening_extended, published, submission_closed
from transparency.ocds_end import award_decided, cancelled, envelopes_returned, keys_destroyed, unsuccessful
from transparency.ocds_merge import compile_release, version_release
from transparency.ocds_openings import decision_made, opening_recorded, opening_started
from transparency.ocds_parts import Event, Step, TenderState, buyer_of, reference

Release = dict[str, Any]

_STEPS: Mapping[str, Callable[[Step], tuple[list[str], Release]]] = MappingProxyType(
    {
        TENDER_PUBLISHED.name: published,
        SUBMISSION_CLOSED.name: submission_closed,
        OPENING_STARTED.name: opening_started,
        OPENING_RECORDED.name: opening_recorded,
        DECISION_MADE.name: decision_made,
        PRICE_OPENING_EXTENDED.name: price_opening_extended,
        AWARD_DECIDED.name: award_decided,
        ENVELOPES_RETURNED.name: envelopes_returned,
        KEYS_DESTROYED.name: keys_destroyed,
        TENDER_CANCELLED.name: cancelled,
        TENDER_UNSUCCESSFUL.name: unsuccessful,
    }
)


def evolve(state: TenderState, event: Event) -> TenderState:
    """The state after the event."""
    data = event["data"]
    if event["type"] == TENDER_PUBLISHED.name:
        return replace(state, notice=data["notice"])
    if event["type"] == SUBMISSION_CLOSED.name:
        return replace(state, names={each["party"]: each["name"] for each in data["tenderers"]})
    return state


def release_for(event: Event, state: TenderState, base_uri: str) -> Release | None:
    """The OCDS 1.1.5 release of an event, given the state after it; None where nothing is released.

    Nothing is released before the notice is, nor of types that are not a step for the public. ``base_uri``
    is where the addresses of documents and proofs begin.
    """
    make = _STEPS.get(event["type"])
    if make is None or not state.notice:
        return None
    step = Step(event, state, base_uri)
    tags, body = make(step)
    buyer = buyer_of(state)
    return {
        "ocid": state.notice["ocid"],
        "id": step.release_id,
        "date": step.time,
        "tag": tags,
        "initiationType": "tender",
        "language": "fa",
        **body,
        "buyer": reference(buyer["id"], buyer["name"]),
        "parties": _together([buyer, *body.get("parties", [])]),
        "logEntries": [step.log_entry()],
    }


def record_for(releases: Sequence[Release]) -> dict[str, Any]:
    """The record of one ocid: its releases, what they say together, and the history of each field."""
    return {
        "ocid": releases[0]["ocid"],
        "releases": list(releases),
        "compiledRelease": compile_release(releases),
        "versionedRelease": version_release(releases),
    }


def _together(parties: Sequence[Release]) -> list[Release]:
    """Each party once, with the roles it has: an organisation may bid at its own body's call."""
    found: dict[str, Release] = {}
    for party in parties:
        present = found.setdefault(party["id"], {**party, "roles": []})
        present["roles"] += [role for role in party["roles"] if role not in present["roles"]]
    return list(found.values())
