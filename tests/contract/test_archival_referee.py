"""Archival files as veraPDF judges them: ours are PDF/A and stay it under our signatures; what we refuse is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from authenticity.formats import format_of
from kernel.clock import SystemClock
from signing.ades.services import Level
from signing.pdf.signing import sign_pdf
from tests.support.authority import make_authority
from tests.support.signing import services_of
from tests.support.verapdf import VeraPdf, running_verapdf
from tests.unit.authenticity.documents import archival_pdf
from tests.unit.authenticity.test_formats import claiming


@pytest.fixture(scope="module")
def verapdf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VeraPdf]:
    with running_verapdf(tmp_path_factory.mktemp("verapdf")) as referee:
        yield referee


@pytest.mark.parametrize("standard", ["a-2b", "a-3a"])
def test_a_signature_leaves_an_archival_file_one(verapdf: VeraPdf, standard: str) -> None:
    """A PDF/A is one for veraPDF and for us, before and after an invisible signature of the highest level."""
    authority = make_authority(clock=SystemClock())
    pdf = archival_pdf("سلام", standard=standard)  # type: ignore[arg-type]
    signer, services = authority.person("IR-1", "زهرا مرادی"), services_of(authority)
    signed = sign_pdf(pdf, signer, Level.B_LTA, services, at=SystemClock().now())
    for each in (pdf, signed):
        assert verapdf.judge(each).broken == ()
        assert format_of(each).format == "pdf-a"


@pytest.mark.parametrize("entry", [b"", b"/OpenAction << /S /JavaScript /JS (1) >>"])
def test_what_is_refused_here_is_none(verapdf: VeraPdf, entry: bytes) -> None:
    """What claims to be PDF/A and is refused here is refused by veraPDF too."""
    pdf = claiming(entry)
    assert format_of(pdf).format == "pdf"
    assert not verapdf.judge(pdf).compliant
