"""Pages drawn and codes read apart: within limits, and whatever is fed in costs no more than one answer."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from subprocess import PIPE

import pytest
import segno

from authenticity import pdf_pictures
from authenticity.claims import claimed_identifiers
from authenticity.identifier import grouped
from authenticity.pdf_pictures import page_picture, seen_in, seen_in_picture
from kernel.errors import LimitExceeded, NotFound, Unavailable
from signing.errors import DocumentUnreadable
from tests.support.pdf_files import make_pdf, many_pages
from tests.support.small_pdf import plain_pdf
from tests.unit.authenticity.documents import archival_pdf

IDENTIFIER = "44873063461045659411"
PNG = b"\x89PNG\r\n\x1a\n"


def with_code(text: str) -> bytes:
    code = segno.make(text, error="m").svg_inline(border=4, light="white")
    return archival_pdf(f'#image(bytes({json.dumps(code)}), format: "svg", width: 40mm)')


def test_what_stands_on_a_page() -> None:
    """Text and QR codes are read from a PDF, and the codes from its picture too."""
    pdf = with_code(f"https://city.example/d/{IDENTIFIER}")
    assert seen_in(pdf).codes == (f"https://city.example/d/{IDENTIFIER}",)
    picture = page_picture(pdf, 1, 600)
    assert picture.startswith(PNG)
    assert struct.unpack(">I", picture[16:20]) == (600,)
    assert claimed_identifiers(seen_in_picture(picture)) == (IDENTIFIER,)
    assert "1-2-3" in seen_in(plain_pdf(["No. 1-2-3"])).texts[0]


@pytest.mark.parametrize(
    "line", [grouped(IDENTIFIER), "۴۴۸۷-۳۰۶۳-۴۶۱۰-۴۵۶۵-۹۴۱۱", "سند ۴۴۸۷ ۳۰۶۳ ۴۶۱۰ ۴۵۶۵ ۹۴۱۱"]
)
def test_an_identifier_in_any_figures(line: str) -> None:
    """The identifier on a page is found whichever figures it is set in, and in a line from right to left."""
    assert claimed_identifiers(seen_in(archival_pdf(line))) == (IDENTIFIER,)


def test_first_and_last_pages_of_many() -> None:
    """Of a long document the pages are counted and only the first and last four are read."""
    seen = seen_in(make_pdf(many_pages(300)))
    assert (seen.pages, len(seen.texts)) == (300, 8)


@pytest.mark.parametrize("given", [b"", b"%PDF-1.7 broken", b"text"])
def test_what_cannot_be_drawn(given: bytes) -> None:
    """What is no PDF is refused as unreadable, and no picture has a code that is not there."""
    with pytest.raises(DocumentUnreadable):
        seen_in(given)
    assert seen_in_picture(given).codes == ()


def test_pages_and_sizes_that_are_not_there() -> None:
    """A page beyond the last is not found; a picture wider than is drawn, and none at all, are refused."""
    with pytest.raises(NotFound):
        page_picture(plain_pdf(), 2, 600)
    for width in (0, 2_001):
        with pytest.raises(LimitExceeded):
            page_picture(plain_pdf(), 1, width)


def test_the_limits_of_the_process_that_draws() -> None:
    """Before it has read anything it may use 1 GiB of memory, 20 s of a processor, and write no file."""
    command = [sys.executable, "-m", "authenticity.picture_worker", "look"]
    with subprocess.Popen(
        command, stdin=PIPE, stdout=PIPE, env={"PYTHONPATH": ":".join(sys.path)}
    ) as drawing:
        # The last of the three is that of files.
        while (limits := limits_of(drawing.pid))["Max file size"] != "0":
            assert drawing.poll() is None
            time.sleep(0.01)
        drawing.communicate(b"")
    assert (limits["Max address space"], limits["Max cpu time"]) == ("1073741824", "20")


def limits_of(process: int) -> dict[str, str]:
    """The soft limits by name, as the kernel has them."""
    lines = Path(f"/proc/{process}/limits").read_text("ascii").splitlines()
    return {line[:25].strip(): line[25:].split()[0] for line in lines}


def test_what_cannot_be_drawn_here_is_no_fault_of_the_document(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the process that draws does not even start, that is said, and why is in the log."""
    monkeypatch.setattr(pdf_pictures, "_WORKER", "authenticity.no_such_worker")
    with pytest.raises(Unavailable):
        seen_in(plain_pdf())
    assert "no_such_worker" in caplog.text


def test_a_picture_of_a_hundred_thousand_pixels_square() -> None:
    """A picture that unpacks to more than is given to it costs one answer and no memory here."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b""))
    bomb = PNG + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    assert seen_in_picture(bomb).codes == ()
