"""Minutes as a PDF/A-3a by typst: right to left, with their source attached, reproducible byte for byte.

What is rendered follows from the bytes of a ``mohr/minutes/v1`` alone: shipped fonts, no system fonts, no network, the
document's own time. Data goes in as inputs, never as code. ``RENDERER`` names what made the bytes: another version may
lay out otherwise, so only its own pages can be compared with what is signed.
"""

from __future__ import annotations

import json
import re
import zlib
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typst

from kernel.canonical import parse_canonical, sha256_hex
from kernel.errors import DomainError, LimitExceeded, MalformedInput
from paper.glyphs import FAMILY, shipped_fonts
from paper.minutes_view import view_of

# The second number counts our own changes of template and view.
RENDERER = f"typst {version('typst')}, minutes 1"
MINUTES_TYPE = "mohr/minutes/v1"
MAX_SOURCE_BYTES = 32 << 20
_TEMPLATE = Path(__file__).parent / "minutes.typ"
_ATTACHED = re.compile(
    rb"\n[0-9]{1,7} 0 obj\n<<(/Length ([0-9]{1,10})(?:/Filter/FlateDecode)?/Type/EmbeddedFile/[^\n]{1,300})>>\nstream\n"
)


def render_minutes(source: bytes) -> bytes:
    """The PDF of a ``mohr/minutes/v1``; raises MalformedInput or LimitExceeded for another document."""
    try:
        return _rendered(source)
    except DomainError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, typst.TypstError) as error:
        raise MalformedInput("the document cannot be laid out as minutes") from error


def attached_source(pdf: bytes) -> bytes:
    """The source attached to a rendered document; raises MalformedInput unless there is exactly one."""
    found = list(_ATTACHED.finditer(pdf))
    if len(found) != 1:
        raise MalformedInput("the PDF holds not exactly one attached source")
    raw = pdf[found[0].end() :][: int(found[0][2])]
    if b"/FlateDecode" not in found[0][1]:
        return raw
    unpacker = zlib.decompressobj()
    try:
        source = unpacker.decompress(raw, MAX_SOURCE_BYTES + 1)
    except zlib.error as error:
        raise MalformedInput("the attached source is damaged") from error
    if len(source) > MAX_SOURCE_BYTES or not unpacker.eof:
        raise LimitExceeded("the attached source is too long", limit_bytes=MAX_SOURCE_BYTES)
    return source


@lru_cache(maxsize=8)
def _rendered(source: bytes) -> bytes:
    minutes = parse_canonical(source, max_bytes=MAX_SOURCE_BYTES)
    if minutes.get("type") != MINUTES_TYPE:
        raise MalformedInput("only minutes are laid out here", expected=MINUTES_TYPE)
    made = _made_at(minutes)
    pdf = typst.compile(
        _TEMPLATE,
        root=_TEMPLATE.parent,
        font_paths=shipped_fonts(),
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"view": json.dumps(_view(minutes, sha256_hex(source), made)), "source": source.decode()},
        pdf_standards=["a-3a"],
        timestamp=int(made.timestamp()),
    )
    assert isinstance(pdf, bytes)
    return pdf


def _view(minutes: dict[str, Any], digest: str, made: datetime) -> dict[str, Any]:
    return {
        **view_of(minutes, digest),
        "family": FAMILY,
        "author": minutes["buyer"]["name"],
        "made": list(made.timetuple()[:6]),
        "short": f"{minutes['ocid']} · {minutes['stage']} · {digest[:16]}",
    }


def _made_at(minutes: dict[str, Any]) -> datetime:
    times = minutes["times"]
    return datetime.fromisoformat(times["decided_at"] or times["recorded_at"]).astimezone(UTC)
