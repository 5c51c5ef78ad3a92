"""The award follows from the prices: rank, first winner, second winner, and nothing chosen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import canonical_bytes
from kernel.clock import format_utc
from kernel.errors import MalformedInput
from kernel.money import Money
from procurement.rules.award import (
    PricedBid,
    award_document,
    best_price,
    check_same,
    rank,
    read_award,
    winners,
)
from procurement.rules.errors import AwardNotByPrices, DocumentMismatch, MajorityMissing
from procurement.rules.tender import Award, State, Tender, decide
from tests.unit.procurement import journey as j

GUARANTEE = Money(Decimal(50_000), "IRR")
LOT_FIELDS = {"lots": [{"id": "1", "title": "یک"}, {"id": "2", "title": "دو"}]}


def priced(bidder: str, amount: int | Decimal, sealed_at: str = "2026-01-10T00:00:00.000000Z") -> PricedBid:
    return PricedBid(j.manifest(bidder), bidder, Money(Decimal(amount), "IRR"), sealed_at)


bids = st.lists(
    st.builds(
        priced,
        bidder=st.integers(1, 10**9).map(lambda number: f"B-{number}"),
        amount=st.decimals(min_value=1, max_value=10**12, places=2) | st.integers(1, 5),
        sealed_at=st.sampled_from(("2026-01-10T00:00:00.000000Z", "2026-01-11T00:00:00.000000Z")),
    ),
    max_size=12,
    unique_by=lambda bid: bid.bidder,
)


@given(bids, st.randoms(use_true_random=False), st.sampled_from(("lowest", "highest")))
def test_rank_is_by_price_and_the_same_in_any_order(
    given_bids: list[PricedBid], chance: Any, best: str
) -> None:
    """However bids are handed over, the ranking is one, complete, and no worse price stands before a better."""
    shuffled = list(given_bids)
    chance.shuffle(shuffled)
    ranking = rank(given_bids, best)

    assert ranking == rank(shuffled, best)
    assert sorted(ranking, key=id) == sorted(given_bids, key=id)
    for better, worse in pairwise(ranking):
        amounts = (better.amount.amount, worse.amount.amount)
        assert amounts == tuple(sorted(amounts, reverse=best == "highest"))
        if better.amount == worse.amount:
            assert better.sealed_at <= worse.sealed_at


@given(bids, st.sampled_from(("lowest", "highest")))
def test_nobody_wins_with_a_worse_price(given_bids: list[PricedBid], best: str) -> None:
    """The first winner has the best price of all, and the second is apart by less than the guarantee."""
    ranking = [bid.ranked for bid in rank(given_bids, best)]
    first, second = winners(ranking, GUARANTEE)
    amounts = {bid.bidder: bid.amount.amount for bid in given_bids}

    if first is None:
        assert not given_bids
        return
    assert amounts[first] == (min if best == "lowest" else max)(amounts.values())
    assert second != first
    if second is not None:
        assert abs(amounts[second] - amounts[first]) < GUARANTEE.amount


def test_equal_prices_rank_by_seal() -> None:
    """Of equal prices the earlier seal stands first, of equal seals the lower digest."""
    early, late = "2026-01-10T00:00:00.000000Z", "2026-01-10T00:00:00.000001Z"
    ranking = rank([priced("B-1", 5, late), priced("B-2", 5, early)], "lowest")
    same = rank([priced("B-1", 5, early), priced("B-2", 5, early)], "lowest")

    assert [bid.bidder for bid in ranking] == ["B-2", "B-1"]
    assert [bid.manifest_digest for bid in same] == sorted(bid.manifest_digest for bid in same)
    with pytest.raises(ValueError, match="lowest"):
        rank([], "cheapest")


@pytest.mark.parametrize(("gap", "second"), [(0, "B-2"), (49_999, "B-2"), (50_000, None), (50_001, None)])
@pytest.mark.parametrize("best", ["lowest", "highest"])
def test_second_winner_at_the_guarantee(gap: int, second: str | None, best: str) -> None:
    """A gap below the guarantee makes a second winner, one equal to it does not, in both directions."""
    amount = 900_000 + gap if best == "lowest" else 900_000 - gap
    ranking = rank([priced("B-1", 900_000), priced("B-2", amount, "2026-01-12T00:00:00.000000Z")], best)

    assert winners([bid.ranked for bid in ranking], GUARANTEE) == ("B-1", second)


def test_a_fraction_decides_the_gap() -> None:
    """The gap is exact: a millionth below the guarantee is below it."""
    close = Decimal("949999.999999")
    ranking = [bid.ranked for bid in rank([priced("B-1", 900_000), priced("B-2", close)], "lowest")]

    assert winners(ranking, GUARANTEE) == ("B-1", "B-2")


def test_nobody_and_one() -> None:
    """Without a price nobody wins, with one price there is no second."""
    assert winners([], GUARANTEE) == (None, None)
    assert winners([priced("B-1", 5).ranked], GUARANTEE) == ("B-1", None)


def document(
    tender: Tender, contents: dict[str, Any], sealed_at: dict[str, str] | None = None
) -> dict[str, Any]:
    results = j.results_of(tender, "C")
    return award_document(
        tender.published_notice,
        record_digest=tender.records["C"].digest,
        record={"results": results},
        bids={result["manifest_digest"]: contents.get(result["bidder"]) for result in results},
        sealed_at=sealed_at or {result["manifest_digest"]: format_utc(j.DEADLINE) for result in results},
        decided_at=format_utc(j.CLOSES),
    )


def test_the_lowest_price_wins_an_expenditure() -> None:
    """Lowest first, the second within the guarantee, the reason cites Art. 20(a)."""
    tender = j.to_price_decision()
    award = document(
        tender, {"B-1": j.price_bid(920_000), "B-2": j.price_bid(900_000), "B-3": j.price_bid(990_000)}
    )
    (lot,) = award["lots"]

    assert (lot["outcome"], lot["winner"], lot["second"]) == ("award", "B-2", "B-1")
    assert [bid["bidder"] for bid in lot["ranking"]] == ["B-2", "B-1", "B-3"]
    assert lot["reason"] == "best-price (Tenders Law 1383 Art. 20(a))"
    assert canonical_bytes(award) == canonical_bytes(
        document(
            tender, {"B-3": j.price_bid(990_000), "B-1": j.price_bid(920_000), "B-2": j.price_bid(900_000)}
        )
    )


def test_the_highest_price_wins_an_auction() -> None:
    """A revenue auction under the municipality's by-law goes to the highest price."""
    fields = j.draft_fields(regime="tehran-1355", nature="revenue", method="auction")
    tender = j.to_price_decision(fields=fields)
    prices = {"B-1": 1_000_000, "B-2": 1_200_000, "B-3": 1_160_000}
    (lot,) = document(tender, {bidder: j.price_bid(price) for bidder, price in prices.items()})["lots"]

    assert best_price(tender.published_notice).table["revenue"] == "highest"
    assert (lot["winner"], lot["second"]) == ("B-2", "B-3")
    assert "B-2: above-estimate" in lot["reason"]
    assert j.take(tender, j.award_of(tender, prices), j.CLOSES).state is State.AWARDED


