"""Strict reading of JSON objects from outside: exactly the expected keys, each within its limits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from kernel.clock import format_utc, parse_utc
from kernel.errors import LimitExceeded, MalformedInput
from kernel.money import Money

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Marks that turn the direction of what follows, so that a text reads otherwise than it is.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫", "01234567890123456789.")
_LETTERS = str.maketrans("يكىﻱﻙ", "یکییک")


class Fields:
    """One JSON object read key by key; refusals are MalformedInput or LimitExceeded and name the field."""

    def __init__(self, value: Any, what: str, keys: Collection[str]) -> None:
        if not isinstance(value, dict):
            raise MalformedInput(f"{what} is an object", field=what)
        unknown = sorted(str(key)[:64] for key in value if key not in keys)
        missing = sorted(key for key in keys if key not in value)
        if unknown or missing:
            raise MalformedInput(
                f"{what} has unknown or missing fields",
                field=what,
                unknown=unknown[:20],
                missing=missing[:20],
            )
        self._value = value
        self._what = what

    def text(self, key: str, longest: int, *, shortest: int = 1, lines: bool = False) -> str:
        """Visible text; control characters and direction marks are refused, line feeds allowed on demand."""
        value = self._value[key]
        if not isinstance(value, str):
            raise self._malformed(key, "text was expected")
        if len(value) > longest:
            raise LimitExceeded(f"{self._name(key)} is too long", field=self._name(key), limit=longest)
        if len(value.strip()) < shortest:
            raise self._malformed(key, "the text is too short")
        for character in value:
            hidden = unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTION_MARKS
            if hidden and not (lines and character == "\n"):
                raise self._malformed(key, "the text holds hidden characters")
        return value

    def name(self, key: str) -> str:
        """An identifier: a letter or digit, then up to 63 letters, digits, dots, hyphens and underscores."""
        value = self._value[key]
        if not isinstance(value, str) or _NAME.fullmatch(value) is None:
            raise self._malformed(key, "an identifier was expected")
        return value

    def digest(self, key: str) -> str:
        value = self._value[key]
        if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
            raise self._malformed(key, "64 lower-case hexadecimal digits were expected")
        return value

    def choice(self, key: str, choices: Collection[str]) -> str:
        value = self._value[key]
        if not isinstance(value, str) or value not in choices:
            raise self._malformed(key, f"one of {', '.join(sorted(choices))} was expected")
        return value

    def number(self, key: str, least: int, most: int) -> int:
        value = self._value[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._malformed(key, "a whole number was expected")
        if not least <= value <= most:
            raise LimitExceeded(
                f"{self._name(key)} is out of range", field=self._name(key), least=least, most=most
            )
        return value

    def flag(self, key: str) -> bool:
        value = self._value[key]
        if not isinstance(value, bool):
            raise self._malformed(key, "true or false was expected")
        return value

    def instant(self, key: str) -> datetime:
        """An instant exactly as ``kernel.clock.format_utc`` writes it, so that one meaning has one text."""
        value = self._value[key]
        if not isinstance(value, str):
            raise self._malformed(key, "an instant was expected")
        instant = parse_utc(value)
        if format_utc(instant) != value:
            raise self._malformed(key, "an instant is in UTC with microseconds and ends in Z")
        return instant

    def day(self, key: str) -> date:
        value = self._value[key]
        try:
            day = date.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise self._malformed(key, "a date was expected") from error
        if day.isoformat() != value:
            raise self._malformed(key, "a date is written YYYY-MM-DD")
        return day

    def money(self, key: str) -> Money:
        return Money.from_json(self._value[key])

    def items(self, key: str, *, least: int = 0, most: int) -> list[Any]:
        value = self._value[key]
        if not isinstance(value, list | tuple):
            raise self._malformed(key, "a list was expected")
        if not least <= len(value) <= most:
            raise LimitExceeded(
                f"{self._name(key)} has too few or too many entries",
                field=self._name(key),
                least=least,
                most=most,
            )
        return list(value)

    def absent(self, key: str) -> bool:
        """Whether the field is null."""
        return self._value[key] is None

    def raw(self, key: str) -> Any:
        """The value as it is, for a reader of its own."""
        return self._value[key]

    def _name(self, key: str) -> str:
        return f"{self._what}.{key}"

    def _malformed(self, key: str, detail: str) -> MalformedInput:
        return MalformedInput(f"{self._name(key)}: {detail}", field=self._name(key))


def plain_letters(text: str) -> str:
    """Persian text as it is kept: NFC, Persian yeh and kaf, no space at the ends; ZWNJ stays."""
    return unicodedata.normalize("NFC", text).translate(_LETTERS).strip()


def plain_digits(text: str) -> str:
    """Numbers as they are kept: Persian and Arabic digits and the Persian decimal sign become ASCII."""
    return text.translate(_DIGITS).replace("٬", "").strip()
