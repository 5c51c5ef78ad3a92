"""What is played: three small Persian tenders of our own, or every tender of a file of published bid tabulations."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from kernel.canonical import sha256_hex
from kernel.errors import LimitExceeded, MalformedInput
from kernel.money import Money

MAX_FILE_BYTES = 64 << 20
MAX_TENDERS = 500
_DEPOSIT_SHARE = Decimal("0.05")
_DEPOSIT_WITHOUT_ESTIMATE = Decimal("50000")


@dataclass(frozen=True)
class ScriptedBid:
    """One bidder's bid: its priced lines (decimal strings) and whether the commission accepts A and B."""

    bidder: str
    lines: tuple[dict[str, str | None], ...]
    rejected_at: str | None = None
    reason: str = ""
    replaces_first: bool = False
    withdraws: bool = False

    @property
    def total(self) -> Decimal:
        return sum((Decimal(str(line["amount"])) for line in self.lines), Decimal(0))


@dataclass(frozen=True)
class Script:
    """A tender to play and the outcome that is expected of it."""

    name: str
    title: str
    description: str
    nature: str
    method: str
    stages: int
    regime: str
    currency: str
    estimate: Decimal | None
    guarantee: Decimal
    bids: tuple[ScriptedBid, ...]
    expected_winner: str
    expected_amount: Decimal
    expected_second: str | None = None
    checks_second: bool = False
    notes: dict[str, str] = field(default_factory=dict)

    def money(self, amount: Decimal) -> Money:
        return Money(amount, self.currency)


def _line(number: int, description: str, quantity: str, unit: str, unit_price: int) -> dict[str, str | None]:
    amount = Decimal(quantity) * unit_price
    return {
        "id": f"{number:04d}",
        "description": description,
        "quantity": quantity,
        "unit": unit,
        "unit_price": str(unit_price),
        "amount": format(amount, "f"),
    }


def _paving(asphalt: int, kerb: int, marking: int) -> tuple[dict[str, str | None], ...]:
    return (
        _line(1, "روکش آسفالت گرم به ضخامت ۵ سانتی‌متر", "4200", "مترمربع", asphalt),
        _line(2, "تعویض جدول بتنی", "860", "متر", kerb),
        _line(3, "خط‌کشی گرم دوجزئی", "1500", "متر", marking),
    )


def _stall(rent: int) -> tuple[dict[str, str | None], ...]:
    return (_line(1, "اجاره‌بهای دوازده‌ماهه غرفه شماره ۷", "12", "ماه", rent),)


def _signals(equipment: int, installation: int) -> tuple[dict[str, str | None], ...]:
    return (
        _line(1, "سامانه کنترل هوشمند چراغ راهنمایی", "14", "تقاطع", equipment),
        _line(2, "نصب، راه‌اندازی و آموزش", "14", "تقاطع", installation),
    )


