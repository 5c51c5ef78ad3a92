"""Formats are told by bytes; what claims to be PDF/A and holds what PDF/A forbids is a PDF and no more."""

from __future__ import annotations

import io

import pytest

from authenticity.formats import format_of
from kernel.clock import SystemClock
from signing.ades.asice import ContainerFile, sign_container
from signing.ades.cades import sign_file
from signing.ades.services import Level
from signing.pdf.signing import sign_pdf
from tests.support.authority import make_authority
from tests.support.pdf_attacks import update
from tests.support.signing import services_of
from tests.support.small_pdf import plain_pdf
from tests.unit.authenticity.documents import archival_pdf

AUTHORITY = make_authority(clock=SystemClock())
SIGNER = AUTHORITY.person("IR-1", "زهرا مرادی")


def test_archival_before_and_after_a_signature() -> None:
    """A PDF/A is told with its part and level, and an invisible signature leaves it one."""
    pdf = archival_pdf("سلام", "صفحه دوم")
    assert (format_of(pdf).format, format_of(pdf).detail) == ("pdf-a", "PDF/A-2b")
    assert format_of(archival_pdf(standard="a-3a")).detail == "PDF/A-3a"
    signed = sign_pdf(pdf, SIGNER, Level.B_LTA, services_of(AUTHORITY), at=SystemClock().now())
    assert format_of(signed).format == "pdf-a"


def test_a_pdf_that_claims_nothing() -> None:
    """Without the claim in its metadata a PDF is a PDF."""
    assert format_of(plain_pdf()).format == "pdf"
    assert format_of(archival_pdf(standard=None)).format == "pdf"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>", "it has an action JavaScript"),
        (b"/OpenAction << /S /Launch /F (x) >>", "it has an action Launch"),
        (b"/AA << /WC << /S /JavaScript /JS (1) >> >>", "it acts by itself"),
        (b"/Names << /JavaScript << /Names [] >> >>", "it holds JavaScript"),
    ],
)
def test_what_archival_files_may_not_hold(entry: bytes, reason: str) -> None:
    """Whatever executes rules the claim out, and the refusal says what it is."""
    found = format_of(claiming(entry))
    assert (found.format, reason in found.reasons) == ("pdf", True)


def test_a_font_that_is_not_embedded() -> None:
    """A claim does not embed a font."""
    assert format_of(claiming()).reasons == ("the font /Helvetica is not embedded",)


def test_what_is_no_pdf() -> None:
    """Containers and CMS are told apart from each other and from anything else, whatever their names."""
    services, now = services_of(AUTHORITY), SystemClock().now()
    container = io.BytesIO()
    sign_container(
        [ContainerFile("a.txt", "text/plain", lambda: [b"text"])],
        container,
        SIGNER,
        Level.B_B,
        services,
        at=now,
    )
    cms = sign_file(io.BytesIO(b"text"), SIGNER, Level.B_B, services, at=now, enveloping=True)
    assert format_of(container.getvalue()).format == "asic-e"
    assert format_of(cms).format == "cms"
    for other in (b"", b"text", b"%PDF-1.7\nbroken", b"PK\x03\x04 broken", b"0\x80broken"):
        assert format_of(other).format == "other"


def claiming(entry: bytes = b"") -> bytes:
    """A PDF by hand that claims PDF/A-2b."""
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">'
        b"<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    stream = b"<< /Type /Metadata /Subtype /XML /Length %d >>\nstream\n%s\nendstream" % (len(xmp), xmp)
    catalog = b"<< /Type /Catalog /Pages 2 0 R /Metadata 90 0 R " + entry + b" >>"
    return update(plain_pdf(), {1: catalog, 90: stream})
