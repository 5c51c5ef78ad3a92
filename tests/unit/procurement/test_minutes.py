"""Minutes follow from the papers: what they say of seats, envelopes and rejections, and papers that do not belong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kernel.canonical import canonical_bytes, digest_of
from kernel.clock import format_utc
from kernel.errors import DomainError
from paper.minutes import render_minutes
from procurement.rules.award import award_document
from procurement.rules.minutes import StagePapers, final_minutes, names_in, opening_minutes
from tests.unit.procurement.journey import (
    ALTERNATE,
    CLOSES,
    MEMBERS,
    OBSERVER,
    TENDER,
    digest,
    guarantee_bid,
    manifest,
    price_bid,
    published,
)

AT = format_utc(CLOSES)
FIRST, SECOND = "IRO-31", "IRO-32"
Papers = StagePapers


def papers(stage: str = "A", *, bids: dict[str, Any] | None = None, **changes: Any) -> Papers:
    """Two listed bids, three of one withdrawn besides; the first opened, the second not."""
    notice = published().published_notice
    acts = [
        {"manifest_digest": manifest(bidder), "bidder": bidder, "lot": "1", "state": "listed"}
        for bidder in (FIRST, SECOND)
    ]
    withdrawn = {"manifest_digest": manifest("gone"), "bidder": FIRST, "lot": "1", "state": "withdrawn"}
    closing = {
        "tender": TENDER,
        "submission_deadline": AT,
        "closed_at": AT,
        "submissions": [*acts, withdrawn],
    }
    before = None
    if stage != "A":
        before = {
            "results": [
                {"manifest_digest": manifest(FIRST), "accepted": True, "reason": ""},
                {"manifest_digest": manifest(SECOND), "accepted": False, "reason": "بدون گواهی"},
            ]
        }
    session = {
        "tender": TENDER,
        "stage": stage,
        "closing_list_digest": digest_of(closing),
        "decision_digest": None if before is None else digest_of(before),
        "present": list(MEMBERS),
        "opened_at": AT,
    }
    bids = bids if bids is not None else {manifest(FIRST): guarantee_bid()}
    opened = [FIRST, SECOND] if stage == "A" else [FIRST]
    record = {
        "tender": TENDER,
        "stage": stage,
        "session_digest": digest_of(session),
        "recorded_at": AT,
        "results": [_result(bidder, manifest(bidder) in bids) for bidder in opened],
    }
    attendances = [{"party": OBSERVER, "conflict": False}, {"party": ALTERNATE, "conflict": True}]
    made = StagePapers(
        notice=notice,
        closing_list=closing,
        session=session,
        record=record,
        attendances=attendances,
        bids=bids,
        decision_before=before,
        names={FIRST: "راه‌سازان"},
    )
    return replace(made, **changes)


def _result(bidder: str, opened: bool) -> dict[str, Any]:
    return {
        "manifest_digest": manifest(bidder),
        "lot": "1",
        "bidder": bidder,
        "outcome": "opened" if opened else "unopenable",
        "bid_digest": digest("bid") if opened else None,
        "named": None if opened else bidder,
        "reason": None if opened else "the rebuilt blob differs",
    }


def award(made: Papers) -> dict[str, Any]:
    return award_document(
        made.notice,
        record_digest=digest_of(made.record),
        record=made.record,
        bids=made.bids,
        sealed_at={manifest(FIRST): AT},
        decided_at=AT,
    )


def test_an_opening_tells_seats_and_envelopes() -> None:
    """Every seat with its part, what was received, the guarantee of what opened, and who is named for what did not."""
    found = opening_minutes(papers())
    parts = [each["part"] for each in found["commission"]]
    assert parts == ["chair", "present", "present", "conflict", "attended"]
    assert found["received"] == {
        "listed": 2,
        "replaced": 0,
        "withdrawn": 1,
        "incomplete": 0,
        "refused": 0,
    }
    first, second = found["envelopes"]
    assert first["content"] == {"guarantee": guarantee_bid()["content"]["guarantee"], "faults": []}
    assert (first["name"], second["name"]) == ("راه‌سازان", None)
    assert (second["content"], second["named"]) == (None, SECOND)
    assert render_minutes(canonical_bytes(found)).startswith(b"%PDF-1.7")


@pytest.mark.parametrize(
    "guarantee",
    [
        {},
        {"kind": "x" * 201},
        {"amount": "12"},
        {"valid_until": "31/12"},
        {"issuer": "a\u202eb"},
        {"more": 1},
    ],
)
def test_what_the_rules_cannot_read_does_not_get_in(guarantee: dict[str, Any]) -> None:
    """A guarantee of another form is named as such, and nothing of what its bidder wrote stands in the minutes."""
    bid = guarantee_bid()
    bid["content"]["guarantee"] = {**bid["content"]["guarantee"], **guarantee} if guarantee else {}
    envelope = opening_minutes(papers(bids={manifest(FIRST): bid}))["envelopes"][0]
    assert envelope["content"] == {"guarantee": None, "faults": ["guarantee-malformed"]}


def test_prices_and_what_stayed_closed() -> None:
    """C tells prices with their remarks, and by name and reason whose envelopes go back unopened."""
    found = opening_minutes(papers("C", bids={manifest(FIRST): price_bid(700_000)}))
    content = found["envelopes"][0]["content"]
    assert content["price"] == {"amount": "700000", "currency": "IRR"}
    assert content["remarks"] == ["abnormally-low"]
    (kept,) = found["kept_closed"]
    assert (kept["bidder"], kept["reason"]) == (SECOND, "بدون گواهی")


def test_a_final_decision_is_an_award_or_a_rejection_of_all() -> None:
    """The award with names, or everybody's rejection with reasons; a decision that accepts somebody is not final."""
    priced = papers("C", bids={manifest(FIRST): price_bid(900_000)})
    (lot,) = final_minutes(priced, award(priced))["decision"]["lots"]
    assert (lot["winner"], lot["ranking"][0]["name"]) == (FIRST, "راه‌سازان")
    opened = papers()
    results = [
        {"manifest_digest": manifest(each), "accepted": False, "reason": "x"} for each in (FIRST, SECOND)
    ]
    decided = {
        "type": "mohr/decision/v1",
        "record_digest": digest_of(opened.record),
        "results": results,
        "decided_at": AT,
    }
    rejected = final_minutes(opened, decided)["decision"]["rejected"]
    assert [each["bidder"] for each in rejected] == [FIRST, SECOND]
    accepting = {**decided, "results": [{**results[0], "accepted": True}]}
    for wrong, about in ((accepting, opened), (decided, priced), (award(priced), opened)):
        with pytest.raises(DomainError):
            final_minutes(about, wrong)


CHANGES: dict[str, Callable[[Papers], Papers]] = {
    "another session": lambda p: replace(p, session={**p.session, "opened_at": "x"}),
    "another stage": lambda p: replace(p, record={**p.record, "stage": "B"}),
    "another tender": lambda p: replace(p, record={**p.record, "tender": "other"}),
    "another list": lambda p: replace(p, closing_list={**p.closing_list, "closed_at": "x"}),
    "a decision too many": lambda p: replace(p, decision_before={"results": []}),
    "a bid missing": lambda p: replace(p, bids={}),
    "a bid too many": lambda p: replace(p, bids={**p.bids, manifest(SECOND): guarantee_bid()}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_papers_that_do_not_belong_together(what: str) -> None:
    """No minutes are made of papers of several sessions, stages or tenders, or with bids too few or too many."""
    with pytest.raises(DomainError):
        opening_minutes(CHANGES[what](papers()))


def test_names_are_those_of_the_event() -> None:
    """The names come from the event of the closing list; where it left them out there are none."""
    assert names_in({"tenderers": [{"party": FIRST, "name": "x"}]}) == {FIRST: "x"}
    assert names_in({}) == {}