def own_scripts() -> list[Script]:
    """An expenditure, a revenue auction, and a two-stage tender with a rejected B whose C stays closed."""
    return [
        Script(
            name="expenditure",
            title="بهسازی و روکش آسفالت خیابان‌های محله نارمک",
            description="تهیه مصالح و اجرای روکش آسفالت، جدول‌گذاری و خط‌کشی",
            nature="expenditure",
            method="open_tender",
            stages=1,
            regime="tenders-1383",
            currency="IRR",
            estimate=Decimal("26000000000"),
            guarantee=Decimal("1300000000"),
            bids=(
                ScriptedBid("راه‌سازان البرز", _paving(4_900_000, 2_100_000, 1_150_000), replaces_first=True),
                ScriptedBid("عمران پایدار ری", _paving(4_700_000, 2_250_000, 1_200_000)),
                ScriptedBid("سازه گستر شمیران", _paving(5_150_000, 2_000_000, 1_100_000)),
                ScriptedBid("آسفالت توس", _paving(5_600_000, 2_300_000, 1_250_000), withdraws=True),
            ),
            expected_winner="عمران پایدار ری",
            expected_amount=Decimal("23475000000"),
            expected_second="راه‌سازان البرز",
            checks_second=True,
        ),
        Script(
            name="auction",
            title="مزایده اجاره غرفه شماره ۷ بازار روز منطقه ۸",
            description="واگذاری بهره‌برداری غرفه به مدت یک سال شمسی",
            nature="revenue",
            method="auction",
            stages=1,
            regime="tehran-1355",
            currency="IRR",
            estimate=Decimal("3000000000"),
            guarantee=Decimal("150000000"),
            bids=(
                ScriptedBid("بازرگانی سپهر", _stall(262_000_000)),
                ScriptedBid("تعاونی مصرف نور", _stall(281_500_000)),
                ScriptedBid("فروشگاه‌های بهاران", _stall(255_000_000)),
            ),
            expected_winner="تعاونی مصرف نور",
            expected_amount=Decimal("3378000000"),
            checks_second=True,
        ),
        Script(
            name="two-stage",
            title="خرید و نصب سامانه هوشمند چراغ‌های راهنمایی",
            description="مناقصه دو مرحله‌ای با ارزیابی فنی پیش از بازگشایی قیمت",
            nature="expenditure",
            method="open_tender",
            stages=2,
            regime="tenders-1383",
            currency="IRR",
            estimate=Decimal("98000000000"),
            guarantee=Decimal("4900000000"),
            bids=(
                ScriptedBid("پردازش ترافیک پارس", _signals(5_400_000_000, 610_000_000)),
                ScriptedBid("نماگستر ایرانیان", _signals(5_050_000_000, 700_000_000)),
                ScriptedBid(
                    "ارزان‌کنترل",
                    _signals(3_900_000_000, 400_000_000),
                    rejected_at="B",
                    reason="گواهی ایمنی تجهیزات ارائه نشده است",
                ),
            ),
            expected_winner="نماگستر ایرانیان",
            expected_amount=Decimal("80500000000"),
            expected_second="پردازش ترافیک پارس",
            checks_second=True,
        ),
    ]


def scripts_of_file(path: Path) -> list[Script]:
    """Read a file in the form of published bid tabulations: ``{"tenders": [...]}``.

    Raises MalformedInput or LimitExceeded with the tender that is off.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise LimitExceeded("the file of tenders is too long", limit_bytes=MAX_FILE_BYTES)
    try:
        tenders = json.loads(path.read_text("utf-8"), parse_float=Decimal)["tenders"]
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedInput("the file is not an object with a list of tenders") from error
    if not isinstance(tenders, list) or not tenders or len(tenders) > MAX_TENDERS:
        raise MalformedInput(f"the file holds between 1 and {MAX_TENDERS} tenders")
    return [_script(position, tender) for position, tender in enumerate(tenders)]


def _script(position: int, tender: Any) -> Script:
    try:
        currency = str(tender["currency"])
        estimate = _amount(tender["engineersEstimate"]) if tender.get("engineersEstimate") else None
        guarantee = (
            (estimate * _DEPOSIT_SHARE).quantize(Decimal(1)) if estimate else _DEPOSIT_WITHOUT_ESTIMATE
        )
        return Script(
            name=str(tender["solicitation"]),
            title=str(tender["title"]),
            description=f"{tender['title']}, {tender['location']}",
            nature="expenditure",
            method="open_tender",
            stages=1,
            regime="tenders-1383",
            currency=currency,
            estimate=estimate,
            guarantee=guarantee,
            bids=tuple(ScriptedBid(str(bid["bidder"]), _lines(bid["lines"])) for bid in tender["bids"]),
            expected_winner=str(tender["lowestBidder"]),
            expected_amount=_amount(tender["lowestAmount"]),
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise MalformedInput(
            "a tender of the file lacks a field or holds a bad one", position=position
        ) from error


def _lines(lines: Any) -> tuple[dict[str, str | None], ...]:
    return tuple(
        {
            # Schedules of one tabulation may number their lines alike.
            "id": f"{line.get('schedule') or ''}/{line['line']}#{position}",
            "description": str(line["description"]),
            "quantity": _plain(line.get("quantity")),
            "unit": str(line["unit"]) if line.get("unit") is not None else None,
            "unit_price": _plain(line.get("unitPrice")),
            "amount": format(_amount(line["amount"]), "f"),
        }
        for position, line in enumerate(lines, start=1)
    )


def _plain(value: Any) -> str | None:
    return None if value is None else format(Decimal(str(value)).normalize(), "f")


def _amount(value: Any) -> Decimal:
    return Money.parse(str(value), "XXX").amount


def party_of_name(prefix: str, name: str) -> str:
    """A stable identifier for a made-up party: the same name is the same party in every tender."""
    return f"{prefix}-{int(sha256_hex(name.encode())[:12], 16) % 10**11:011d}"
