"""Guards of the commission's sessions: attendance, start, record, decision on A and B (Art. 5, 18, 19)."""

from __future__ import annotations

from datetime import datetime

from kernel.clock import parse_utc
from kernel.errors import Conflict, WrongState
from procurement.rules import commands as c
from procurement.rules import events as e
from procurement.rules.aggregate import Tender
from procurement.rules.commission import check_quorum, has_majority, head_of, seat_of
from procurement.rules.decision import check_verdicts
from procurement.rules.errors import (
    BidValidityOver,
    ConflictOfInterest,
    DatesOutOfOrder,
    DocumentMismatch,
    ExtensionRefused,
    MajorityMissing,
    NotAMember,
    NotEligible,
    QuorumMissing,
    TooEarly,
)
from procurement.rules.facts import Attendance, Decision, Ending, OpeningResult, Record, Session, Verdict
from procurement.rules.transitions import STAGE_OF


def record_attendance(tender: Tender, command: c.RecordAttendance, now: datetime) -> list[e.Event]:
    """Once by each member, for the stage that comes next, before its session starts."""
    _check_stage(tender, command.stage, command.tender)
    if command.stage in tender.sessions:
        raise WrongState("the session has started; who sits in it is fixed", stage=command.stage)
    seat = seat_of(tender.published_notice.commission, command.party)
    if seat is None or command.signer != command.party:
        raise tender.rules["commission-seats"].refusal(
            NotAMember, "attendance is declared by a member of the commission, for himself"
        )
    if any(each.stage == command.stage and each.party == command.party for each in tender.attendances):
        raise Conflict("this member has declared attendance for the stage already", stage=command.stage)
    attendance = Attendance(command.stage, command.party, command.conflict)
    return [e.AttendanceRecorded(tender.id, tender.ocid, attendance, seat, command.digest)]


def start(tender: Tender, command: c.StartOpening, now: datetime) -> list[e.Event]:
    """The head opens a stage: in time, on the documents in force, with a quorum, for eligible envelopes."""
    stage = command.stage
    _check_stage(tender, stage, command.tender)
    if stage in tender.sessions:
        raise WrongState("the session of this stage has started already", stage=stage)
    if command.session_stage != stage:
        raise tender.rules["envelope-order"].refusal(
            DocumentMismatch, "the session was signed for another stage", stage=command.session_stage
        )
    _check_time(tender, stage, parse_utc(command.opened_at), now)
    _check_grounds(tender, command)
    _check_present(tender, command)
    _check_manifests(tender, command)
    session = Session(command.digest, command.signer, command.present, command.manifests, command.opened_at)
    return [e.OpeningStarted(tender.id, tender.ocid, stage, session)]


def record(tender: Tender, command: c.RecordOpening, now: datetime) -> list[e.Event]:
    """What became of every envelope of the session, once."""
    _check_stage(tender, command.stage, tender.id)
    session = tender.sessions.get(command.stage)
    if session is None or command.stage in tender.records:
        raise WrongState("no session of this stage is waiting for its record", stage=command.stage)
    results = tuple(OpeningResult.parse(result) for result in command.results)
    listed = {bid.manifest_digest: bid for bid in tender.closing.listed} if tender.closing else {}
    named = [result.manifest_digest for result in results]
    unlike = [
        result.manifest_digest
        for result in results
        if (bid := listed.get(result.manifest_digest)) is None
        or (bid.lot, bid.bidder) != (result.lot, result.bidder)
    ]
    if unlike or sorted(named) != sorted(session.manifests):
        raise tender.rules["envelope-order"].refusal(
            NotEligible, "the record does not name exactly the envelopes of its session"
        )
    made = Record(command.digest, results)
    return [e.OpeningRecorded(tender.id, tender.ocid, command.stage, made, command.results)]


def decide_stage(tender: Tender, command: c.Decide, now: datetime) -> list[e.Event]:
    """A majority decides on every bid of the record; if none is left, the tender ends (Art. 24)."""
    stage = command.stage
    _check_stage(tender, stage, command.tender)
    made = tender.records.get(stage)
    if made is None:
        raise WrongState("the stage has not been opened yet", stage=stage)
    if (command.document_stage, command.record_digest) != (stage, made.digest):
        raise tender.rules["envelope-order"].refusal(
            DocumentMismatch, "the decision rests on another opening record"
        )
    verdicts = tuple(Verdict.parse(result) for result in command.results)
    check_verdicts(tender.published_notice, stage, made, verdicts, command.bids, tender.rules)
    decision = Decision(command.digest, verdicts, agreed(tender, stage, command.signers))
    events: list[e.Event] = [e.DecisionMade(tender.id, tender.ocid, stage, decision, command.record_digest)]
    if not decision.accepted:
        rule = tender.rules["minimum-bidders"]
        ending = Ending("too-few-bidders", rule.article, f"no bid was accepted in stage {stage}")
        events.append(e.TenderUnsuccessful(tender.id, tender.ocid, ending))
    return events


