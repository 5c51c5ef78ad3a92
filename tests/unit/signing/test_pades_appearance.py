"""How a signature looks: inside its rectangle, upright, described, and nothing else of the page changes."""

from __future__ import annotations

import io
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.reader import PdfFileReader

from kernel.clock import SystemClock
from pki.signed_data import Signer
from signing.ades.services import Level
from signing.pdf.appearance import Appearance
from signing.pdf.fields import Place
from signing.pdf.signing import sign_pdf
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pades import pdfsig_says, qpdf_accepts
from tests.support.pdf_sources import classic_pdf, repacked
from tests.support.rendering import Picture, drawn

LINK = "https://example.org/verify/AB12-CD34"


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.fixture(scope="module")
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-0012345678", "زهرا مرادی‌نژاد")


def test_a_visible_signature_stands_in_its_rectangle(
    signer: Signer, authority: MemoryAuthority, tmp_path: Path
) -> None:
    """The stamp is drawn inside, the page outside is the same to the pixel; its letters are embedded; it is small."""
    source, looks = classic_pdf(), Appearance(Place(0, (100, 200, 300, 270)), LINK)
    pdf = sign_pdf(source, signer, Level.B_B, at=authority.now, appearance=looks, reason="تأیید")
    before, now = drawn(source, tmp_path), drawn(pdf, tmp_path)
    changed = _changed(before, now)
    assert len(changed) > 1000
    assert all(100 <= x <= 300 and 200 <= now.height - y <= 271 for x, y in changed)
    (tmp_path / "signed.pdf").write_bytes(pdf)
    assert "Signature is Valid" in pdfsig_says(tmp_path / "signed.pdf")
    assert qpdf_accepts(tmp_path / "signed.pdf")
    fonts = subprocess.run(
        ["pdffonts", str(tmp_path / "signed.pdf")], capture_output=True, timeout=60, check=True
    ).stdout.decode("ascii")
    assert fonts.count("Vazirmatn") == fonts.count("yes yes yes") == 2
    assert len(pdf) - len(source) < 40_000


def test_a_visible_signature_is_described(signer: Signer, authority: MemoryAuthority) -> None:
    """The field of a visible signature says in words whose it is; an invisible one draws and says nothing."""
    for appearance in (None, Appearance(Place(0, (100, 200, 300, 270)))):
        pdf = sign_pdf(classic_pdf(), signer, Level.B_B, at=authority.now, appearance=appearance)
        field = PdfFileReader(io.BytesIO(pdf)).root["/AcroForm"]["/Fields"][0].get_object()
        assert ("/TU" in field) == ("/AP" in field) == (appearance is not None)
        if appearance is not None:
            assert "زهرا مرادی‌نژاد" in field["/TU"]


def test_a_signer_without_a_party_is_shown_by_name(authority: MemoryAuthority) -> None:
    """A certificate of another authority, whose subject has other parts, is shown by what it has."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Elsewhere")])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(authority.now)
        .not_valid_after(authority.now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    looks = Appearance(Place(0, (100, 200, 300, 270)))
    pdf = sign_pdf(classic_pdf(), Signer(key, certificate), Level.B_B, at=authority.now, appearance=looks)
    field = PdfFileReader(io.BytesIO(pdf)).root["/AcroForm"]["/Fields"][0].get_object()
    assert "O=Elsewhere" in field["/TU"]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_stamp_stands_upright_on_a_turned_page(
    degrees: int, signer: Signer, authority: MemoryAuthority, tmp_path: Path
) -> None:
    """Turned or not, a person sees the same stamp: wide, with the code on its left."""
    turned = repacked(classic_pdf(), tmp_path, f"--rotate={degrees}:1")
    place = (100, 200, 170, 400) if degrees % 180 else (100, 200, 300, 270)
    looks, now = Appearance(Place(0, place), LINK), authority.now
    plain = sign_pdf(
        classic_pdf(), signer, Level.B_B, at=now, appearance=Appearance(Place(0, (100, 200, 300, 270)), LINK)
    )
    signed = sign_pdf(turned, signer, Level.B_B, at=now, appearance=looks)
    stamps = [
        _cut(_changed(drawn(source, tmp_path), drawn(pdf, tmp_path)))
        for source, pdf in ((classic_pdf(), plain), (turned, signed))
    ]
    assert len(stamps[0] & stamps[1]) > 0.9 * len(stamps[0] | stamps[1])


def _changed(before: Picture, now: Picture) -> set[tuple[int, int]]:
    return {
        (place % now.width, place // now.width)
        for place, (old, new) in enumerate(zip(before.pixels, now.pixels, strict=True))
        if abs(old - new) > 100
    }


def _cut(points: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """The same points from the corner of what they fill."""
    left, top = (min(each[axis] for each in points) for axis in (0, 1))
    return {(x - left, y - top) for x, y in points}
