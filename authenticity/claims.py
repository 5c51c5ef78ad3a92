"""The identifier that a document bears itself: in a QR code or in its text. A claim and nothing more: anybody
can copy it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from authenticity.identifier import LENGTH, is_identifier
from authenticity.pdf_pictures import Seen

_GROUPS = LENGTH // 4
# Five groups of four; what writes from right to left may give the groups back in the other order.
_WRITTEN = re.compile(rf"(?<!\d)\d{{4}}(?:[^\d\n]{{0,3}}\d{{4}}){{{_GROUPS - 1}}}(?!\d)")
_MAX_CLAIMS = 8


def claimed_identifiers(seen: Seen) -> tuple[str, ...]:
    """Those with right check digits, codes first, each once."""
    return tuple(dict.fromkeys([*_all(seen.codes), *_all(seen.texts)]))[:_MAX_CLAIMS]


def _all(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for found in _WRITTEN.finditer(_with_latin_digits(text)):
            digits = re.sub(r"\D", "", found[0])
            groups = [digits[start : start + 4] for start in range(0, LENGTH, 4)]
            for candidate in (digits, "".join(reversed(groups))):
                if is_identifier(candidate):
                    yield candidate
                    break


def _with_latin_digits(text: str) -> str:
    return "".join(str(int(each)) if each.isdecimal() else each for each in text)
