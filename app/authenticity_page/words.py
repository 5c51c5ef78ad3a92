"""Words of the page from words.toml, in the language of the visitor."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from importlib import resources

from kernel.clock import parse_utc
from paper import persian
from signing.validation.html_parts import Tongue
from signing.validation.report_words import Language

Words = dict[str, dict[str, dict[str, str]]]


@lru_cache(maxsize=1)
def words() -> Words:
    """By group, code and language."""
    return tomllib.loads(resources.files(__package__).joinpath("words.toml").read_text("utf-8"))


class Voice(Tongue):
    """The words of the page in that language."""

    __slots__ = ()

    @property
    def other(self) -> Language:
        return "en" if self.language == "fa" else "fa"

    def say(self, group: str, code: str, **fields: object) -> str:
        """The words for a code, with ``fields`` in them; raises KeyError for a code without words."""
        told = words()[group][code][self.language]
        return escape(told.format(**{name: self.plain_number(each) for name, each in fields.items()}))

    def text(self, code: str) -> str:
        return self.say("text", code)

    def knows(self, group: str, code: str) -> bool:
        return code in words().get(group, {})

    def group(self, group: str) -> Mapping[str, str]:
        """All words of a group in this language, as plain text."""
        return {code: each[self.language] for code, each in words()[group].items()}

    def length(self, count: int) -> str:
        return f"{self.grouped(count)} {self.text('bytes')}"

    def date(self, text: str) -> str:
        """A date: by the solar calendar, or as it is written; the other one beside it."""
        solar = persian.day(text)
        exact = escape(text)
        if self.language == "fa":
            return f'<time datetime="{exact}">{escape(solar)}</time> <small dir="ltr">({exact})</small>'
        return f'<time datetime="{exact}">{exact}</time> <small dir="rtl">({escape(solar)})</small>'

    def instant(self, text: str) -> str:
        """An instant (RFC 3339), to the second."""
        return self.moment(parse_utc(text))
