"""The tender's two functions: ``decide`` says what a command leads to, ``evolve`` what an event makes of it.

Everything a caller needs of a tender's life is named here; its parts live beside: transitions, commands,
events, aggregate, and the guards in preparation, opening and closing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from procurement.rules import closing, opening, preparation
from procurement.rules import events as e
from procurement.rules.aggregate import Tender
from procurement.rules.commands import (
    Approve,
    Award,
    Cancel,
    CloseSubmissions,
    CloseTender,
    Command,
    Decide,
    DeclareUnsuccessful,
    ExtendPriceOpening,
    PublishKeySet,
    PublishNotice,
    RecordAttendance,
    RecordOpening,
    ReturnToDraft,
    ReviseDraft,
    StartOpening,
    SubmitForApproval,
)
from procurement.rules.events import Event
from procurement.rules.notice import NoticeDraft
from procurement.rules.regimes import rules_at
from procurement.rules.transitions import TABLE, Role, State, Transition, transition_for

__all__ = [
    "TABLE",
    "Approve",
    "Award",
    "Cancel",
    "CloseSubmissions",
    "CloseTender",
    "Command",
    "Decide",
    "DeclareUnsuccessful",
    "Event",
    "ExtendPriceOpening",
    "PublishKeySet",
    "PublishNotice",
    "RecordAttendance",
    "RecordOpening",
    "ReturnToDraft",
    "ReviseDraft",
    "Role",
    "StartOpening",
    "State",
    "SubmitForApproval",
    "Tender",
    "Transition",
    "decide",
    "draft_tender",
    "evolve",
    "evolve_all",
    "transition_for",
]

_DECIDERS: dict[type[Any], Any] = {
    ReviseDraft: preparation.revise,
    SubmitForApproval: preparation.submit_for_approval,
    Approve: preparation.approve,
    ReturnToDraft: preparation.return_to_draft,
    PublishKeySet: preparation.publish_key_set,
    PublishNotice: preparation.publish_notice,
    CloseSubmissions: closing.close_submissions,
    RecordAttendance: opening.record_attendance,
    StartOpening: opening.start,
    RecordOpening: opening.record,
    Decide: opening.decide_stage,
    ExtendPriceOpening: opening.extend_price_opening,
    Award: closing.award,
    CloseTender: closing.close_tender,
    Cancel: closing.cancel,
    DeclareUnsuccessful: closing.declare_unsuccessful,
}


def draft_tender(draft: NoticeDraft, *, by: str, now: datetime) -> list[Event]:
    """The event that begins a tender; raises RegimeUnknown when no such rules are in force."""
    rules_at(draft.regime, now)
    return [e.TenderDrafted(draft.tender, draft.ocid, draft, by)]


def decide(tender: Tender, command: Command, now: datetime) -> list[Event]:
    """What the command leads to, or the refusal: WrongState by the table, else the broken rule's error."""
    transition_for(tender.state, command)
    events: list[Event] = _DECIDERS[type(command)](tender, command, now)
    return events


def evolve_all(tender: Tender | None, events: Iterable[Event]) -> Tender:
    """The tender after all the events; the first one may begin it."""
    for event in events:
        tender = evolve(tender, event)
    if tender is None:
        raise ValueError("no event began the tender")
    return tender


def evolve(tender: Tender | None, event: Event) -> Tender:
    """The tender after one event. It never refuses: deciding is over."""
    if isinstance(event, e.TenderDrafted):
        return Tender(id=event.tender, state=State.DRAFT, draft=event.draft, drafted_by=event.by)
    if tender is None:
        raise ValueError("only TenderDrafted begins a tender")
    return replace(tender, **_changes(tender, event))


def _changes(tender: Tender, event: Event) -> dict[str, Any]:
    match event:
        case e.TenderRevised():
            return {"draft": event.draft, "drafted_by": event.by}
        case e.TenderSubmittedForApproval():
            return {"state": State.IN_APPROVAL, "submitted_by": event.by}
        case e.TenderApproved():
            return {"state": State.APPROVED, "approved_by": event.by}
        case e.TenderReturnedToDraft():
            return {"state": State.DRAFT, "submitted_by": None, "approved_by": None, "key_set": None}
        case e.KeySetPublished():
            return {"key_set": event.key_set}
        case e.TenderPublished():
            digest = event.notice.digest
            return {"state": State.PUBLISHED, "notice": event.notice, "notice_digest": digest}
        case e.SubmissionClosed():
            return {"state": State.SUBMISSION_CLOSED, "closing": event.closing}
        case e.EnvelopesReturned():
            return {"returned": (*tender.returned, event.returned.manifest_digest)}
        case e.KeysDestroyed():
            return {"keys_destroyed": event.digest}
        case e.TenderCancelled():
            return {"state": State.CANCELLED, "ending": event.ending}
        case e.TenderUnsuccessful():
            return {"state": State.UNSUCCESSFUL, "ending": event.ending}
        case _:
            return _changes_in_commission(tender, event)


def _changes_in_commission(tender: Tender, event: Event) -> dict[str, Any]:
    match event:
        case e.AttendanceRecorded():
            return {"attendances": (*tender.attendances, event.attendance)}
        case e.OpeningStarted():
            state = State.OPENING_A if event.stage == "A" else tender.state
            return {"state": state, "sessions": {**tender.sessions, event.stage: event.session}}
        case e.OpeningRecorded():
            after = {"B": State.EVALUATION, "C": State.COMMISSION_DECISION}.get(event.stage, tender.state)
            return {"state": after, "records": {**tender.records, event.stage: event.record}}
        case e.DecisionMade():
            after = State.OPENING_B if event.stage == "A" else State.OPENING_C
            return {"state": after, "decisions": {**tender.decisions, event.stage: event.decision}}
        case e.PriceOpeningExtended():
            return {"price_opening_extended_to": event.until}
        case e.AwardDecided():
            return {"state": State.AWARDED, "award": event.award}
        case _:
            raise TypeError(f"{type(event).__name__} is not an event of a tender")
