"""Builders: a call by every rule, and the steps that bring its tender to any state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.canonical import sha256_hex
from kernel.clock import format_utc
from procurement.rules.award import award_document
from procurement.rules.decision import decision_document, propose
from procurement.rules.facts import Return
from procurement.rules.notice import NoticeDraft, draft_from
from procurement.rules.notice_check import key_holders
from procurement.rules.tender import (
    Approve,
    Award,
    Cancel,
    CloseSubmissions,
    CloseTender,
    Command,
    Decide,
    DeclareUnsuccessful,
    PublishKeySet,
    PublishNotice,
    RecordAttendance,
    RecordOpening,
    StartOpening,
    State,
    SubmitForApproval,
    Tender,
    decide,
    draft_tender,
    evolve_all,
)

TENDER = "0193587a-0000-7000-8000-000000000001"
OCID = "ocds-mohr-1"
HEAD, FINANCE, TECHNICAL, ALTERNATE, OBSERVER = "IR-1", "IR-2", "IR-3", "IR-4", "IR-5"
BUYER, APPROVER, CUSTODIAN = "IR-10", "IR-11", "IRO-99"
MEMBERS = (HEAD, FINANCE, TECHNICAL)

PUBLISHED = datetime(2026, 1, 1, 8, tzinfo=UTC)
DOCUMENTS_UNTIL = PUBLISHED + timedelta(days=5)
DEADLINE = DOCUMENTS_UNTIL + timedelta(days=10)
GRACE = timedelta(seconds=600)
CLOSES = DEADLINE + GRACE
PRICE_OPENING = DEADLINE + timedelta(days=7)
VALID_UNTIL = DEADLINE + timedelta(days=90)


def digest(name: str) -> str:
    """A stable stand-in for the SHA-256 of some document."""
    return sha256_hex(name.encode())


def irr(amount: int | str) -> dict[str, str]:
    return {"amount": str(amount), "currency": "IRR"}


def draft_fields(**changes: Any) -> dict[str, Any]:
    """What a buyer enters for a one-stage tender under tenders-1383."""
    seats = zip(
        (HEAD, FINANCE, TECHNICAL, ALTERNATE, OBSERVER),
        ("head", "finance", "technical", "alternate", "observer"),
        strict=True,
    )
    fields: dict[str, Any] = {
        "buyer": {"id": "IRO-1", "name": "شهرداری منطقه ۸"},
        "title": "روکش آسفالت",
        "description": "محله نارمک",
        "nature": "expenditure",
        "method": "open_tender",
        "stages": 1,
        "regime": "tenders-1383",
        "lots": [{"id": "1", "title": "همه"}],
        "estimate": irr(1_000_000),
        "currency": "IRR",
        "guarantee": irr(50_000),
        "documents_until": format_utc(DOCUMENTS_UNTIL),
        "submission_deadline": format_utc(DEADLINE),
        "bid_valid_until": format_utc(VALID_UNTIL),
        "publications": [
            {"medium": "newspaper:همشهری", "date": "2026-01-01"},
            {"medium": "newspaper:همشهری", "date": "2026-01-03"},
            {"medium": "official_gazette", "date": "2026-01-02"},
        ],
        "place": "تالار شهر",
        "commission": [{"party": party, "name": f"عضو {party}", "seat": seat} for party, seat in seats],
        "opening_threshold": 2,
    }
    return {**fields, **changes}


def two_stage_fields(**changes: Any) -> dict[str, Any]:
    return draft_fields(stages=2, price_opening_at=format_utc(PRICE_OPENING), **changes)


def draft(fields: Mapping[str, Any] | None = None) -> NoticeDraft:
    entered = dict(fields) if fields is not None else draft_fields()
    return draft_from(entered, tender=TENDER, ocid=OCID, demo=True)


def take(tender: Tender, command: Command, now: datetime) -> Tender:
    return evolve_all(tender, decide(tender, command, now))


def drafted(fields: Mapping[str, Any] | None = None) -> Tender:
    return evolve_all(None, draft_tender(draft(fields), by=BUYER, now=PUBLISHED))


def in_approval(fields: Mapping[str, Any] | None = None) -> Tender:
    return take(drafted(fields), SubmitForApproval(BUYER), PUBLISHED)


def approved(fields: Mapping[str, Any] | None = None) -> Tender:
    return take(in_approval(fields), Approve(APPROVER), PUBLISHED)


def key_set_of(tender: Tender, **changes: Any) -> PublishKeySet:
    holders = key_holders(tender.draft)
    command = PublishKeySet(
        digest=digest("key set"),
        members=holders,
        threshold=tender.draft.opening_threshold,
        custodian=CUSTODIAN,
        signers=(*holders, CUSTODIAN),
    )
    return replace(command, **changes)


def keyed(fields: Mapping[str, Any] | None = None) -> Tender:
    tender = approved(fields)
    return take(tender, key_set_of(tender), PUBLISHED)


def notice_of(tender: Tender, published_at: datetime = PUBLISHED) -> PublishNotice:
    notice = tender.draft.publish(key_set_digest=digest("key set"), published_at=published_at)
    return PublishNotice(notice, BUYER)


def published(fields: Mapping[str, Any] | None = None) -> Tender:
    tender = keyed(fields)
    return take(tender, notice_of(tender), PUBLISHED)


def manifest(bidder: str, lot: str = "1") -> str:
    return digest(f"manifest {bidder} {lot}")


def listed(*bidders: str, lot: str = "1") -> tuple[dict[str, Any], ...]:
    """Entries of a closing list, one for each bidder."""
    return tuple(
        {
            "counter": counter,
            "counter_salt": digest(f"salt {counter}"),
            "act": "submission",
            "lot": lot,
            "bidder": bidder,
            "submission_number": 1,
            "manifest_digest": manifest(bidder, lot),
            "received_at": format_utc(DEADLINE - timedelta(hours=counter)),
            "state": "listed",
        }
        for counter, bidder in enumerate(bidders, start=1)
    )


def closing_of(*bidders: str) -> CloseSubmissions:
    names = tuple({"party": bidder, "name": bidder} for bidder in bidders)
    return CloseSubmissions(digest("closing list"), listed(*bidders), names)


def closed(*bidders: str, fields: Mapping[str, Any] | None = None) -> Tender:
    return take(published(fields), closing_of(*(bidders or ("B-1", "B-2", "B-3"))), CLOSES)


def attendance(stage: str, party: str, *, conflict: bool = False) -> RecordAttendance:
    return RecordAttendance(TENDER, stage, party, party, conflict, digest(f"attendance {stage} {party}"))


def attended(tender: Tender, stage: str, parties: Sequence[str], now: datetime = CLOSES) -> Tender:
    for party in parties:
        tender = take(tender, attendance(stage, party), now)
    return tender


def session_of(tender: Tender, stage: str, now: datetime = CLOSES, **changes: Any) -> StartOpening:
    command = StartOpening(
        tender=tender.id,
        stage=stage,
        session_stage=stage,
        signer=HEAD,
        digest=digest(f"session {stage}"),
        closing_list_digest=digest("closing list"),
        decision_digest=tender.decision_digest_before(stage),
        present=tender.present(stage),
        manifests=tender.eligible(stage),
        opened_at=format_utc(now),
    )
    return replace(command, **changes)


def started(tender: Tender, stage: str, present: Sequence[str] = MEMBERS, now: datetime = CLOSES) -> Tender:
    already = tender.present(stage)
    tender = attended(tender, stage, [party for party in present if party not in already], now)
    return take(tender, session_of(tender, stage, now), now)


def bid_digest(stage: str, manifest_digest: str) -> str:
    return digest(f"bid {stage} {manifest_digest}")


def results_of(tender: Tender, stage: str, unopenable: Sequence[str] = ()) -> list[dict[str, Any]]:
    assert tender.closing is not None
    bidders = {bid.manifest_digest: bid for bid in tender.closing.listed}
    return [
        {
            "manifest_digest": name,
            "lot": bidders[name].lot,
            "bidder": bidders[name].bidder,
            "outcome": "unopenable" if name in unopenable else "opened",
            "bid_digest": None if name in unopenable else bid_digest(stage, name),
            "member_secret": None,
            "custodian_secret": None,
            "named": None,
            "reason": None,
        }
        for name in tender.eligible(stage)
    ]


def recorded(tender: Tender, stage: str, now: datetime = CLOSES, unopenable: Sequence[str] = ()) -> Tender:
    results = tuple(results_of(tender, stage, unopenable))
    return take(tender, RecordOpening(stage, digest(f"record {stage}"), results), now)


def guarantee_bid(**changes: Any) -> dict[str, Any]:
    guarantee: dict[str, Any] = {
        "kind": "bank",
        "issuer": "بانک شهر",
        "number": "12-34",
        "amount": irr(50_000),
        "valid_until": format_utc(VALID_UNTIL),
    }
    return {"type": "mohr/bid/v1", "context": {}, "content": {"guarantee": {**guarantee, **changes}}}


def price_bid(*amounts: int | str, currency: str = "IRR", price: str | None = None) -> dict[str, Any]:
    """An opened C whose lines have these amounts."""
    lines = [
        {
            "id": str(number),
            "description": "ردیف",
            "quantity": "1",
            "unit": "متر",
            "unit_price": str(amount),
            "amount": str(amount),
        }
        for number, amount in enumerate(amounts, start=1)
    ]
    total = price if price is not None else str(sum(int(amount) for amount in amounts))
    content = {"price": {"amount": total, "currency": currency}, "lines": lines, "currency": currency}
    return {"type": "mohr/bid/v1", "context": {}, "content": content}


def bids_of(tender: Tender, stage: str) -> dict[str, Any]:
    if stage == "A":
        return {name: guarantee_bid() for name in tender.eligible("A")}
    technical = {"content": {"statements": ["مطابق اسناد"], "files": []}}
    return dict.fromkeys(tender.eligible(stage), technical)


def decision_of(
    tender: Tender,
    stage: str,
    reject: Sequence[str] = (),
    signers: Sequence[str] = (HEAD, FINANCE),
    **changes: Any,
) -> Decide:
    """What the rules propose, with the named manifests rejected."""
    record = tender.records[stage]
    bids = bids_of(tender, stage)
    verdicts = [
        replace(verdict, accepted=False, reason="گواهی ندارد")
        if verdict.manifest_digest in reject
        else verdict
        for verdict in propose(tender.draft, stage, record.results, bids)
    ]
    document = decision_document(tender.id, stage, record.digest, verdicts, CLOSES)
    command = Decide(
        tender=tender.id,
        stage=stage,
        document_stage=document["stage"],
        digest=digest(f"decision {stage}"),
        record_digest=document["record_digest"],
        results=tuple(document["results"]),
        signers=tuple(signers),
        bids=bids,
    )
    return replace(command, **changes)


def decided(
    tender: Tender, stage: str, reject: Sequence[str] = (), now: datetime = CLOSES, **changes: Any
) -> Tender:
    return take(tender, decision_of(tender, stage, reject, **changes), now)


def through(tender: Tender, stage: str, reject: Sequence[str] = (), unopenable: Sequence[str] = ()) -> Tender:
    """A whole stage, A or B: session, record, decision."""
    return decided(recorded(started(tender, stage), stage, unopenable=unopenable), stage, reject)


def award_of(
    tender: Tender,
    prices: Mapping[str, int],
    signers: Sequence[str] = (HEAD, TECHNICAL),
    sealed_at: Mapping[str, str] | None = None,
) -> Award:
    """The award that follows when the bidders ask these prices."""
    results = results_of(tender, "C")
    notice = tender.published_notice
    document = award_document(
        notice,
        record_digest=tender.records["C"].digest,
        record={"results": results},
        bids={result["manifest_digest"]: price_bid(prices[result["bidder"]]) for result in results},
        sealed_at=sealed_at or {result["manifest_digest"]: format_utc(DEADLINE) for result in results},
        decided_at=format_utc(CLOSES),
    )
    return Award(digest("award"), document, tuple(signers))


def to_price_decision(
    *bidders: str, fields: Mapping[str, Any] | None = None, reject: Sequence[str] = (), now: datetime = CLOSES
) -> Tender:
    """A tender whose C envelopes are open."""
    tender = through(closed(*bidders, fields=fields), "A")
    tender = started(through(tender, "B", reject), "C", now=now)
    return recorded(tender, "C", now)


def awarded() -> Tender:
    tender = to_price_decision()
    return take(tender, award_of(tender, {"B-1": 900_000, "B-2": 920_000, "B-3": 990_000}), CLOSES)


def returns_of(tender: Tender) -> tuple[Return, ...]:
    return tuple(Return(name, kinds, digest(f"return {name}")) for name, kinds in tender.unopened().items())


def close_of(tender: Tender) -> CloseTender:
    return CloseTender(returns_of(tender), digest("key destruction"), BUYER)


def cancelled() -> Tender:
    return take(published(), Cancel("need-gone", "اعتبار حذف شد", BUYER), PUBLISHED)


def unsuccessful() -> Tender:
    return take(closed(), DeclareUnsuccessful("board-ruling", "رأی هیئت", BUYER), CLOSES)


IN_STATE: dict[State, Callable[[], Tender]] = {
    State.DRAFT: drafted,
    State.IN_APPROVAL: in_approval,
    State.APPROVED: keyed,
    State.PUBLISHED: published,
    State.SUBMISSION_CLOSED: lambda: attended(closed(), "A", MEMBERS),
    State.OPENING_A: lambda: started(closed(), "A"),
    State.OPENING_B: lambda: attended(through(closed(fields=two_stage_fields()), "A"), "B", MEMBERS),
    State.EVALUATION: lambda: recorded(started(through(closed(fields=two_stage_fields()), "A"), "B"), "B"),
    State.OPENING_C: lambda: through(through(closed(fields=two_stage_fields()), "A"), "B"),
    State.COMMISSION_DECISION: to_price_decision,
    State.AWARDED: awarded,
    State.CANCELLED: cancelled,
    State.UNSUCCESSFUL: unsuccessful,
}
