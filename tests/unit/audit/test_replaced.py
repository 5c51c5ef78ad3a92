"""A submission that is called replaced has a later, complete one of the same bidder and lot."""

from __future__ import annotations

from procurement.published import ListedAct, replaced_by_nothing


def act(number: int, state: str, *, bidder: str = "IRO-1", lot: str = "1") -> ListedAct:
    return ListedAct(
        counter=number,
        act="submission",
        lot=lot,
        bidder=bidder,
        submission_number=number,
        manifest_digest=f"{number:064x}",
        digest="0" * 64,
        received_at="2026-11-24T00:00:00.000000Z",
        leaf_hash="0" * 64,
        state=state,
    )


def test_a_standing_bid_cannot_be_relabelled() -> None:
    """The only submission, or one followed by an incomplete or another bidder's, was replaced by nothing."""
    alone = act(1, "replaced")
    assert replaced_by_nothing([alone]) == [alone]
    assert replaced_by_nothing([alone, act(2, "incomplete")]) == [alone]
    assert replaced_by_nothing([alone, act(2, "listed", bidder="IRO-2")]) == [alone]
    assert replaced_by_nothing([alone, act(2, "listed", lot="2")]) == [alone]


def test_a_real_replacement_is_one() -> None:
    """A later complete submission replaces the one before, even if it was withdrawn afterwards."""
    assert replaced_by_nothing([act(1, "replaced"), act(2, "listed")]) == []
    assert replaced_by_nothing([act(1, "replaced"), act(2, "withdrawn")]) == []
