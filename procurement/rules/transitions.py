"""The life of a tender as one literal table: state x command -> states, role, guard, events.

docs/tender-life.md and the exhaustive test are made from it; ``decide`` refuses what it does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kernel.errors import WrongState
from procurement.rules import commands as c
from procurement.rules import events as e


class State(StrEnum):
    DRAFT = "draft"
    IN_APPROVAL = "in_approval"
    APPROVED = "approved"
    PUBLISHED = "published"
    SUBMISSION_CLOSED = "submission_closed"
    OPENING_A = "opening_a"
    OPENING_B = "opening_b"
    EVALUATION = "evaluation"
    OPENING_C = "opening_c"
    COMMISSION_DECISION = "commission_decision"
    AWARDED = "awarded"
    CANCELLED = "cancelled"
    UNSUCCESSFUL = "unsuccessful"


class Role(StrEnum):
    BUYER = "buyer"
    APPROVER = "approver"
    MEMBER = "member"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Transition:
    """``to`` holds every state that the command can lead to; ``guard`` is what else must hold, in words."""

    state: State
    command: type[c.Command]
    to: tuple[State, ...]
    role: Role
    guard: str
    events: tuple[type[e.Event], ...]


S, R = State, Role

TABLE: tuple[Transition, ...] = (
    Transition(S.DRAFT, c.ReviseDraft, (S.DRAFT,), R.BUYER, "", (e.TenderRevised,)),
    Transition(
        S.DRAFT,
        c.SubmitForApproval,
        (S.IN_APPROVAL,),
        R.BUYER,
        "the terms keep the rules",
        (e.TenderSubmittedForApproval,),
    ),
    Transition(S.IN_APPROVAL, c.Approve, (S.APPROVED,), R.APPROVER, "by another person", (e.TenderApproved,)),
    Transition(S.IN_APPROVAL, c.ReturnToDraft, (S.DRAFT,), R.APPROVER, "", (e.TenderReturnedToDraft,)),
    Transition(S.APPROVED, c.ReturnToDraft, (S.DRAFT,), R.APPROVER, "", (e.TenderReturnedToDraft,)),
    Transition(
        S.APPROVED,
        c.PublishKeySet,
        (S.APPROVED,),
        R.BUYER,
        "countersigned by every key holder and the custodian",
        (e.KeySetPublished,),
    ),
    Transition(
        S.APPROVED,
        c.PublishNotice,
        (S.PUBLISHED,),
        R.BUYER,
        "as approved, under the current key set, and keeps the rules",
        (e.TenderPublished,),
    ),
    Transition(
        S.PUBLISHED,
        c.CloseSubmissions,
        (S.SUBMISSION_CLOSED, S.UNSUCCESSFUL),
        R.CLOCK,
        "deadline and grace have passed; enough bidders",
        (e.SubmissionClosed, e.TenderUnsuccessful),
    ),
    Transition(
        S.SUBMISSION_CLOSED,
        c.RecordAttendance,
        (S.SUBMISSION_CLOSED,),
        R.MEMBER,
        "A",
        (e.AttendanceRecorded,),
    ),
    Transition(
        S.SUBMISSION_CLOSED, c.StartOpening, (S.OPENING_A,), R.MEMBER, "A; quorum", (e.OpeningStarted,)
    ),
    Transition(S.OPENING_A, c.RecordOpening, (S.OPENING_A,), R.MEMBER, "A; once", (e.OpeningRecorded,)),
    Transition(
        S.OPENING_A,
        c.Decide,
        (S.OPENING_B, S.UNSUCCESSFUL),
        R.MEMBER,
        "A; majority; guarantees suffice",
        (e.DecisionMade, e.TenderUnsuccessful),
    ),
    Transition(
        S.OPENING_B,
        c.RecordAttendance,
        (S.OPENING_B,),
        R.MEMBER,
        "B; no session yet",
        (e.AttendanceRecorded,),
    ),
    Transition(S.OPENING_B, c.StartOpening, (S.OPENING_B,), R.MEMBER, "B; quorum; once", (e.OpeningStarted,)),
    Transition(
        S.OPENING_B, c.RecordOpening, (S.EVALUATION,), R.MEMBER, "B; in session", (e.OpeningRecorded,)
    ),
    Transition(
        S.EVALUATION,
        c.Decide,
        (S.OPENING_C, S.UNSUCCESSFUL),
        R.MEMBER,
        "B; majority",
        (e.DecisionMade, e.TenderUnsuccessful),
    ),
    Transition(
        S.OPENING_C,
        c.RecordAttendance,
        (S.OPENING_C,),
        R.MEMBER,
        "C; no session yet",
        (e.AttendanceRecorded,),
    ),
    Transition(
        S.OPENING_C,
        c.StartOpening,
        (S.OPENING_C,),
        R.MEMBER,
        "C; quorum; once; two-stage: the announced time has come",
        (e.OpeningStarted,),
    ),
    Transition(
        S.OPENING_C,
        c.RecordOpening,
        (S.COMMISSION_DECISION,),
        R.MEMBER,
        "C; in session",
        (e.OpeningRecorded,),
    ),
    Transition(
        S.COMMISSION_DECISION,
        c.Award,
        (S.AWARDED, S.UNSUCCESSFUL),
        R.MEMBER,
        "majority; follows from the prices",
        (e.AwardDecided, e.TenderUnsuccessful),
    ),
    *(
        Transition(
            state,
            c.ExtendPriceOpening,
            (state,),
            R.BUYER,
            "two-stage; once; within bid validity",
            (e.PriceOpeningExtended,),
        )
        for state in (S.OPENING_B, S.EVALUATION, S.OPENING_C)
    ),
    *(
        Transition(
            state,
            c.Cancel,
            (S.CANCELLED,),
            R.BUYER,
            "a ground of the law, given with a reason",
            (e.TenderCancelled,),
        )
        for state in (
            S.DRAFT,
            S.IN_APPROVAL,
            S.APPROVED,
            S.PUBLISHED,
            S.SUBMISSION_CLOSED,
            S.OPENING_A,
            S.OPENING_B,
            S.EVALUATION,
            S.OPENING_C,
            S.COMMISSION_DECISION,
        )
    ),
    *(
        Transition(
            state,
            c.DeclareUnsuccessful,
            (S.UNSUCCESSFUL,),
            R.BUYER,
            "a ground of the law that applies now",
            (e.TenderUnsuccessful,),
        )
        for state in (
            S.SUBMISSION_CLOSED,
            S.OPENING_A,
            S.OPENING_B,
            S.EVALUATION,
            S.OPENING_C,
            S.COMMISSION_DECISION,
        )
    ),
    *(
        Transition(
            state,
            c.CloseTender,
            (state,),
            R.BUYER,
            "once; every unopened envelope returned, keys destroyed",
            (e.EnvelopesReturned, e.KeysDestroyed),
        )
        for state in (S.AWARDED, S.CANCELLED, S.UNSUCCESSFUL)
    ),
)

_BY_STEP = {(row.state, row.command): row for row in TABLE}


def transition_for(state: State, command: c.Command) -> Transition:
    """The row for a command in a state; raises WrongState if the table has none."""
    row = _BY_STEP.get((state, type(command)))
    if row is None:
        raise WrongState(
            "this step does not belong to the present state of the tender",
            state=state.value,
            command=type(command).__name__,
        )
    return row


# Which envelopes a state is about: those that are opened next, or are being decided upon.
STAGE_OF: dict[State, str] = {
    S.SUBMISSION_CLOSED: "A",
    S.OPENING_A: "A",
    S.OPENING_B: "B",
    S.EVALUATION: "B",
    S.OPENING_C: "C",
    S.COMMISSION_DECISION: "C",
}