def test_a_price_that_does_not_add_up_is_rejected_with_its_reason() -> None:
    """The best price falls out when its lines differ from it; the next one wins."""
    tender = j.to_price_decision()
    contents = {
        "B-1": j.price_bid(100, 200, price="299"),
        "B-2": j.price_bid(900_000),
        "B-3": j.price_bid(1, currency="USD"),
    }
    (lot,) = document(tender, contents)["lots"]

    assert lot["winner"] == "B-2"
    assert len(lot["ranking"]) == 1
    assert "B-1 rejected: price-lines-differ" in lot["reason"]
    assert "B-3 rejected: price-currency" in lot["reason"]


def test_unusual_prices_are_remarked_and_still_win() -> None:
    """Below 80 % of the estimate or above it is remarked; exactly 80 % and the estimate itself are not."""
    tender = j.to_price_decision()
    prices = {"B-1": 799_999, "B-2": 800_000, "B-3": 1_000_001}
    (lot,) = document(tender, {bidder: j.price_bid(price) for bidder, price in prices.items()})["lots"]

    assert lot["winner"] == "B-1"
    assert lot["reason"].count("abnormally-low") == lot["reason"].count("above-estimate") == 1
    assert "B-1: abnormally-low" in lot["reason"]
    assert "B-3: above-estimate" in lot["reason"]


def test_equal_best_prices_are_said() -> None:
    """When the best prices are equal the award says how they were told apart."""
    tender = j.to_price_decision()
    sealed = {j.manifest(f"B-{n}"): format_utc(j.DEADLINE - timedelta(hours=n)) for n in (1, 2, 3)}
    (lot,) = document(tender, {f"B-{n}": j.price_bid(900_000) for n in (1, 2, 3)}, sealed)["lots"]

    assert (lot["winner"], lot["second"]) == ("B-3", "B-2")
    assert "equal best prices" in lot["reason"]


def test_unopened_prices_are_said() -> None:
    """An unopenable C is named in the reason and ranks nowhere."""
    tender = j.started(j.through(j.through(j.closed(), "A"), "B"), "C")
    results = j.results_of(tender, "C", unopenable=(j.manifest("B-1"),))
    award = award_document(
        tender.published_notice,
        record_digest=j.digest("record C"),
        record={"results": results},
        bids={j.manifest(f"B-{n}"): j.price_bid(900_000) for n in (2, 3)},
        sealed_at={j.manifest(f"B-{n}"): format_utc(j.DEADLINE) for n in (2, 3)},
        decided_at=format_utc(j.CLOSES),
    )

    assert "B-1 rejected: unopenable" in award["lots"][0]["reason"]
    assert len(award["lots"][0]["ranking"]) == 2


def test_an_opened_bid_cannot_be_forgotten() -> None:
    """Computing an award without the content of an opened bid or the time of its seal is refused."""
    tender = j.to_price_decision()
    with pytest.raises(MalformedInput):
        document(tender, {"B-1": j.price_bid(5), "B-2": j.price_bid(6)})
    with pytest.raises(MalformedInput):
        document(tender, {f"B-{n}": j.price_bid(5) for n in (1, 2, 3)}, {j.manifest("B-1"): "x"})


