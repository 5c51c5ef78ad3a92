"""Persian as it stands on paper: digits, amounts, and instants by the solar calendar in the time of Tehran."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from persiantools.jdatetime import JalaliDate, JalaliDateTime

# One time all year since 1401.
_TEHRAN = timezone(timedelta(hours=3, minutes=30))
_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_CURRENCIES = {"IRR": "ریال", "EUR": "یورو", "USD": "دلار آمریکا"}


def digits(value: object) -> str:
    """A number or text with Persian digits."""
    return str(value).translate(_DIGITS)


def amount(money: dict[str, str]) -> str:
    """A ``Money`` in JSON: grouped by thousands, with the currency behind."""
    grouped = f"{Decimal(money['amount']):,f}".replace(",", "٬").replace(".", "٫")
    return f"{digits(grouped)} {_CURRENCIES.get(money['currency'], money['currency'])}"


def moment(instant: str) -> str:
    """An RFC 3339 instant as day and time of day in Tehran, to the second."""
    try:
        local = datetime.fromisoformat(instant).astimezone(UTC).astimezone(_TEHRAN)
        solar = JalaliDateTime(local)
        weekday, month = (str(solar.strftime(each, locale="fa")) for each in ("%A", "%B"))
    except (ValueError, OverflowError):
        return instant  # beyond the calendar: as it was written
    clock = local.strftime("%H:%M:%S")
    return digits(f"{weekday} {solar.day} {month} {solar.year}، ساعت {clock}")


def day(text: str) -> str:
    """A date, or an instant's date in Tehran, such as ۱۴۰۵/۰۹/۰۳."""
    try:
        if "T" in text:
            found = datetime.fromisoformat(text).astimezone(UTC).astimezone(_TEHRAN).date()
        else:
            found = date.fromisoformat(text)
        return digits(JalaliDate(found).strftime("%Y/%m/%d"))
    except (ValueError, OverflowError):
        return text
