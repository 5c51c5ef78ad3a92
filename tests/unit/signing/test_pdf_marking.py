"""A mark on a PDF: read back from the page as it is shown, in what the document says of itself, and signed over."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from authenticity.errors import MarkImpossible
from authenticity.identifier import new_identifier
from authenticity.marking import marked
from kernel.clock import SystemClock
from paper.document_mark import Mark, Sheet, render_sheet
from signing.ades.services import Level
from signing.pdf.marking import CORNERS, Corner
from signing.pdf.signing import sign_pdf
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pades import pdfsig_says, pyhanko_says, qpdf_accepts
from tests.support.pdf_sources import classic_pdf, hybrid_pdf, office_pdf, repacked
from tests.support.qr_codes import Code, codes_of
from tests.support.rendering import text_of

BASE = "https://mohr.example.ir"
_ARCHIVAL = render_sheet(
    Sheet(Mark.of(new_identifier(), BASE), "نقشه", "نقشه", "شهرداری", "plan.dwg", "ab" * 32, "2026-11-24")
)


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


def is_in(code: Code, corner: Corner) -> bool:
    down, across = code.down > 0.5, code.across > 0.5
    return corner == f"{'bottom' if down else 'top'}-{'right' if across else 'left'}"


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_the_mark_stands_upright_in_its_corner(turned: int, tmp_path: Path) -> None:
    """On pages turned any way its code reads in the corner asked for, over every earlier byte."""
    identifier = new_identifier()
    source = repacked(classic_pdf("1.7"), tmp_path, f"--rotate={turned}", "--object-streams=generate")
    for corner in CORNERS:
        pdf = marked(source, identifier, BASE, corner=corner)
        (code,) = codes_of(pdf, tmp_path)
        assert code.text == f"{BASE}/d/{identifier}"
        assert is_in(code, corner)
        assert pdf.startswith(source)
    text = " ".join(text_of(pdf, tmp_path).split())
    assert "Hello" in text
    assert "mohr.example.ir/authenticity" in text


@pytest.mark.parametrize("source", [classic_pdf("1.4"), hybrid_pdf(), office_pdf(), _ARCHIVAL])
def test_the_identifier_stands_in_what_the_document_says_of_itself(source: bytes, tmp_path: Path) -> None:
    """pdfinfo finds it in XMP and information dictionary beside what was there, and qpdf takes the file."""
    identifier = new_identifier()
    path = tmp_path / "marked.pdf"
    pdf = marked(source, identifier, BASE, corner="bottom-left")
    path.write_bytes(pdf)
    assert qpdf_accepts(path)
    packet, entries = (_pdfinfo(option, path) for option in ("-meta", "-custom"))
    assert f"<rdf:li>urn:mohr:document:{identifier}</rdf:li>" in packet
    assert identifier in entries
    path.write_bytes(source)
    for claim in ("pdfaid:part", "xmp:CreatorTool"):
        assert (claim in packet) == (claim in _pdfinfo("-meta", path))
    assert marked(source, identifier, BASE, corner="bottom-left") == pdf


def test_a_marked_document_is_signed_and_then_bears_no_other_mark(
    authority: MemoryAuthority, tmp_path: Path
) -> None:
    """pyHanko and pdfsig accept a signature over the mark; what is signed, encrypted, small or no PDF is refused."""
    signer = authority.person("IR-0012345678", "زهرا مرادی")
    pdf = marked(_ARCHIVAL, new_identifier(), BASE, corner="top-left")
    signed = sign_pdf(pdf, signer, Level.B_B, at=authority.now)
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed)
    assert pyhanko_says(signed, authority) == "OK"
    assert "Signature is Valid" in pdfsig_says(path, trusted=authority.root)
    locked = repacked(classic_pdf(), tmp_path, "--encrypt", "", "x", "256", "--")
    small = classic_pdf().replace(b"/MediaBox [0 0 612 792]", b"/MediaBox [0 0 100 792]")
    for content in (signed, locked, small, b"plain text", b"PK\x03\x04", classic_pdf()[:200]):
        with pytest.raises(MarkImpossible):
            marked(content, new_identifier(), BASE, corner="top-left")
    with pytest.raises(MarkImpossible):
        marked(_ARCHIVAL, new_identifier(), BASE, page=7, corner="top-left")


def _pdfinfo(option: str, path: Path) -> str:
    command = ["pdfinfo", option, str(path)]
    return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout.decode("utf-8")
