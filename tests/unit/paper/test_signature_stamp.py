"""The stamp of a signature: what it says, its QR code, and the same bytes again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import segno

from kernel.errors import MalformedInput
from paper.signature_stamp import MAX_QR_BYTES, Stamp, alternative_text, render_stamp
from tests.support.rendering import drawn, text_of

LINK = "https://example.org/verify/AB12-CD34"
STAMP = Stamp(
    200, 70, "زهرا مرادی‌نژاد", "IR-0012345678", datetime(2026, 11, 24, 15, 38, 37, tzinfo=UTC), "تأیید", LINK
)
_DPI = 432


def test_a_stamp_says_whose_signature_it_is(tmp_path: Path) -> None:
    """Party and both times are on the page, whatever the size, and the name is in the text for those who do not see."""
    for stamp in (
        STAMP,
        replace(STAMP, width=60, height=25),
        replace(STAMP, name="ا" * 200, reason="x" * 500),
    ):
        text = text_of(render_stamp(stamp), tmp_path)
        assert "IR-0012345678" in text
        assert "2026-11-24 15:38:37 UTC" in " ".join(text.split())
        assert text.count("\f") == 1
    assert all(
        each in alternative_text(STAMP)
        for each in (STAMP.name, STAMP.party, "۳ آذر ۱۴۰۵", "۱۹:۰۸:۳۷", "تأیید")
    )


def test_the_code_can_be_read_from_the_page(tmp_path: Path) -> None:
    """Each module of the QR code stands on the page as the standard has it, within a quiet border."""
    picture = drawn(render_stamp(STAMP), tmp_path, dpi=_DPI)
    modules = [list(row) for row in segno.make(LINK, error="m", micro=False).matrix_iter(border=2)]
    edge, scale = STAMP.height * 0.05, _DPI / 72
    side = (STAMP.height - 2 * edge) / len(modules)
    for row, values in enumerate(modules):
        for column, dark in enumerate(values):
            x, y = (int((edge + (place + 0.5) * side) * scale) for place in (column, row))
            assert (picture.at(x, y) < 128) == bool(dark)


def test_the_same_stamp_has_the_same_bytes() -> None:
    """Another process makes the same, and a stamp is small."""
    made = render_stamp(STAMP)
    script = (
        "from tests.unit.paper.test_signature_stamp import STAMP, render_stamp; import hashlib;"
        "print(hashlib.sha256(render_stamp(STAMP)).hexdigest())"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True).stdout
    assert said.decode("ascii").strip() == sha256(made).hexdigest()
    assert len(made) < 30_000


def test_a_code_holds_no_more_than_can_be_read() -> None:
    """An empty or endless text is refused."""
    for text in ("", "x" * (MAX_QR_BYTES + 1)):
        with pytest.raises(MalformedInput):
            render_stamp(replace(STAMP, qr=text))
