"""Documents to register and to examine, and how they are judged."""

from __future__ import annotations

from typing import Literal

import typst

from kernel.clock import SystemClock
from paper.glyphs import FAMILY, shipped_fonts
from signing.ades.services import Evidence
from signing.errors import DocumentUnreadable
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.report import ValidationReport
from signing.validation.trust import Anchor, Trust
from tests.support.authority import MemoryAuthority


def archival_pdf(*pages: str, standard: Literal["a-2b", "a-3a"] | None = "a-2b") -> bytes:
    """A4 pages with these lines, set with the shipped fonts."""
    body = "\n#pagebreak()\n".join(pages or ("سند",))
    source = f'#set document(title: "سند")\n#set text(font: "{FAMILY}", size: 20pt)\n{body}'
    pdf = typst.compile(
        source.encode(),
        format="pdf",
        font_paths=shipped_fonts(),
        ignore_system_fonts=True,
        pdf_standards=[] if standard is None else [standard],
    )
    assert isinstance(pdf, bytes)
    return pdf


def judged(authority: MemoryAuthority, content: bytes) -> ValidationReport | None:
    """Trusting that authority, with its newest lists; None for what holds no signatures that can be read."""
    now = SystemClock().now()
    evidence = Evidence(crls=tuple(authority.crls()))
    trust = Trust([Anchor(authority.root)], [authority.intermediate], evidence)
    try:
        return judge(read_document(content), trust, AlgorithmPolicy.default(), at=now, made_at=now)
    except DocumentUnreadable:
        return None
