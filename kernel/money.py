"""Money: an exact decimal and its ISO 4217 currency. Never a float, never an implied currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kernel.errors import MalformedInput

_AMOUNT = re.compile(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,6})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Money:
    """``amount`` in units of ``currency`` (rials for IRR, dollars for USD)."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal) or not self.amount.is_finite():
            raise MalformedInput("an amount is a finite exact decimal")
        if _CURRENCY.fullmatch(self.currency) is None:
            raise MalformedInput("a currency is three capital letters (ISO 4217)", value=self.currency[:16])

    @classmethod
    def parse(cls, amount: str, currency: str) -> Money:
        """Read ``"123.45"``; exponents, spaces, a plus sign and more than 6 decimals are refused."""
        if not isinstance(amount, str) or _AMOUNT.fullmatch(amount) is None:
            raise MalformedInput("an amount is plain decimal digits in a string", value=str(amount)[:32])
        return cls(Decimal(amount), currency)

    @classmethod
    def from_json(cls, value: Any) -> Money:
        """Read ``{"amount": "123.45", "currency": "IRR"}``."""
        if not isinstance(value, dict) or set(value) != {"amount", "currency"}:
            raise MalformedInput("money is an object of amount and currency")
        if not isinstance(value["currency"], str):
            raise MalformedInput("a currency is three capital letters (ISO 4217)")
        return cls.parse(value["amount"], value["currency"])

    def to_json(self) -> dict[str, str]:
        return {"amount": format(self.amount, "f"), "currency": self.currency}

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)

    def _same(self, other: Money) -> Decimal:
        if self.currency != other.currency:
            raise MalformedInput(
                "amounts in two currencies cannot be compared", one=self.currency, other=other.currency
            )
        return other.amount
