"""A name is found as people type it: with or without ZWNJ and spaces, on a Persian, Arabic or Latin keyboard."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, String, func

_DIGITS = {chr(first + number): str(number) for first in (0x06F0, 0x0660) for number in range(10)}
_LETTERS = {
    "\N{ARABIC LETTER YEH}": "\N{ARABIC LETTER FARSI YEH}",
    "\N{ARABIC LETTER KAF}": "\N{ARABIC LETTER KEHEH}",
}
_ALIKE = {"\N{ZERO WIDTH NON-JOINER}": "", " ": "", **_LETTERS, **_DIGITS}
_ASCII_CAPITALS = {chr(code): chr(code).lower() for code in range(ord("A"), ord("Z") + 1)}
_TABLE = str.maketrans({**_ALIKE, **_ASCII_CAPITALS})


def folded(text: str) -> str:
    """What of a name counts when it is looked for."""
    return text.translate(_TABLE)


def name_has(column: ColumnElement[Any] | Any, part: str) -> ColumnElement[bool]:
    """Whether the name in ``column`` has that part, both folded; both databases lower ASCII capitals alone."""
    name = column
    for written, meant in _ALIKE.items():
        name = func.replace(name, written, meant, type_=String)
    found: ColumnElement[bool] = func.lower(name).contains(folded(part), autoescape=True)
    return found
