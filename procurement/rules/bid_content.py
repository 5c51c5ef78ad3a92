"""What an opened envelope must hold to count: guarantee in A, price in C. Faults are words, not errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Any

from kernel.errors import DomainError, MalformedInput
from kernel.money import Money
from procurement.rules.fields import Fields
from procurement.rules.notice import NoticeDraft
from procurement.rules.rule import TEHRAN

MAX_LINES = 20_000
# Digits that hold any product or sum of amounts exactly.
_PRECISION = 80

_LINE = ("id", "description", "quantity", "unit", "unit_price", "amount")


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a bid and what is remarked of it."""

    amount: Money
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a content does not count; ``rule`` names the rule that it breaks."""

    code: str
    rule: str


def guarantee_faults(notice: NoticeDraft, bid: Any) -> tuple[Fault, ...]:
    """What is wrong with the guarantee of an opened envelope A (``mohr/bid/v1``); nothing if it suffices."""
    try:
        content = _content(bid, ("guarantee",))
        given = Fields(
            content["guarantee"], "guarantee", ("kind", "issuer", "number", "amount", "valid_until")
        )
        for name in ("kind", "issuer", "number"):
            given.text(name, 200)
        amount = given.money("amount")
        valid_until = _end_of_validity(given)
    except DomainError:
        return (Fault("guarantee-malformed", "guarantee-amount"),)
    if amount.currency != notice.guarantee.currency:
        return (Fault("guarantee-currency", "guarantee-amount"),)
    faults = []
    if amount < notice.guarantee:
        faults.append(Fault("guarantee-too-small", "guarantee-amount"))
    if valid_until < notice.bid_valid_until:
        faults.append(Fault("guarantee-ends-early", "guarantee-validity"))
    return tuple(faults)


def technical_faults(bid: Any) -> tuple[Fault, ...]:
    """Whether an opened envelope B has the form of one; its substance is the commission's to judge."""
    try:
        content = _content(bid, ("statements", "files"))
        given = Fields(content, "technical", ("statements", "files"))
        given.items("statements", most=1000)
        given.items("files", most=1000)
    except DomainError:
        return (Fault("technical-malformed", "envelope-order"),)
    return ()


def read_price(notice: NoticeDraft, bid: Any) -> Price | Fault:
    """The price of an opened envelope C, or why it does not count.

    Quantity and unit price of a line may be null; where both are given and their product is not the
    line's amount, that is remarked and the amount counts.
    """
    try:
        content = Fields(
            _content(bid, ("price", "lines", "currency")), "price", ("price", "lines", "currency")
        )
        price = content.money("price")
        currency = content.text("currency", 3)
        lines = [_line(item, currency) for item in content.items("lines", least=1, most=MAX_LINES)]
    except DomainError:
        return Fault("price-malformed", "price-form")
    if {price.currency, currency} != {notice.currency}:
        return Fault("price-currency", "price-form")
    if price.amount <= 0:
        return Fault("price-not-above-zero", "price-form")
    with localcontext(prec=_PRECISION):
        total = sum((line.amount for line, _ in lines), Decimal(0))
    if total != price.amount:
        return Fault("price-lines-differ", "price-form")
    differing = sum(1 for _, exact in lines if not exact)
    return Price(price, (f"line-products-differ:{differing}",) if differing else ())


def price_remarks(notice: NoticeDraft, amount: Money, percent_below: int) -> tuple[str, ...]:
    """How a price lies to the estimate; said only with a single lot, for the estimate is of the whole."""
    if notice.estimate is None or len(notice.lots) != 1:
        return ()
    if amount > notice.estimate:
        return ("above-estimate",)
    with localcontext(prec=_PRECISION):
        low = amount.amount * 100 < notice.estimate.amount * (100 - percent_below)
    return ("abnormally-low",) if low else ()


def _content(bid: Any, keys: tuple[str, ...]) -> Mapping[str, Any]:
    content = bid.get("content") if isinstance(bid, Mapping) else None
    if not isinstance(content, Mapping) or any(key not in content for key in keys):
        raise MalformedInput("the bid lacks its content")
    return content


def _end_of_validity(given: Fields) -> datetime:
    """A date stands for the end of that day in Tehran; an instant for itself."""
    value = given.raw("valid_until")
    if isinstance(value, str) and "T" in value:
        return given.instant("valid_until")
    day: date = given.day("valid_until")
    try:
        return datetime.combine(day, time(), TEHRAN) + timedelta(days=1)
    except OverflowError as error:
        raise MalformedInput("a day beyond the calendar", field="guarantee.valid_until") from error


def _line(item: Any, currency: str) -> tuple[Money, bool]:
    given = Fields(item, "line", _LINE)
    for name in ("id", "description", "unit"):
        text = given.raw(name)
        if not ((isinstance(text, str) and len(text) <= 4000) or (text is None and name == "unit")):
            raise MalformedInput("a line is described by text", field=f"line.{name}")
    amount = Money.parse(given.raw("amount"), currency)
    if given.absent("quantity") or given.absent("unit_price"):
        return amount, True
    quantity = Money.parse(given.raw("quantity"), currency).amount
    unit_price = Money.parse(given.raw("unit_price"), currency).amount
    with localcontext(prec=_PRECISION):
        return amount, quantity * unit_price == amount.amount
