"""Which characters the shipped font can draw; the others are written out, so that no text is lost or stops a page.

PDF/A forbids a character without a glyph, and a bidder may write any. Read from the font's own table ``cmap``
(OpenType 1.9, format 4, which holds the characters up to U+FFFF; the others are written out).
"""

from __future__ import annotations

import struct
import unicodedata
from functools import lru_cache
from pathlib import Path

import typst

FONTS = Path(__file__).parent / "fonts"
FAMILY = "Vazirmatn"
_REGULAR = FONTS / "Vazirmatn-Regular.ttf"
_BOLD = FONTS / "Vazirmatn-Bold.ttf"
_JOINERS = "\u200c\u200d"
_LONGEST_RUN = 18
_BREAK = "\u200b"


@lru_cache(maxsize=1)
def shipped_fonts() -> typst.Fonts:
    """The only fonts that anything is set with."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])


def drawable(text: str, *, breaks: bool = True) -> str:
    """The text on one line, what cannot be drawn as ``[U+XXXX]``; with places to break long runs, if wanted."""
    known = _known()
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    shown = "".join(each if each in known else f"[U+{ord(each):04X}]" for each in plain)
    return " ".join(_broken(word) for word in shown.split(" ")) if breaks else shown


def _broken(word: str) -> str:
    pieces = [word[start : start + _LONGEST_RUN] for start in range(0, len(word), _LONGEST_RUN)]
    return _BREAK.join(pieces)


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    common = _characters(_REGULAR.read_bytes()) & _characters(_BOLD.read_bytes())
    shown = {chr(each) for each in common if unicodedata.category(chr(each))[0] not in "C"}
    return frozenset(shown | {each for each in _JOINERS if ord(each) in common} | {" "})


def _characters(font: bytes) -> set[int]:
    """The characters that the Unicode table of the font maps to a glyph other than .notdef."""
    (tables,) = struct.unpack_from(">H", font, 4)
    entries = [struct.unpack_from(">4sIII", font, 12 + 16 * place) for place in range(tables)]
    cmap = next(start for tag, _, start, _ in entries if tag == b"cmap")
    (count,) = struct.unpack_from(">H", font, cmap + 2)
    records = [struct.unpack_from(">HHI", font, cmap + 4 + 8 * place) for place in range(count)]
    for _, _, offset in records:
        if struct.unpack_from(">H", font, cmap + offset)[0] == 4:
            return _format_4(font, cmap + offset)
    raise ValueError("the font has no table of characters in format 4")


def _format_4(font: bytes, start: int) -> set[int]:
    (double,) = struct.unpack_from(">H", font, start + 6)
    count = double // 2
    at = start + 14
    last = struct.unpack_from(f">{count}H", font, at)
    first = struct.unpack_from(f">{count}H", font, at + double + 2)
    delta = struct.unpack_from(f">{count}H", font, at + 2 * double + 2)
    ranges = at + 3 * double + 2
    offset = struct.unpack_from(f">{count}H", font, ranges)
    found = set()
    for segment in range(count):
        for code in range(first[segment], min(last[segment], 0xFFFE) + 1):
            glyph = code
            if offset[segment]:
                place = ranges + 2 * segment + offset[segment] + 2 * (code - first[segment])
                (glyph,) = struct.unpack_from(">H", font, place)
                if glyph == 0:
                    continue
            if (glyph + delta[segment]) & 0xFFFF:
                found.add(code)
    return found
