"""The stamp by which people see a signature on its page: one small page of PDF, set with the shipped fonts.

It shows whose signature that is, when by the solar calendar and by UTC, why, and a QR code. The same stamp gives the
same bytes. It proves nothing: what counts is the signature in the field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import segno
import typst

from kernel.errors import MalformedInput
from paper.glyphs import FAMILY, drawable, shipped_fonts
from paper.persian import moment

# Versions of QR codes that can still be read from a stamp.
MAX_QR_BYTES = 300
MAX_REASON = 200
_TEMPLATE = Path(__file__).parent / "signature_stamp.typ"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a stamp shows; ``width`` and ``height`` are points, ``party`` may be empty, ``qr`` is the code's text."""

    width: float
    height: float
    name: str
    party: str
    at: datetime
    reason: str | None = None
    qr: str | None = None


def render_stamp(stamp: Stamp) -> bytes:
    """A PDF of one page of that size; raises MalformedInput for a QR text that is too long."""
    return _rendered(stamp)


def alternative_text(stamp: Stamp) -> str:
    """What the stamp says, for those who do not see it."""
    reason = f"، {stamp.reason}" if stamp.reason else ""
    party = f" ({stamp.party})" if stamp.party else ""
    return f"امضای الکترونیکی {stamp.name}{party}، {moment(stamp.at.isoformat())}{reason}"


@lru_cache(maxsize=32)
def _rendered(stamp: Stamp) -> bytes:
    pdf = typst.compile(
        _TEMPLATE,
        root=_TEMPLATE.parent,
        font_paths=shipped_fonts(),
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"view": json.dumps(_view(stamp))},
        timestamp=int(stamp.at.timestamp()),
        pdf_tags=False,
    )
    assert isinstance(pdf, bytes)
    return pdf


def _view(stamp: Stamp) -> dict[str, object]:
    lines = [
        *([[drawable(stamp.party), "ltr"]] if stamp.party else []),
        [moment(stamp.at.isoformat()), "rtl"],
        [stamp.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"), "ltr"],
    ]
    if stamp.reason:
        lines.append([drawable(stamp.reason[:MAX_REASON]), "rtl"])
    return {
        "width": stamp.width,
        "height": stamp.height,
        "family": FAMILY,
        "name": drawable(stamp.name),
        "lines": lines,
        "qr": None if stamp.qr is None else _code(stamp.qr),
    }


def _code(text: str) -> str:
    """The QR code as SVG."""
    if not 0 < len(text.encode("utf-8")) <= MAX_QR_BYTES:
        raise MalformedInput("the text of the QR code is empty or too long", most=MAX_QR_BYTES)
    return segno.make(text, error="m", micro=False).svg_inline(border=2, light="white")
