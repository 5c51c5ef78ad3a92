"""The identifier of a registered document: 18 random digits and two check digits, in five groups of four.

Digits alone, because they are typed on every keyboard, in Persian, Arabic or Latin figures, read out over a
telephone, and
have no upper and lower case. 10^18 of them leave guessing hopeless (decision 0111). The check digits are those of
ISO/IEC 7064 MOD 97-10, which find every wrong digit and every two neighbours exchanged. A typing error is named, never
repaired.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterator

from authenticity.errors import IdentifierCharacter, IdentifierCheck, IdentifierLength

LENGTH = 20
_RANDOM = LENGTH - 2
_GROUP = 4
# What people and programs put between groups; marks of direction come along when text is copied.
_BETWEEN = frozenset(
    " -‐‑‒–—_.\u00a0\u202f\u2009\u200c\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069"
)
_MAX_TYPED = 100


def new_identifier() -> str:
    """A fresh identifier, 20 digits, from the operating system's generator."""
    body = f"{secrets.randbelow(10**_RANDOM):0{_RANDOM}d}"
    return body + _check_digits(body)


def is_identifier(text: str) -> bool:
    """Whether these are 20 ASCII digits with the right check digits, as kept and sent."""
    return len(text) == LENGTH and text.isascii() and text.isdigit() and int(text) % 97 == 1


def read_identifier(typed: str) -> str:
    """The 20 digits of what somebody typed or copied, in any figures, with or without separators.

    Raises IdentifierCharacter (``position`` from 1, ``character_class``), IdentifierLength (``digits``, ``expected``)
    or IdentifierCheck.
    """
    if len(typed) > _MAX_TYPED:
        raise IdentifierLength("an identifier has 20 digits", digits=None, expected=LENGTH)
    digits = "".join(_digits(typed))
    if len(digits) != LENGTH:
        raise IdentifierLength("an identifier has 20 digits", digits=len(digits), expected=LENGTH)
    if int(digits) % 97 != 1:
        raise IdentifierCheck("the digits do not fit together: one of them is wrong, or two are exchanged")
    return digits


def grouped(identifier: str) -> str:
    """``1234-5678-9012-3456-7890``: as it is shown."""
    return "-".join(identifier[start : start + _GROUP] for start in range(0, len(identifier), _GROUP))


def _digits(typed: str) -> Iterator[str]:
    for position, character in enumerate(typed, start=1):
        if character in _BETWEEN:
            continue
        value = unicodedata.decimal(character, None)
        if value is None:
            raise IdentifierCharacter(
                "only digits stand in an identifier", position=position, character_class=_class_of(character)
            )
        yield str(value)


def _class_of(character: str) -> str:
    """``latin-letter``, ``persian-letter``, ``other-letter``, ``punctuation``, ``space`` or ``other``."""
    category = unicodedata.category(character)
    if category.startswith("L"):
        name = unicodedata.name(character, "")
        if name.startswith("LATIN"):
            return "latin-letter"
        return "persian-letter" if name.startswith("ARABIC") else "other-letter"
    if category.startswith(("P", "S")):
        return "punctuation"
    return "space" if category.startswith("Z") or character.isspace() else "other"


def _check_digits(body: str) -> str:
    """ISO/IEC 7064 MOD 97-10: the number with its check digits leaves 1."""
    return f"{98 - int(body) * 100 % 97:02d}"
