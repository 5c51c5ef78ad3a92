"""The mark of a registered document: a QR code and a line of text, and the sheet for what bears no mark itself.

Both lead to the public check and prove nothing: a forged paper can carry a copied mark. The same mark gives the same
bytes. Set with the shipped fonts, as PDF/A-2b, so that a PDF/A document which takes it up stays one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import segno
import typst

from kernel.errors import MalformedInput
from paper.glyphs import FAMILY, drawable, shipped_fonts
from paper.persian import day, digits

# Points. A module of the code is half a millimetre wide, which a telephone reads from a copy of a copy.
WIDTH, HEIGHT = 190.0, 62.0
MAX_QR_BYTES = 120
_FOLDER = Path(__file__).parent
_GROUP = 4
# PDF/A wants a date; the mark has none of its own.
_MADE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mark:
    """``identifier``: 20 digits. ``link``: where the code leads; ``site``: what people type, without ``https://``."""

    identifier: str
    link: str
    site: str

    @classmethod
    def of(cls, identifier: str, base_url: str) -> Mark:
        """For the public check at that address; raises MalformedInput where the address is too long for a code."""
        base = base_url.rstrip("/")
        parts = urlsplit(base)
        return cls(identifier, f"{base}/d/{identifier}", f"{parts.netloc}{parts.path}/authenticity")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page beside a document that cannot bear its mark: it names the document by what is registered of it.

    ``digest``: SHA-256 (hex) of the document; ``issued_on``: YYYY-MM-DD.
    """

    mark: Mark
    title: str
    kind: str
    unit: str
    file_name: str
    digest: str
    issued_on: str


def render_mark(mark: Mark) -> bytes:
    """A PDF of one page of ``WIDTH`` and ``HEIGHT``."""
    return _compiled("document_mark.typ", json.dumps({**_mark(mark), "width": WIDTH, "height": HEIGHT}))


def render_sheet(sheet: Sheet) -> bytes:
    """A PDF of one page of A4."""
    rows = [
        ["عنوان", drawable(sheet.title), "rtl"],
        ["نوع سند", drawable(sheet.kind), "rtl"],
        ["واحد صادرکننده", drawable(sheet.unit), "rtl"],
        ["تاریخ صدور", day(sheet.issued_on), "ltr"],
        ["نام پرونده", drawable(sheet.file_name), "ltr"],
        ["SHA-256", "\u200b".join(sheet.digest[at : at + 16] for at in range(0, 64, 16)), "ltr"],
    ]
    return _compiled("document_sheet.typ", json.dumps({**_mark(sheet.mark), "rows": rows}))


def _mark(mark: Mark) -> dict[str, Any]:
    return {
        "family": FAMILY,
        "identifier": _shown(mark.identifier),
        "site": drawable(mark.site, breaks=False),
        "qr": _code(mark.link),
    }


def _shown(identifier: str) -> str:
    groups = (identifier[start : start + _GROUP] for start in range(0, len(identifier), _GROUP))
    return digits("-".join(groups))


def _code(link: str) -> str:
    if not 0 < len(link.encode("utf-8")) <= MAX_QR_BYTES:
        raise MalformedInput("the address of the public check is too long for a code", most=MAX_QR_BYTES)
    # A quiet zone of four modules (ISO/IEC 18004 §6.3.8) on white, whatever lies below.
    return segno.make(link, error="m", micro=False).svg_inline(border=4, light="white")


@lru_cache(maxsize=64)
def _compiled(template: str, view: str) -> bytes:
    pdf = typst.compile(
        _FOLDER / template,
        root=_FOLDER,
        font_paths=shipped_fonts(),
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"view": view},
        pdf_standards=["a-2b"],
        timestamp=int(_MADE.timestamp()),
        pdf_tags=False,
    )
    assert isinstance(pdf, bytes)
    return pdf