def extend_price_opening(tender: Tender, command: c.ExtendPriceOpening, now: datetime) -> list[e.Event]:
    """Once, later, within bid validity, before the session; raises ExtensionRefused."""
    announced = tender.price_opening_at
    refused = (
        announced is None
        or tender.price_opening_extended_to is not None
        or "C" in tender.sessions
        or command.until <= announced
        or command.until > tender.published_notice.bid_valid_until
        or not command.reason.strip()
    )
    if refused or announced is None:
        raise tender.rules["price-opening-extension"].refusal(
            ExtensionRefused, "prices are put off once, with a reason, to a later time while bids are valid"
        )
    return [e.PriceOpeningExtended(tender.id, tender.ocid, announced, command.until, command.reason.strip())]


def agreed(tender: Tender, stage: str, signers: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the signers who were present; raises MajorityMissing if they are no majority."""
    present = tender.present(stage)
    if not has_majority(tender.published_notice.commission, present, signers):
        raise tender.rules["majority"].refusal(
            MajorityMissing,
            "a majority of the members present has not signed",
            present=len(present),
            signed=len(set(signers) & set(present)),
        )
    return tuple(party for party in present if party in signers)


def in_force(tender: Tender, stage: str, signers: tuple[str, ...]) -> bool:
    """Whether these signatures put a decision on that stage in force; an award is one on stage C."""
    return has_majority(tender.published_notice.commission, tender.present(stage), signers)


def _check_stage(tender: Tender, stage: str, named_tender: str) -> None:
    due = STAGE_OF[tender.state]
    if stage != due:
        raise WrongState("another stage is due", stage=stage, due=due, state=tender.state.value)
    if named_tender != tender.id:
        raise tender.rules["envelope-order"].refusal(
            DocumentMismatch, "the document was signed for another tender"
        )


def _check_time(tender: Tender, stage: str, opened_at: datetime, now: datetime) -> None:
    rules = tender.rules
    if now > tender.published_notice.bid_valid_until:
        raise rules["bid-validity"].refusal(BidValidityOver, "the bids have lost their validity")
    earliest = tender.closes_instant
    rule = rules["within-deadline"]
    if stage == "C" and tender.price_opening_at is not None:
        earliest, rule = tender.price_opening_at, rules["price-opening"]
    if min(now, opened_at) < earliest:
        raise rule.refusal(TooEarly, "the time of this opening has not come")
    if opened_at > now:
        raise rule.refusal(DatesOutOfOrder, "the session claims to start later than now")


def _check_grounds(tender: Tender, command: c.StartOpening) -> None:
    rests_on = (command.closing_list_digest, command.decision_digest)
    if rests_on != (tender.closing_list_digest, tender.decision_digest_before(command.stage)):
        raise tender.rules["envelope-order"].refusal(
            DocumentMismatch, "the session rests on another closing list or decision than those in force"
        )


def _check_present(tender: Tender, command: c.StartOpening) -> None:
    notice, rules = tender.published_notice, tender.rules
    if command.signer != head_of(notice.commission):
        raise rules["head-attends"].refusal(NotAMember, "only the head of the commission opens a session")
    declared = {each.party: each for each in tender.attendances if each.stage == command.stage}
    for party in command.present:
        if party in declared and declared[party].conflict:
            raise rules["no-conflict"].refusal(
                ConflictOfInterest, "a member with a declared conflict does not sit", party=party
            )
    check_quorum(notice, command.present, rules)
    silent = sorted(set(command.present) - set(declared))
    if silent:
        raise rules["quorum"].refusal(
            QuorumMissing, "members are named present who have not declared it", missing=silent
        )
    if len(command.present) < notice.opening_threshold:
        raise rules["opening-threshold"].refusal(
            QuorumMissing, "too few key holders are present to open", needed=notice.opening_threshold
        )


def _check_manifests(tender: Tender, command: c.StartOpening) -> None:
    eligible = tender.eligible(command.stage)
    if sorted(command.manifests) != sorted(eligible):
        closed = sorted(set(command.manifests) - set(eligible))
        rule = tender.rules["rejected-returned" if closed else "envelope-order"]
        raise rule.refusal(
            NotEligible, "the session does not name exactly the envelopes that may be opened", closed=closed
        )
