"""The minutes (صورتجلسه): what a session or the final decision was, in one document made from verified papers.

``mohr/minutes/v1`` is computed alike by the server, by each member's client and by an auditor from what the commission
signed; nothing in it is chosen. What a bidder wrote gets in only where it has the form that the rules read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernel.canonical import digest_of
from kernel.errors import MalformedInput
from procurement.rules.bid_content import Fault, guarantee_faults, price_remarks, read_price, technical_faults
from procurement.rules.commission import head_of
from procurement.rules.facts import OpeningResult, Verdict
from procurement.rules.notice import KINDS, Notice
from procurement.rules.regimes import rules_at

MINUTES_TYPE = "mohr/minutes/v1"
# The minutes of the final decision: the award, or the decision that left no bid.
FINAL = "decision"
MINUTES = (*KINDS, FINAL)
MAX_MINUTES_BYTES = 32 << 20
_STATES = ("listed", "replaced", "withdrawn", "incomplete", "refused")
_MALFORMED = "guarantee-malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePapers:
    """The documents of one opened stage as they were signed, each verified by whoever hands them in.

    ``names`` are those of the bidders in the event that announced the closing list, ``attendances`` everybody's for the
    stage, ``bids`` the opened ``mohr/bid/v1`` by manifest digest, ``decision_before`` what the session rests on.
    """

    notice: Notice
    closing_list: Mapping[str, Any]
    session: Mapping[str, Any]
    record: Mapping[str, Any]
    attendances: Sequence[Mapping[str, Any]]
    bids: Mapping[str, Any]
    decision_before: Mapping[str, Any] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        return str(self.session["stage"])


def opening_minutes(papers: StagePapers) -> dict[str, Any]:
    """The minutes of an opening; raises MalformedInput when the papers do not belong together."""
    results = [OpeningResult.parse(result) for result in papers.record["results"]]
    envelopes = [
        {**_envelope(papers, number, result), "reason": raw["reason"], "named": raw["named"]}
        for number, (raw, result) in enumerate(zip(papers.record["results"], results, strict=True), start=1)
    ]
    return {
        **_head(papers, papers.stage),
        "envelopes": envelopes,
        "kept_closed": _kept_closed(papers),
        "decision": None,
    }


def final_minutes(papers: StagePapers, decided: Mapping[str, Any]) -> dict[str, Any]:
    """The minutes of the final decision; ``decided`` is the award, or the decision on A or B that accepts nobody.

    Raises MalformedInput when it rests on another record or is not final.
    """
    if decided["record_digest"] != digest_of(papers.record):
        raise MalformedInput("the decision rests on another record")
    award = decided["type"] == "mohr/award/v1"
    if award != (papers.stage == "C") or (not award and any(each["accepted"] for each in decided["results"])):
        raise MalformedInput("the decision is not a final one")
    head = _head(papers, FINAL)
    return {
        **head,
        "documents": {**head["documents"], "decided": digest_of(decided)},
        "times": {**head["times"], "decided_at": decided["decided_at"]},
        "envelopes": [],
        "kept_closed": [],
        "decision": {
            "opened_stage": papers.stage,
            "lots": [_lot(papers, lot) for lot in decided["lots"]] if award else [],
            "rejected": [] if award else _rejected(papers, decided["results"]),
        },
    }


def names_in(event: Mapping[str, Any]) -> dict[str, str]:
    """The bidders' names by party in the data of the event that announced the closing list; empty where it left
    them out because they are too many."""
    return {str(each["party"]): str(each["name"]) for each in event.get("tenderers", ())}


def _head(papers: StagePapers, about: str) -> dict[str, Any]:
    notice, session, record, closing = papers.notice, papers.session, papers.record, papers.closing_list
    belong = (session["tender"], record["tender"], closing["tender"], record["stage"])
    if belong != (notice.tender, notice.tender, notice.tender, papers.stage):
        raise MalformedInput("the papers are of several tenders or stages")
    if record["session_digest"] != digest_of(session) or session["closing_list_digest"] != digest_of(closing):
        raise MalformedInput("the papers do not rest on one another")
    before = None if papers.decision_before is None else digest_of(papers.decision_before)
    if session["decision_digest"] != before:
        raise MalformedInput("the session rests on another decision")
    return {
        "type": MINUTES_TYPE,
        "stage": about,
        "tender": notice.tender,
        "ocid": notice.ocid,
        "title": notice.title,
        "buyer": {"id": notice.buyer.id, "name": notice.buyer.name},
        "nature": notice.nature,
        "method": notice.method,
        "stages": notice.stages,
        "regime": notice.regime,
        "place": notice.place,
        "demo": notice.demo,
        "lots": [{"id": lot.id, "title": lot.title} for lot in notice.lots],
        "guarantee": notice.guarantee.to_json(),
        "estimate": notice.estimate.to_json() if notice.estimate else None,
        "documents": {
            "notice": notice.digest,
            "closing_list": session["closing_list_digest"],
            "decision_before": before,
            "session": record["session_digest"],
            "record": digest_of(record),
            "decided": None,
        },
        "times": {
            "submission_deadline": closing["submission_deadline"],
            "closed_at": closing["closed_at"],
            "opened_at": session["opened_at"],
            "recorded_at": record["recorded_at"],
            "decided_at": None,
        },
        "commission": _commission(papers),
        "received": _received(closing["submissions"]),
    }


def _commission(papers: StagePapers) -> list[dict[str, Any]]:
    """Every seat of the notice in its order, and how its holder took part."""
    conflicts = {each["party"]: each["conflict"] for each in papers.attendances}
    chair = head_of(papers.notice.commission)
    part = []
    for seat in papers.notice.commission:
        how = "absent"
        if seat.party in papers.session["present"]:
            how = "chair" if seat.party == chair else "present"
        elif seat.party in conflicts:
            how = "conflict" if conflicts[seat.party] else "attended"
        part.append({"party": seat.party, "name": seat.name, "seat": seat.seat, "part": how})
    return part


def _received(acts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counted = Counter(str(act["state"]) for act in acts)
    return {state: counted[state] for state in _STATES}


def _envelope(papers: StagePapers, number: int, result: OpeningResult) -> dict[str, Any]:
    bid = papers.bids.get(result.manifest_digest)
    if (bid is None) != (result.outcome != "opened"):
        raise MalformedInput("an opened bid is missing", manifest_digest=result.manifest_digest)
    content = {"A": _guarantee, "B": _technical, "C": _price}[papers.stage]
    return {
        "number": number,
        "lot": result.lot,
        "bidder": result.bidder,
        "name": papers.names.get(result.bidder),
        "manifest_digest": result.manifest_digest,
        "outcome": result.outcome,
        "bid_digest": result.bid_digest,
        "content": content(papers.notice, bid) if bid is not None else None,
    }


def _guarantee(notice: Notice, bid: Mapping[str, Any]) -> dict[str, Any]:
    faults = [fault.code for fault in guarantee_faults(notice, bid)]
    told = None if _MALFORMED in faults else dict(bid["content"]["guarantee"])
    return {"guarantee": told, "faults": faults}


def _technical(notice: Notice, bid: Mapping[str, Any]) -> dict[str, Any]:
    faults = [fault.code for fault in technical_faults(bid)]
    counted = {name: None if faults else len(bid["content"][name]) for name in ("statements", "files")}
    return {**counted, "faults": faults}


def _price(notice: Notice, bid: Mapping[str, Any]) -> dict[str, Any]:
    price = read_price(notice, bid)
    if isinstance(price, Fault):
        return {"price": None, "lines": None, "remarks": [], "faults": [price.code]}
    percent = rules_at(notice.regime, notice.published_at)["price-warnings"].number
    return {
        "price": price.amount.to_json(),
        "lines": len(bid["content"]["lines"]),
        "remarks": [*price.remarks, *price_remarks(notice, price.amount, percent)],
        "faults": [],
    }


def _kept_closed(papers: StagePapers) -> list[dict[str, Any]]:
    """What the decision before rejected: its envelopes of this stage stay closed and go back."""
    if papers.decision_before is None:
        return []
    return _rejected(papers, papers.decision_before["results"])


def _rejected(papers: StagePapers, results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    listed = {each["manifest_digest"]: each for each in papers.closing_list["submissions"]}
    verdicts = [Verdict.parse(result) for result in results]
    return [
        {
            "lot": listed[verdict.manifest_digest]["lot"],
            "bidder": listed[verdict.manifest_digest]["bidder"],
            "name": papers.names.get(listed[verdict.manifest_digest]["bidder"]),
            "manifest_digest": verdict.manifest_digest,
            "reason": verdict.reason,
        }
        for verdict in verdicts
        if not verdict.accepted
    ]


def _lot(papers: StagePapers, lot: Mapping[str, Any]) -> dict[str, Any]:
    """A lot of the award, with the names of those whose price counted."""
    ranking = [{**bid, "name": papers.names.get(bid["bidder"])} for bid in lot["ranking"]]
    return {**lot, "ranking": ranking}
