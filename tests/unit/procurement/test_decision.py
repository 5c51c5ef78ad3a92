"""What the rules propose for A and B, and the document that members sign."""

from __future__ import annotations

from typing import Any

from kernel.clock import format_utc
from procurement.rules.decision import decision_document, propose
from procurement.rules.facts import OpeningResult, Verdict
from tests.unit.procurement import journey as j

RESULTS = tuple(
    OpeningResult(j.manifest(bidder), "1", bidder, outcome, digest)
    for bidder, outcome, digest in (
        ("B-1", "opened", j.digest("1")),
        ("B-2", "opened", j.digest("2")),
        ("B-3", "unopenable", None),
        ("B-4", "disputed", None),
    )
)


def test_guarantees_are_checked() -> None:
    """A sufficient guarantee is accepted, a short one and what stayed closed rejected with the word for it."""
    bids = {j.manifest("B-1"): j.guarantee_bid(), j.manifest("B-2"): j.guarantee_bid(amount=j.irr(1))}
    verdicts = propose(j.draft(), "A", RESULTS, bids)

    assert [(verdict.accepted, verdict.reason) for verdict in verdicts] == [
        (True, ""),
        (False, "guarantee-too-small"),
        (False, "unopenable"),
        (False, "disputed"),
    ]


def test_technical_form_is_checked() -> None:
    """Of B only the form is judged; the commission judges the rest."""
    bids: dict[str, Any] = {
        j.manifest("B-1"): {"content": {"statements": [], "files": []}},
        j.manifest("B-2"): {},
    }

    assert [verdict.accepted for verdict in propose(j.draft(), "B", RESULTS, bids)] == [
        *(True, False),
        *(False, False),
    ]


def test_the_document_holds_the_verdicts_in_order() -> None:
    """The document has the fields of formats.md and reads back as the same verdicts."""
    verdicts = (Verdict(j.manifest("B-2"), True, ""), Verdict(j.manifest("B-1"), False, "x"))
    document = decision_document(j.TENDER, "A", j.digest("record"), verdicts, j.CLOSES)

    assert set(document) == {"type", "tender", "stage", "record_digest", "results", "decided_at"}
    assert document["type"] == "mohr/decision/v1"
    assert document["decided_at"] == format_utc(j.CLOSES)
    assert tuple(Verdict.parse(result) for result in document["results"]) == verdicts
