"""Words of reports for people in Persian and English, from report_words.toml; and how text from outside is shown."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Literal

Language = Literal["fa", "en"]
Words = dict[str, dict[str, dict[str, str]]]

_LONGEST = 500
_NON_JOINER = "\u200c"
# Not characters of XML 1.0 (§2.2), lone surrogates among them, which UTF-8 cannot write either.
_NO_TEXT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@lru_cache(maxsize=1)
def words() -> Words:
    """By group, code and language."""
    text = resources.files("signing.validation").joinpath("report_words.toml").read_text("utf-8")
    return tomllib.loads(text)


def say(language: Language, group: str, code: str) -> str:
    """The words for a code; of a code that is not known, itself."""
    known = words().get(group, {}).get(code)
    return visible(code) if known is None else known[language]


def is_known(group: str, code: str) -> bool:
    return code in words().get(group, {})


def plain(text: str) -> str:
    """The text with U+FFFD for what no XML may hold; such come only from files made to confuse."""
    return _NO_TEXT.sub("\ufffd", text)


def visible(text: str) -> str:
    """Text from outside on one line, bounded; what draws nothing or turns the direction of text is shown by its code.

    The zero-width non-joiner of Persian spelling stays.
    """
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(map(_shown, cut))


def _shown(character: str) -> str:
    if character.isprintable() or character == _NON_JOINER:
        return character
    return " " if character in "\t\n\r" else f"⟨U+{ord(character):04X}⟩"
