"""Events show what everybody may know, hold their documents' digests, and always fit into the log."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.canonical import canonical_bytes
from kernel.clock import format_utc
from kernel.money import Money
from procurement.rules.events import (
    AwardDecided,
    DecisionMade,
    Event,
    KeySetPublished,
    OpeningRecorded,
    SubmissionClosed,
)
from procurement.rules.facts import AwardFact, LotAward, RankedBid
from procurement.rules.tender import RecordOpening, Tender, decide
from tests.unit.procurement import journey as j

LOG_ENTRY_BYTES = 65_535
MANY = tuple(f"B-{number}" for number in range(1, 2001))


def fits(event: Event) -> bool:
    return len(canonical_bytes(event.data)) < LOG_ENTRY_BYTES - 1_000


def test_the_closing_event_lists_what_stands() -> None:
    """Bids that stand are named with bidder and manifest, bidders with their names."""
    (event,) = decide(j.published(), j.closing_of("B-1", "B-2"), j.CLOSES)
    assert isinstance(event, SubmissionClosed)

    assert event.data["digest"] == j.digest("closing list")
    assert event.data["submissions"][1] == {
        "manifest_digest": j.manifest("B-2"),
        "counter": 2,
        "lot": "1",
        "bidder": "B-2",
        "submission_number": 1,
        "received_at": j.listed("B-1", "B-2")[1]["received_at"],
    }
    assert event.data["tenderers"] == [{"party": "B-1", "name": "B-1"}, {"party": "B-2", "name": "B-2"}]


def test_no_secret_is_in_an_opening_event() -> None:
    """Of each result only outcome and digests are public, whatever the record holds."""
    tender = j.started(j.closed(), "A")
    results = [{**result, "member_secret": "5e" * 32} for result in j.results_of(tender, "A")]
    (event,) = decide(tender, RecordOpening("A", j.digest("record"), tuple(results)), j.CLOSES)
    assert isinstance(event, OpeningRecorded)

    assert set(event.data["results"][0]) == {
        *("manifest_digest", "lot", "bidder", "outcome", "reason", "named", "bid_digest")
    }
    assert b"5e5e" not in canonical_bytes(event.data)


def test_a_decision_event_names_each_verdict() -> None:
    """Verdicts and their reasons are public."""
    tender = j.recorded(j.started(j.closed(), "A"), "A")
    command = j.decision_of(tender, "A", reject=(j.manifest("B-2"),))
    (event,) = decide(tender, command, j.CLOSES)
    assert isinstance(event, DecisionMade)

    assert event.data["results"] == list(command.results)


@pytest.mark.parametrize("document", [None, "AAEC", {"type": "mohr/key-set/v1"}])
def test_the_key_set_is_published_as_given(document: Any) -> None:
    """The event carries the key set in the form that the caller gave."""
    tender = j.approved()
    (event,) = decide(tender, j.key_set_of(tender, document=document), j.PUBLISHED)
    assert isinstance(event, KeySetPublished)

    assert event.data["document"] == document


def crowd() -> Tender:
    return j.take(j.published(), j.closing_of(*MANY), j.CLOSES)


def test_a_crowd_fits_into_the_log() -> None:
    """With two thousand bids the lists are left out and the counts stay."""
    (closed,) = decide(j.published(), j.closing_of(*MANY), j.CLOSES)
    assert (closed.data["listed"], closed.data["submissions"], closed.data["tenderers"]) == (2000, [], [])
    assert fits(closed)

    tender = j.started(crowd(), "A")
    results = tuple(j.results_of(tender, "A"))
    (recorded,) = decide(tender, RecordOpening("A", j.digest("record A"), results), j.CLOSES)
    assert (recorded.data["opened"], recorded.data["results"]) == (2000, [])
    assert fits(recorded)

    tender = j.recorded(tender, "A")
    (decided,) = decide(tender, j.decision_of(tender, "A"), j.CLOSES)
    assert (decided.data["accepted"], decided.data["results"]) == (2000, [])
    assert fits(decided)


def test_a_large_award_fits_into_the_log() -> None:
    """Fifty lots and many prices: the document is left out, winners and their prices stay."""
    price = Money.parse("123456789012345678901.123456", "IRR")
    ranking = tuple(RankedBid(j.manifest(bidder), bidder, price) for bidder in MANY[:20])
    lots = tuple(
        LotAward("l" * 62 + f"{number:02}", "award", ranking, "B" * 64, "B" * 64, "x") for number in range(50)
    )
    document = {"lots": [lot.to_json() for lot in lots], "decided_at": format_utc(j.CLOSES)}
    fact = AwardFact(j.digest("award"), lots, tuple(f"IR-{number:060}" for number in range(20)))
    event = AwardDecided(j.TENDER, j.OCID, fact, j.digest("record"), document)

    assert event.data["award"] is None
    assert len(event.data["lots"]) == 50
    assert fits(event)
