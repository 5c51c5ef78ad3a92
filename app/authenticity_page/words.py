"""Words of the page from words.toml, in the language of the visitor; and what he hands in, made harmless."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from importlib import resources

from kernel.clock import parse_utc
from paper import persian
from signing.validation.html_parts import Voice as ReportVoice
from signing.validation.report_words import Language, visible

Words = dict[str, dict[str, dict[str, str]]]


@lru_cache(maxsize=1)
def words() -> Words:
    """By group, code and language."""
    return tomllib.loads(resources.files(__package__).joinpath("words.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Voice:
    """One language; what it returns is HTML and safe, unless it says otherwise."""

    language: Language

    @property
    def direction(self) -> str:
        return "rtl" if self.language == "fa" else "ltr"

    @property
    def other(self) -> Language:
        return "en" if self.language == "fa" else "fa"

    @property
    def comma(self) -> str:
        return "، " if self.language == "fa" else ", "

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

    def plain_number(self, value: object) -> str:
        """A number in the digits of the language; other text as it is. No HTML."""
        return persian.digits(value) if self.language == "fa" else str(value)

    def number(self, value: object) -> str:
        return escape(self.plain_number(value))

    def length(self, count: int) -> str:
        grouped = f"{count:,}"
        shown = persian.digits(grouped).replace(",", "٬") if self.language == "fa" else grouped
        return f"{escape(shown)} {self.text('bytes')}"

    def day(self, text: str) -> str:
        """A date: by the solar calendar, or as it is written; the other one beside it."""
        solar = persian.day(text)
        exact = escape(text)
        if self.language == "fa":
            return f'<time datetime="{exact}">{escape(solar)}</time> <small dir="ltr">({exact})</small>'
        return f'<time datetime="{exact}">{exact}</time> <small dir="rtl">({escape(solar)})</small>'

    def moment(self, text: str) -> str:
        """An instant (RFC 3339), to the second."""
        return ReportVoice(self.language).moment(parse_utc(text))


def outside(text: str) -> str:
    """Text of others: escaped, bounded, unable to turn the direction of what stands beside it."""
    return f"<bdi>{escape(visible(text))}</bdi>"


def code(text: str) -> str:
    return f'<code dir="ltr">{escape(visible(text))}</code>'
