"""Pages of minutes: the same bytes everywhere, whatever bidders wrote, with their source inside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernel.canonical import canonical_bytes, sha256_hex
from kernel.errors import DomainError, MalformedInput
from paper import minutes_view
from paper.glyphs import drawable
from paper.minutes import attached_source, render_minutes
from paper.persian import amount, day, moment
from tests.support.minutes import final, minutes

ROOT = Path(__file__).parents[3]
HOSTILE = (
    '#read("/etc/passwd") $x$ *_`<a>`_* \\u{202e} "; #panic()',
    "🏦漢\u200f\u202e\ufeff\U000e0041",
    "ا\u0301" * 100,
    "W" * 200,
    "\u200c" * 200,
)


def text_of(pdf: bytes, tmp_path: Path) -> str:
    (tmp_path / "m.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-raw", str(tmp_path / "m.pdf"), "-"], capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode("utf-8")


def test_two_processes_make_the_same_bytes(tmp_path: Path) -> None:
    """Another process with another hash seed, folder and time zone renders the very same file."""
    source = canonical_bytes(minutes("C", 9))
    code = (
        "import sys, hashlib\n"
        "from paper.minutes import render_minutes\n"
        "print(hashlib.sha256(render_minutes(sys.stdin.buffer.read())).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=source,
        capture_output=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        timeout=60,
        check=True,
    )
    assert done.stdout.decode().strip() == sha256_hex(render_minutes(source))


@pytest.mark.parametrize("document", [minutes("A", 0), minutes("B", 2), minutes("C", 72), final()])
def test_the_source_is_attached(document: dict[str, Any]) -> None:
    """What the pages were made from comes out of the file byte for byte."""
    source = canonical_bytes(document)
    assert attached_source(render_minutes(source)) == source


def test_many_bids_stay_readable(tmp_path: Path) -> None:
    """Seventy-two bids run over several pages, and each is there with its number and bidder."""
    text = text_of(render_minutes(canonical_bytes(minutes("C", 72))), tmp_path)
    assert all(f"IRO-{14000000000 + number}" in text for number in range(1, 73))
    assert text.count("۲۳٬۴۷۵٬۰۰۰٬۰۰۰٫۵۰") == 62
    assert text.count("\f") > 2


def test_only_shipped_fonts_and_tags(tmp_path: Path) -> None:
    """Poppler finds a tagged PDF with nothing but embedded subsets of the shipped font."""
    (tmp_path / "m.pdf").write_bytes(render_minutes(canonical_bytes(final())))
    fonts = subprocess.run(
        ["pdffonts", str(tmp_path / "m.pdf")], capture_output=True, text=True, check=True, timeout=60
    )
    listed = fonts.stdout.splitlines()[2:]
    assert listed
    assert all("+Vazirmatn-" in line and " yes yes yes " in line for line in listed)
    info = subprocess.run(
        ["pdfinfo", str(tmp_path / "m.pdf")], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Tagged:          yes" in info.stdout
    assert "JavaScript:      no" in info.stdout


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_bidder_writes_is_text(text: str, tmp_path: Path) -> None:
    """Code, marks without a glyph, runs without a break: all of it is drawn as text, and pages are made."""
    document = minutes("A", 2)
    for envelope in document["envelopes"]:
        envelope["name"] = text
        envelope["content"]["guarantee"] |= {"issuer": text, "number": text, "valid_until": "9999-12-31"}
    shown = text_of(render_minutes(canonical_bytes(document)), tmp_path)
    assert "root:" not in shown
    assert "IRO-14000000001" in shown
    assert "🏦" not in text or "U+1F3E6" in shown


def test_what_cannot_be_drawn_is_named() -> None:
    """A character outside the font is written as its number; Persian, joiners and digits stay."""
    assert drawable("راه‌سازان ۱۲ Abc") == "راه‌سازان ۱۲ Abc"
    assert drawable("漢\u202e\n x") == "[U+6F22][U+202E] x"
    assert drawable("W" * 40, breaks=False) == "W" * 40
    assert "\u200b" in drawable("W" * 40)


def test_persian_numbers_and_days() -> None:
    """Amounts are exact and grouped; instants are told by the solar calendar in Tehran; odd dates stay as written."""
    assert amount({"amount": "1300000000.05", "currency": "IRR"}) == "۱٬۳۰۰٬۰۰۰٬۰۰۰٫۰۵ ریال"
    assert moment("2026-03-20T20:30:01.999999Z") == "شنبه ۱ فروردین ۱۴۰۵، ساعت ۰۰:۰۰:۰۱"
    assert day("2026-03-20") == "۱۴۰۴/۱۲/۲۹"
    assert day("2026-03-20T20:30:00.000000Z") == "۱۴۰۵/۰۱/۰۱"
    assert (day("9999-12-31"), moment("9999-12-31T23:59:59Z")) == ("9999-12-31", "9999-12-31T23:59:59Z")


def test_a_long_table_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of rows the page names how many stand in the attachment only."""
    monkeypatch.setattr(minutes_view, "MOST_ROWS", 3)
    table = minutes_view.view_of(minutes("C", 5), "0" * 64)["tables"][0]
    assert len(table["rows"]) == 3
    assert table["more"].startswith("۲ ")


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"{}",
        b'{"type":"mohr/award/v1"}',
        canonical_bytes({**minutes(), "times": {}}),
        canonical_bytes({**minutes(), "stage": "D"}),
        canonical_bytes({**minutes(), "commission": [{"name": 7}]}),
        canonical_bytes(minutes()) + b" ",
    ],
)
def test_other_documents_are_refused(source: bytes) -> None:
    """What is not minutes, or not in canonical form, gets no pages and no traceback of a library."""
    with pytest.raises(DomainError):
        render_minutes(source)


@pytest.mark.parametrize("pdf", [b"", b"%PDF-1.7", render_minutes(canonical_bytes(minutes("A", 1))) * 2])
def test_one_source_or_none(pdf: bytes) -> None:
    """A file without an attached source, or with two, has none."""
    with pytest.raises(MalformedInput):
        attached_source(pdf)


def test_the_font_comes_with_its_licence() -> None:
    """Fonts and the Open Font License stand in the package that is shipped."""
    fonts = Path(minutes_view.__file__).parent / "fonts"
    assert sorted(path.name for path in fonts.iterdir()) == [
        "OFL.txt",
        "Vazirmatn-Bold.ttf",
        "Vazirmatn-Regular.ttf",
    ]
    assert "SIL OPEN FONT LICENSE Version 1.1" in (fonts / "OFL.txt").read_text("utf-8")
