"""What is inside an opened envelope counts only in the promised form and amount."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import format_utc
from procurement.rules.bid_content import (
    Fault,
    Price,
    guarantee_faults,
    price_remarks,
    read_price,
    technical_faults,
)
from procurement.rules.rule import TEHRAN
from tests.unit.procurement import journey as j

NOTICE = j.notice_of(j.keyed()).notice
LAST_DAY = j.VALID_UNTIL.astimezone(TEHRAN).date()


def codes(bid: Any) -> list[str]:
    return [fault.code for fault in guarantee_faults(NOTICE, bid)]


def test_a_guarantee_that_suffices() -> None:
    """Exactly the amount, valid exactly as long as the bids, has no fault."""
    assert codes(j.guarantee_bid()) == []
    assert codes(j.guarantee_bid(amount=j.irr("50000.5"))) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"amount": j.irr("49999.999999")}, "guarantee-too-small"),
        ({"amount": {"amount": "50000", "currency": "USD"}}, "guarantee-currency"),
        ({"amount": "50000"}, "guarantee-malformed"),
        ({"number": ""}, "guarantee-malformed"),
        ({"extra": 1}, "guarantee-malformed"),
        ({"valid_until": None}, "guarantee-malformed"),
        ({"valid_until": format_utc(j.VALID_UNTIL - timedelta(microseconds=1))}, "guarantee-ends-early"),
        ({"valid_until": (LAST_DAY - timedelta(days=1)).isoformat()}, "guarantee-ends-early"),
    ],
    ids=str,
)
def test_guarantees_that_fall_short(changes: dict[str, Any], fault: str) -> None:
    """Too small, of another currency, too short or malformed, each has its word."""
    assert codes(j.guarantee_bid(**changes)) == [fault]


def test_a_date_means_the_end_of_that_day() -> None:
    """A guarantee dated on the last day of validity lasts until midnight in Tehran."""
    assert codes(j.guarantee_bid(valid_until=LAST_DAY.isoformat())) == []


def test_two_faults_are_both_said() -> None:
    """A guarantee that is too small and too short has both faults."""
    bid = j.guarantee_bid(amount=j.irr(1), valid_until=format_utc(j.DEADLINE))

    assert codes(bid) == ["guarantee-too-small", "guarantee-ends-early"]


@pytest.mark.parametrize(
    "bid", [None, {}, {"content": None}, {"content": {}}, {"content": {"guarantee": []}}, 5]
)
def test_a_missing_content_is_malformed(bid: Any) -> None:
    """Whatever stands in place of a content, the answer is a fault and not an accident."""
    assert codes(bid) == ["guarantee-malformed"]
    assert read_price(NOTICE, bid) == Fault("price-malformed", "price-form")
    assert technical_faults(bid) == (Fault("technical-malformed", "envelope-order"),)


def test_a_technical_envelope_has_a_form() -> None:
    """Statements and files are lists; nothing else is looked at by a programme."""
    assert technical_faults({"content": {"statements": ["x"], "files": []}}) == ()
    assert technical_faults({"content": {"statements": "x", "files": []}}) != ()


@given(st.lists(st.integers(1, 10**20), min_size=1, max_size=30))
def test_lines_add_up_exactly(amounts: list[int]) -> None:
    """Sums beyond the usual precision of decimals are still exact: one unit off is a fault."""
    total = sum(amounts)
    price = read_price(NOTICE, j.price_bid(*amounts, price=str(total)))

    if total < 10**21:
        assert isinstance(price, Price)
        assert price.amount.amount == total
        off = read_price(NOTICE, j.price_bid(*amounts, price=str(total + 1)))
        assert off == Fault("price-lines-differ", "price-form")


def changed_line(**changes: Any) -> dict[str, Any]:
    bid = j.price_bid(100, 200)
    bid["content"]["lines"][0] |= changes
    return bid


@pytest.mark.parametrize(
    ("bid", "fault"),
    [
        (j.price_bid(100, 200, price="301"), "price-lines-differ"),
        (j.price_bid(100, currency="USD"), "price-currency"),
        (j.price_bid(0), "price-not-above-zero"),
        (j.price_bid(-5), "price-not-above-zero"),
        (j.price_bid(price="5"), "price-malformed"),
        (changed_line(amount=100), "price-malformed"),
        (changed_line(amount="1e2"), "price-malformed"),
        (changed_line(amount=None), "price-malformed"),
        (changed_line(quantity=1), "price-malformed"),
        (changed_line(description=None), "price-malformed"),
        (changed_line(note="x"), "price-malformed"),
    ],
)
def test_prices_that_do_not_count(bid: dict[str, Any], fault: str) -> None:
    """Each way a price fails to count has its word."""
    assert read_price(NOTICE, bid) == Fault(fault, "price-form")


def test_a_discount_line_is_a_line() -> None:
    """A negative line counts as long as the sum is above zero and is the price."""
    price = read_price(NOTICE, j.price_bid(1000, -100))

    assert isinstance(price, Price)
    assert price.amount.to_json() == j.irr(900)


def test_a_line_product_that_differs_is_remarked() -> None:
    """Quantity times unit price may differ from the amount; that is said, and the amount counts."""
    differing = read_price(NOTICE, changed_line(quantity="3"))
    without = read_price(NOTICE, changed_line(quantity=None, unit=None, unit_price=None))

    assert isinstance(differing, Price)
    assert differing.remarks == ("line-products-differ:1",)
    assert isinstance(without, Price)
    assert without.remarks == ()


def test_nothing_is_remarked_without_an_estimate() -> None:
    """A call without an estimate has no measure for a price."""
    notice = j.notice_of(j.keyed(j.draft_fields(estimate=None))).notice
    price = read_price(notice, j.price_bid(1))

    assert isinstance(price, Price)
    assert price_remarks(notice, price.amount, 20) == ()
    assert price_remarks(NOTICE, price.amount, 20) == ("abnormally-low",)