def two_lots() -> Tender:
    tender = j.published(j.draft_fields(**LOT_FIELDS))
    entries = [*j.listed("B-1", "B-2"), *j.listed("B-3", lot="2")]
    numbered = tuple({**entry, "counter": number} for number, entry in enumerate(entries, start=1))
    tender = j.take(tender, replace(j.closing_of(), submissions=numbered), j.CLOSES)
    tender = j.started(j.through(j.through(tender, "A"), "B"), "C")
    return j.recorded(tender, "C")


def test_each_lot_is_awarded_by_itself() -> None:
    """One lot is won, another without an acceptable price fails; no remark on the estimate is made."""
    tender = two_lots()
    award = document(
        tender, {"B-1": j.price_bid(10), "B-2": j.price_bid(20), "B-3": j.price_bid(5, price="6")}
    )
    first, second = award["lots"]

    assert (first["lot"], first["winner"]) == ("1", "B-1")
    assert "abnormally-low" not in first["reason"]
    assert (second["outcome"], second["winner"], second["ranking"]) == ("unsuccessful", None, [])
    assert second["reason"].startswith("minimum-bidders (Tenders Law 1383 Art. 24(a))")
    after = j.take(tender, Award(j.digest("award"), award, (j.HEAD, j.FINANCE)), j.CLOSES)
    assert after.state is State.AWARDED


def test_without_any_price_the_tender_ends() -> None:
    """When no lot has an acceptable price the award is recorded and the tender is unsuccessful."""
    tender = j.to_price_decision("B-1")
    award = document(tender, {"B-1": j.price_bid(5, price="6")})
    after = j.take(tender, Award(j.digest("award"), award, (j.HEAD, j.FINANCE)), j.CLOSES)

    assert after.state is State.UNSUCCESSFUL
    assert after.award is not None
    assert after.ending is not None
    assert after.ending.reason == "no acceptable price was opened"


def good() -> tuple[Tender, Award]:
    tender = j.to_price_decision()
    return tender, j.award_of(tender, {"B-1": 900_000, "B-2": 920_000, "B-3": 990_000})


def changed(award: Award, **changes: Any) -> Award:
    lot = {**award.award["lots"][0], **changes}
    return replace(award, award={**award.award, "lots": [lot]})


def test_an_award_against_the_prices_is_refused() -> None:
    """Another winner or second, another order, a stranger or a doubled bid is refused, citing Art. 20(a)."""
    tender, award = good()
    ranking = award.award["lots"][0]["ranking"]
    stranger = {**ranking[0], "manifest_digest": j.digest("stranger")}
    dollars = [{**bid, "amount": {"amount": bid["amount"]["amount"], "currency": "USD"}} for bid in ranking]

    for changes in (
        {"winner": "B-2"},
        {"second": None},
        {"second": "B-3"},
        {"winner": None, "outcome": "unsuccessful"},
        {"outcome": "unsuccessful"},
        {"ranking": ranking[::-1], "winner": "B-3", "second": None},
        {"ranking": [stranger, *ranking[1:]]},
        {"ranking": [ranking[0], *ranking], "second": "B-1"},
        {"ranking": dollars},
        {"lot": "2"},
    ):
        with pytest.raises(AwardNotByPrices) as refusal:
            decide(tender, changed(award, **changes), j.CLOSES)
        assert refusal.value.article == "Tenders Law 1383 Art. 20(a)"


def test_an_award_rests_on_the_record() -> None:
    """An award of another tender or on another record is refused, and so is a form that is not an award's."""
    tender, award = good()

    for changes in ({"record_digest": j.digest("other")}, {"tender": "other"}):
        with pytest.raises(DocumentMismatch):
            decide(tender, replace(award, award={**award.award, **changes}), j.CLOSES)
    with pytest.raises(MalformedInput):
        read_award({**award.award, "type": "mohr/decision/v1"})
    with pytest.raises(MalformedInput):
        read_award({**award.award, "note": "x"})


def test_a_majority_awards() -> None:
    """One signature is a proposal; the event of the award names winners and prices."""
    tender, award = good()

    with pytest.raises(MajorityMissing):
        decide(tender, replace(award, signers=(j.HEAD,)), j.CLOSES)
    (event,) = decide(tender, award, j.CLOSES)
    assert event.data["award"] == award.award
    assert event.data["lots"] == [
        {
            "lot": "1",
            "outcome": "award",
            "winner": "B-1",
            "second": "B-2",
            "amount": j.irr(900_000),
            "prices": 3,
        }
    ]


def test_only_the_instant_is_the_commissions_own() -> None:
    """A signed award may differ from the computed one in decided_at and in nothing else."""
    tender, award = good()
    computed = dict(award.award)
    check_same({**computed, "decided_at": format_utc(j.VALID_UNTIL)}, computed, tender.rules)

    with pytest.raises(AwardNotByPrices):
        check_same({**computed, "lots": []}, computed, tender.rules)
