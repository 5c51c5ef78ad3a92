"""Public events of a tender as Open Contracting Data: one release per step, and the compiled record.

Pure: ``evolve`` keeps what later steps have to repeat, ``release_for`` says what one event publishes, and
None for events that are not a step of their own. Demonstration installations are marked three times: in the
name of the publisher, in the title and in the description of the tender.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Self

from schemas.events import (
    AWARD_DECIDED,
    DECISION_MADE,
    KEYS_DESTROYED,
    OPENING_RECORDED,
    OPENING_STARTED,
    PRICE_OPENING_EXTENDED,
    SUBMISSION_CLOSED,
    TENDER_CANCELLED,
    TENDER_PUBLISHED,
    TENDER_UNSUCCESSFUL,
)
from transparency.ocds_merge import compile_release

DEMO_TITLE = "DEMO - "
DEMO_DESCRIPTION = "DEMO: a made-up tender of a demonstration installation; nobody is called to bid. "

_METHODS = {
    "open_tender": "open",
    "limited_tender": "limited",
    "international_tender": "open",
    "auction": "open",
    "partnership_call": "open",
}

Event = Mapping[str, Any]
Release = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TenderState:
    """What has been published of a tender: its notice, and the names of the parties by their identifier."""

    notice: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"notice": dict(self.notice), "names": dict(self.names)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(value["notice"], value["names"])


def evolve(state: TenderState, event: Event) -> TenderState:
    """The state after the event."""
    data = event["data"]
    if event["type"] == TENDER_PUBLISHED.name:
        return replace(state, notice=data["notice"])
    if event["type"] == SUBMISSION_CLOSED.name:
        return replace(state, names={each["party"]: each["name"] for each in data["tenderers"]})
    return state


def release_for(event: Event, state: TenderState) -> Release | None:
    """The OCDS 1.1.5 release of an event, given the state after it; None where nothing is released.

    Nothing is released before the notice is, nor of types that are not a step for the public.
    """
    step = _STEPS.get(event["type"])
    if step is None or not state.notice:
        return None
    tags, body = step(event, state)
    return {
        "ocid": state.notice["ocid"],
        "id": f"{state.notice['ocid']}-{event['sequence']:04d}",
        "date": event["time"],
        "tag": tags,
        "initiationType": "tender",
        "language": "fa",
        "buyer": _reference(state.notice["buyer"]["id"], state.notice["buyer"]["name"]),
        **body,
    }


def record_for(releases: Sequence[Release]) -> dict[str, Any]:
    """The record of one ocid: its releases and what they say together."""
    return {
        "ocid": releases[0]["ocid"],
        "releases": list(releases),
        "compiledRelease": compile_release(releases),
    }


_Step = Callable[[Event, TenderState], tuple[list[str], dict[str, Any]]]


def _published(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    notice = state.notice
    buyer = notice["buyer"]
    title, description = notice["title"], notice["description"]
    if notice["demo"]:
        title, description = DEMO_TITLE + title, DEMO_DESCRIPTION + description
    tender: dict[str, Any] = {
        "id": notice["tender"],
        "title": title,
        "description": description,
        "status": "active",
        "procuringEntity": _reference(buyer["id"], buyer["name"]),
        "procurementMethod": _METHODS.get(notice["method"], "open"),
        "procurementMethodDetails": f"{notice['method']}, {notice['stages']}-stage, {notice['regime']}",
        "awardCriteria": "priceOnly",
        "submissionMethod": ["electronicSubmission"],
        "submissionMethodDetails": "Sealed electronic envelopes; receipts and log proofs for every submission.",
        "tenderPeriod": {"startDate": notice["published_at"], "endDate": notice["submission_deadline"]},
        "lots": [{"id": lot["id"], "title": lot["title"], "status": "active"} for lot in notice["lots"]],
        "documents": [
            {
                "id": "notice",
                "documentType": "tenderNotice",
                "title": title,
                "description": f"SHA-256 of the signed notice: {event['data']['digest']}",
                "datePublished": event["time"],
            }
        ],
    }
    if notice["estimate"] is not None:
        tender["value"] = _value(notice["estimate"])
    if notice["price_opening_at"] is not None:
        tender["milestones"] = [_price_opening(notice["price_opening_at"])]
    parties = [_party(buyer["id"], buyer["name"], ["buyer", "procuringEntity"])]
    return ["tender"], {"parties": parties, "tender": tender}


def _submission_closed(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    names = state.names
    body: dict[str, Any] = {"numberOfTenderers": event["data"]["bidders"]}
    if names:
        body["tenderers"] = [_reference(party, name) for party, name in sorted(names.items())]
    released: dict[str, Any] = {"tender": {"id": state.notice["tender"], **body}}
    if names:
        released["parties"] = [_party(party, name, ["tenderer"]) for party, name in sorted(names.items())]
    return ["tenderUpdate"], released


def _opening_started(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    data = event["data"]
    return _milestone(
        event,
        state,
        id=f"opening-{data['stage']}",
        title=f"Opening of envelopes {data['stage']}",
        description=f"{data['envelopes']} envelopes, {len(data['present'])} members present",
        status="scheduled",
    )


def _opening_recorded(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    data = event["data"]
    counts = ", ".join(f"{data[outcome]} {outcome}" for outcome in ("opened", "unopenable", "disputed"))
    return _milestone(
        event,
        state,
        id=f"opening-{data['stage']}",
        title=f"Opening of envelopes {data['stage']}",
        description=f"{counts}; SHA-256 of the record: {data['digest']}",
        status="met",
        dateMet=event["time"],
    )


def _decision_made(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    data = event["data"]
    return _milestone(
        event,
        state,
        id=f"decision-{data['stage']}",
        title=f"Decision on envelopes {data['stage']}",
        description=f"{data['accepted']} accepted, {data['rejected']} rejected; "
        f"SHA-256 of the decision: {data['digest']}",
        status="met",
        dateMet=event["time"],
    )


def _keys_destroyed(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    return _milestone(
        event,
        state,
        id="keys-destroyed",
        title="Envelopes that stayed closed were returned and their keys destroyed",
        description=f"SHA-256 of the custodian's attestation: {event['data']['digest']}",
        status="met",
        dateMet=event["time"],
    )


def _price_opening_extended(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    milestone = {**_price_opening(event["data"]["price_opening_at"]), "dateModified": event["time"]}
    return ["tenderUpdate"], {"tender": {"id": state.notice["tender"], "milestones": [milestone]}}


def _award_decided(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    titles = {lot["id"]: lot["title"] for lot in state.notice["lots"]}
    lots = event["data"]["lots"]
    winners = sorted({lot["winner"] for lot in lots if lot["winner"] is not None})
    status = "complete" if winners else "unsuccessful"
    body: dict[str, Any] = {
        "tender": {
            "id": state.notice["tender"],
            "status": status,
            "lots": [
                {"id": lot["lot"], "status": "complete" if lot["winner"] else "unsuccessful"} for lot in lots
            ],
        },
        "awards": [_award(lot, titles.get(lot["lot"], lot["lot"]), event, state) for lot in lots],
    }
    if winners:
        body["parties"] = [
            _party(winner, state.names.get(winner, winner), ["tenderer", "supplier"]) for winner in winners
        ]
    return ["award", "tenderUpdate"], body


def _award(lot: Mapping[str, Any], title: str, event: Event, state: TenderState) -> dict[str, Any]:
    award: dict[str, Any] = {
        "id": f"{state.notice['tender']}-{lot['lot']}",
        "title": title,
        "description": f"SHA-256 of the signed award: {event['data']['digest']}",
        "status": "active" if lot["winner"] is not None else "unsuccessful",
        "date": event["time"],
        "relatedLots": [lot["lot"]],
    }
    if lot["winner"] is not None:
        award["value"] = _value(lot["amount"])
        award["suppliers"] = [_reference(lot["winner"], state.names.get(lot["winner"], lot["winner"]))]
    return award


def _cancelled(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    return ["tenderCancellation"], _ended("cancelled", event, state)


def _unsuccessful(event: Event, state: TenderState) -> tuple[list[str], dict[str, Any]]:
    return ["tenderUpdate"], _ended("unsuccessful", event, state)


def _ended(status: str, event: Event, state: TenderState) -> dict[str, Any]:
    milestone = {
        "id": "ended",
        "title": "End of the tender",
        "type": "assessment",
        "description": event["data"]["reason"],
        "status": "met",
        "dateMet": event["time"],
    }
    lots = [{"id": lot["id"], "status": status} for lot in state.notice["lots"]]
    return {
        "tender": {"id": state.notice["tender"], "status": status, "lots": lots, "milestones": [milestone]}
    }


def _milestone(event: Event, state: TenderState, **fields: Any) -> tuple[list[str], dict[str, Any]]:
    milestone = {"type": "assessment", "dateModified": event["time"], **fields}
    return ["tenderUpdate"], {"tender": {"id": state.notice["tender"], "milestones": [milestone]}}


def _price_opening(due: str) -> dict[str, Any]:
    return {
        "id": "price-opening",
        "title": "Opening of the price envelopes",
        "type": "assessment",
        "dueDate": due,
        "status": "scheduled",
    }


def _reference(party: str, name: str) -> dict[str, Any]:
    return {"id": party, "name": name}


def _party(party: str, name: str, roles: list[str]) -> dict[str, Any]:
    return {"id": party, "name": name, "roles": roles}


def _value(money: Mapping[str, str]) -> dict[str, Any]:
    return {"amount": Decimal(money["amount"]), "currency": money["currency"]}


_STEPS: Mapping[str, _Step] = {
    TENDER_PUBLISHED.name: _published,
    SUBMISSION_CLOSED.name: _submission_closed,
    OPENING_STARTED.name: _opening_started,
    OPENING_RECORDED.name: _opening_recorded,
    DECISION_MADE.name: _decision_made,
    PRICE_OPENING_EXTENDED.name: _price_opening_extended,
    AWARD_DECIDED.name: _award_decided,
    KEYS_DESTROYED.name: _keys_destroyed,
    TENDER_CANCELLED.name: _cancelled,
    TENDER_UNSUCCESSFUL.name: _unsuccessful,
}
