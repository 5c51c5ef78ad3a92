"""PDF documents of others: each form is signed, damaged and forbidden ones are refused by code, within bounds."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import SystemClock
from kernel.errors import DomainError
from pki.signed_data import Signer
from signing.ades.services import Level, Services
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from signing.pdf import limits, revision
from signing.pdf.long_term import extend_pdf
from signing.pdf.signing import sign_pdf
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.minutes import pages
from tests.support.pades import pdfsig_says, pyhanko_says, qpdf_accepts
from tests.support.pdf_sources import bomb_pdf, classic_pdf, form_pdf, hybrid_pdf, office_pdf, repacked
from tests.support.signing import services_of

TEXT_FIELD = {"text": b"/FT /Tx /Rect [10 10 100 30]"}
FORMS: dict[str, Callable[[Path], bytes]] = {
    "1.4": lambda _: classic_pdf("1.4"),
    "2.0": lambda _: classic_pdf("2.0"),
    "hybrid": lambda _: hybrid_pdf(),
    "hybrid of an office": lambda _: office_pdf(),
    "object streams": lambda folder: repacked(classic_pdf(), folder, "--object-streams=generate"),
    "linearised": lambda folder: repacked(classic_pdf(), folder, "--linearize"),
    "with a form": lambda _: form_pdf(TEXT_FIELD),
    "minutes as PDF/A": lambda _: pages(),
    "no line at its end": lambda _: classic_pdf().rstrip(),
}
REFUSED: dict[str, tuple[Callable[[Path], bytes], type[DomainError]]] = {
    "empty": (lambda _: b"", DocumentUnreadable),
    "no PDF": (lambda _: b"PK\x03\x04" + bytes(100), DocumentUnreadable),
    "cut off": (lambda _: classic_pdf()[:-80], DocumentUnreadable),
    "wrong offsets": (lambda _: _moved(classic_pdf()), DocumentUnreadable),
    "in a circle": (lambda _: _circle(classic_pdf()), DocumentUnreadable),
    "without pages": (lambda _: classic_pdf(catalog=b"<< /Type /Catalog >>"), DocumentUnreadable),
    "deeply nested": (lambda _: classic_pdf(catalog=_deep()), DocumentTooComplex),
    "encrypted": (
        lambda folder: repacked(classic_pdf(), folder, "--encrypt", "", "x", "256", "--"),
        DocumentEncrypted,
    ),
    "a bomb": (lambda _: bomb_pdf(100 << 20), DocumentTooComplex),
}


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.fixture(scope="module")
def services(authority: MemoryAuthority) -> Services:
    return services_of(authority)


@pytest.fixture(scope="module")
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-0012345678", "زهرا مرادی")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_document_is_signed(
    form: str, signer: Signer, authority: MemoryAuthority, services: Services, tmp_path: Path
) -> None:
    """The document stays as it is at the beginning of the signed one; qpdf, pdfsig and pyHanko accept the whole
    (pyHanko judges no hybrid file).
    """
    source = FORMS[form](tmp_path)
    pdf = sign_pdf(source, signer, Level.B_LTA, services, at=authority.now)
    assert pdf.startswith(source)
    path = tmp_path / "signed.pdf"
    path.write_bytes(pdf)
    assert qpdf_accepts(path)
    assert "Signature is Valid" in pdfsig_says(path)
    if not form.startswith("hybrid"):
        assert pyhanko_says(pdf, authority, archived=True) == "OK"


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_signed_is_refused(
    fault: str, signer: Signer, authority: MemoryAuthority, tmp_path: Path
) -> None:
    """Each fault has its code, and none leads to an error that is not one of ours."""
    make, expected = REFUSED[fault]
    with pytest.raises(expected) as refused:
        sign_pdf(make(tmp_path), signer, Level.B_B, at=authority.now)
    assert type(refused.value) is expected


def test_what_is_too_long_is_not_read(
    monkeypatch: pytest.MonkeyPatch, signer: Signer, authority: MemoryAuthority
) -> None:
    """The length is looked at first, the number of objects before any of them."""
    for name, limit in (
        ("MAX_ENTRIES_TO_SIGN", "objects"),
        ("MAX_SECTIONS_TO_SIGN", "revisions"),
        ("MAX_PAGES", "pages"),
    ):
        assert getattr(limits, name) > 0
        with monkeypatch.context() as patch:
            patch.setattr(revision, name, 0)
            with pytest.raises(DocumentTooComplex) as refused:
                sign_pdf(classic_pdf(), signer, Level.B_B, at=authority.now)
        assert refused.value.fields["limit"] == limit


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_damage_never_ends_in_an_unknown_error(
    data: st.DataObject, signer: Signer, authority: MemoryAuthority, services: Services
) -> None:
    """Names, numbers and bytes of a signed document are replaced: it is extended or refused, nothing else."""
    pdf = bytearray(_signed(signer, authority, services))
    places = [each.span() for each in re.finditer(rb"[0-9]+ 0 R|/[A-Za-z]+|[0-9]+", bytes(pdf))]
    start, end = data.draw(st.sampled_from(places))
    width = end - start
    other = data.draw(st.sampled_from([b"null", b"<<>>", b"[]", b"1 0 R", b"-1", b"/V", b"(x)", b"99999999"]))
    pdf[start:end] = other[:width].ljust(width)
    with contextlib.suppress(DomainError):
        assert extend_pdf(bytes(pdf), Level.B_LTA, services, at=authority.now).startswith(pdf)


_SIGNED: list[bytes] = []


def _signed(signer: Signer, authority: MemoryAuthority, services: Services) -> bytes:
    if not _SIGNED:
        _SIGNED.append(sign_pdf(form_pdf(TEXT_FIELD), signer, Level.B_LT, services, at=authority.now))
    return _SIGNED[0]


def _moved(pdf: bytes) -> bytes:
    return re.sub(rb"startxref\n[0-9]+", b"startxref\n17", pdf)


def _circle(pdf: bytes) -> bytes:
    """A table of cross-references that names itself as the one before."""
    place = pdf.rindex(b"xref\n0 ")
    return pdf.replace(b"/Root 1 0 R >>\nstartxref", b"/Root 1 0 R /Prev %d >>\nstartxref" % place)


def _deep() -> bytes:
    return b"<< /Type /Catalog /Pages 2 0 R /Deep " + b"[" * 5000 + b"]" * 5000 + b" >>"
