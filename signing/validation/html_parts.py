"""Pieces of the page for people: escaped text, instants and digits of a language, lists and tables; and its style."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from kernel.clock import format_utc
from paper import persian
from signing.validation.report_words import Language, is_known, say, visible

MAX_LISTED = 200
STYLE = """
:root{color-scheme:light dark;--line:#8886;--soft:#6b6b6b;--good:#146c2e;--doubt:#8a5300;--bad:#b00020}
@media(prefers-color-scheme:dark){:root{--soft:#a8a8a8;--good:#6fd08c;--doubt:#f0b455;--bad:#ff8a95}}
*{box-sizing:border-box}
body{font:16px/1.75 Vazirmatn,Tahoma,"Noto Naskh Arabic","Noto Sans Arabic",system-ui,sans-serif;
max-width:56rem;margin:0 auto;padding:.75rem}
h1{font-size:1rem;font-weight:normal;color:var(--soft);margin:.25rem 0 .75rem}
h2{font-size:1.15rem;margin:0;overflow-wrap:anywhere}h3{font-size:1rem;margin:1.1rem 0 .3rem}
section{border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem 1rem;margin:1rem 0}
.verdict{border-width:3px;padding:1rem}.verdict p{margin:.3rem 0}
.verdict .word{display:flex;align-items:center;gap:.7rem;font-size:1.9rem;font-weight:bold;line-height:1.3;margin:0}
.sign{flex:none;display:inline-block;width:1.5em;height:1.5em;line-height:1.4em;text-align:center;
border:.1em solid currentColor;font-weight:bold;font-family:system-ui,sans-serif}
.passed .sign{border-radius:50%}.indeterminate .sign{border-style:dashed;border-radius:50%}
section.passed{border-color:var(--good)}section.indeterminate{border-color:var(--doubt);border-style:dashed}
section.failed{border-color:var(--bad);border-style:double;border-width:5px}
.passed>.word,.passed>.head .word{color:var(--good)}.indeterminate>.word,.indeterminate>.head .word{color:var(--doubt)}
.failed>.word,.failed>.head .word,.no{color:var(--bad)}
.head{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.2rem 1rem;margin-bottom:.5rem}
.head .word{display:inline-flex;align-items:center;gap:.4rem;font-weight:bold;white-space:nowrap}
.why{border-inline-start:4px solid currentColor;padding-inline-start:.7rem;margin:.5rem 0}.why p{margin:0}
dl{display:grid;grid-template-columns:minmax(8rem,12rem) 1fr;gap:.25rem 1rem;margin:0}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
ul,ol{margin:0;padding-inline-start:1.3rem}li{overflow-wrap:anywhere}:lang(fa) ol{list-style-type:persian}
small,.small{font-size:.85rem;color:var(--soft)}
code{font:.82em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
[dir=ltr]{unicode-bidi:isolate;display:inline-block;max-width:100%;text-align:start}
summary{cursor:pointer;padding:.35rem 0}details{margin-top:.6rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{border-top:1px solid var(--line);padding:.3rem .4rem;text-align:start;vertical-align:top;overflow-wrap:anywhere}
th{color:var(--soft);font-weight:normal}tr.failed td,tr.indeterminate td{font-weight:bold}
@media(max-width:36rem){dl{grid-template-columns:1fr;gap:0}dt{margin-top:.5rem}body{padding:.5rem}
section{padding:.6rem .75rem .8rem}thead{display:none}
tr{display:grid;grid-template-columns:2.8rem 1fr auto;border-top:1px solid var(--line)}
td{border:0}td:last-child{grid-column:1/-1}td:last-child:empty{display:none}}
@media print{:root{color-scheme:light;--soft:#444;--good:#000;--doubt:#000;--bad:#000}
body{max-width:none;font-size:10pt;padding:0}h2,h3,.head{break-after:avoid}tr,li{break-inside:avoid}
details::details-content{content-visibility:visible;display:block;block-size:auto}}
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
# In the page itself, so that it also holds for a copy in a file.
PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
# For whoever serves it.
POLICY = f"{PAGE_POLICY}; frame-ancestors 'none'"
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@dataclass(frozen=True, slots=True)
class Tongue:
    """Direction, digits and calendar of one language; what it returns is HTML and safe, unless it says otherwise."""

    language: Language

    @property
    def direction(self) -> str:
        return "rtl" if self.language == "fa" else "ltr"

    @property
    def comma(self) -> str:
        return "، " if self.language == "fa" else ", "

    def plain_number(self, value: object) -> str:
        """A number in the digits of the language; other text as it is. No HTML."""
        return persian.digits(value) if self.language == "fa" else str(value)

    def number(self, value: object) -> str:
        return escape(self.plain_number(value))

    def grouped(self, count: int) -> str:
        """By thousands."""
        return self.number(f"{count:,}".replace(",", "٬" if self.language == "fa" else ","))

    def moment(self, instant: datetime) -> str:
        """To the second: by the solar calendar in the time of Tehran, or in UTC."""
        exact = format_utc(instant)
        shown = persian.moment(exact) if self.language == "fa" else _english(instant)
        return f'<time datetime="{exact}">{escape(shown)}</time>'

    def day(self, instant: datetime) -> str:
        exact = format_utc(instant)
        shown = persian.day(exact) if self.language == "fa" else _english(instant).split(",")[0]
        return f'<time datetime="{exact}">{escape(shown)}</time>'


class Voice(Tongue):
    """The words of reports in that language."""

    __slots__ = ()

    def text(self, code: str) -> str:
        return self.word("text", code)

    def word(self, group: str, code: str) -> str:
        """The words for a code; a code without words stands as it is, from left to right."""
        said = escape(say(self.language, group, code))
        return said if is_known(group, code) else f'<bdi dir="ltr">{said}</bdi>'

    def length(self, count: int) -> str:
        return f"{self.grouped(count)} {self.text('bytes')}"


def outside(text: str) -> str:
    """Text of whoever made the file: escaped, bounded, unable to turn the direction of what stands beside it."""
    return f"<bdi>{escape(visible(text))}</bdi>"


def technical(text: str) -> str:
    """A detail in English, or an identifier, from left to right on every page."""
    return f'<bdi dir="ltr" class="small">{escape(visible(text))}</bdi>'


def code(text: str) -> str:
    return f'<code dir="ltr">{escape(visible(text))}</code>'


def note(text: str) -> str:
    """A small line below; ``text`` is HTML already, as in all that follows."""
    return f"<br><small>{text}</small>"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"


def listed(items: Sequence[str], tag: str = "ul") -> str:
    """At most ``MAX_LISTED`` of them, and how many more there are."""
    shown = "".join(f"<li>{each}</li>" for each in items[:MAX_LISTED])
    rest = f"<li>… +{len(items) - MAX_LISTED}</li>" if len(items) > MAX_LISTED else ""
    return f"<{tag}>{shown}{rest}</{tag}>"


def _english(instant: datetime) -> str:
    moment = instant.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M:%S} UTC"
