"""PDF signatures of each level and kind of key: accepted by pyHanko, pdfsig and qpdf, and with what the level asks."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as foreign_cms
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from pyhanko.pdf_utils.reader import PdfFileReader

from kernel.clock import SystemClock
from pki.profiles import PERSON_SIGNING
from pki.signed_data import Signer
from pki.tokens import TokenKeys
from pki.variation import Variation
from signing.ades.services import Evidence, Level, Services
from signing.errors import (
    EvidenceUnavailable,
    LevelUnreachable,
    SigningForbidden,
    TimestampUnavailable,
)
from signing.pdf.long_term import extend_pdf, refresh_pdf
from signing.pdf.signing import sign_pdf
from tests.support.authority import MemoryAuthority, after, make_authority
from tests.support.pades import foreign_signature, pdfsig_says, pyhanko_says, qpdf_accepts
from tests.support.pdf_sources import classic_pdf
from tests.support.signing import MemoryStamps, services_of
from tests.support.softhsm import MODULE, softhsm

KINDS = ("P-256", "P-384", "RSA", "Ed25519")
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
SOURCE = classic_pdf()


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.fixture(scope="module")
def services(authority: MemoryAuthority) -> Services:
    return services_of(authority)


@pytest.fixture(scope="module")
def signers(authority: MemoryAuthority) -> dict[str, Signer]:
    return {kind: authority.person(f"IR-{kind}", "زهرا مرادی", kind=kind) for kind in KINDS}


class NoStamps:
    """A StampSource that is out of reach from its n-th stamp on."""

    name = "https://tsa.invalid"
    room = 8192

    def __init__(self, stamps: MemoryStamps, good: int) -> None:
        self._stamps, self._good = stamps, good

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        self._good -= 1
        if self._good < 0:
            raise TimestampUnavailable("no answer", service=self.name)
        return self._stamps.stamp(algorithm, digest)


class OtherStamps(NoStamps):
    """A StampSource that stamps something else."""

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        return self._stamps.stamp(algorithm, digest[::-1])


class NoEvidence:
    """An EvidenceSource without evidence."""

    def collect(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> Evidence:
        raise EvidenceUnavailable("none", service="https://crl.invalid")


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("kind", KINDS)
def test_every_level_with_every_key_is_accepted(
    kind: str,
    level: Level,
    authority: MemoryAuthority,
    services: Services,
    signers: dict[str, Signer],
    tmp_path: Path,
) -> None:
    """pyHanko's AdES validation passes, pdfsig says valid (it knows no Ed25519), and qpdf finds no fault."""
    pdf = sign_pdf(SOURCE, signers[kind], level, services, at=authority.now)
    assert pdf.startswith(SOURCE)
    assert pyhanko_says(pdf, authority, archived=level == Level.B_LTA) == "OK"
    path = tmp_path / "signed.pdf"
    path.write_bytes(pdf)
    assert ("Signature is Valid" in pdfsig_says(path)) == (kind != "Ed25519")
    assert qpdf_accepts(path)


def test_what_a_basic_signature_says(
    authority: MemoryAuthority, services: Services, signers: dict[str, Signer]
) -> None:
    """The time is in the dictionary, in whole seconds, and not in the CMS; the room fits without waste."""
    for kind in KINDS:
        pdf = sign_pdf(SOURCE, signers[kind], Level.B_T, services, at=authority.now)
        dictionary, signed = _signature(pdf)
        assert re.fullmatch(r"D:[0-9]{14}(Z|\+00'00'?)", str(dictionary["/M"]))
        assert dictionary["/SubFilter"] == "/ETSI.CAdES.detached"
        types = {each["type"].native for each in signed["signer_infos"][0]["signed_attrs"]}
        assert types == {"content_type", "message_digest", "signing_certificate_v2"}
        token = signed["signer_infos"][0]["unsigned_attrs"][0]["values"][0].dump()
        contents = dictionary["/Contents"].rstrip(b"\0")
        unused = len(dictionary["/Contents"]) - len(contents) - (MemoryStamps.room - len(token))
        assert 100 < unused < 600


def test_pdfsig_trusts_the_signer_below_a_trusted_root(authority: MemoryAuthority, tmp_path: Path) -> None:
    """With our root in an NSS database the certificate is trusted, given the purpose that NSS wants for documents."""
    purposes = Variation(purposes=(DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION))
    signer = authority.signer(PERSON_SIGNING, "IR-7", "Person", variation=purposes)
    path = tmp_path / "signed.pdf"
    path.write_bytes(sign_pdf(SOURCE, signer, Level.B_T, services_of(authority), at=authority.now))
    assert "Certificate is Trusted" in pdfsig_says(path, trusted=authority.root)
    other = tmp_path / "other"
    other.mkdir()
    (other / "signed.pdf").write_bytes(path.read_bytes())
    said = pdfsig_says(other / "signed.pdf", trusted=make_authority(clock=SystemClock()).root)
    assert "Signature is Valid" in said
    assert "Certificate is Trusted" not in said


def test_several_signers_follow_each_other(
    authority: MemoryAuthority, services: Services, signers: dict[str, Signer], tmp_path: Path
) -> None:
    """Each earlier file is the beginning of the later one, and every signature is still valid and archived."""
    pdf, path = SOURCE, tmp_path / "signed.pdf"
    for kind in KINDS[:3]:
        longer = sign_pdf(pdf, signers[kind], Level.B_LTA, services, at=authority.now)
        assert longer.startswith(pdf)
        pdf = longer
    assert [pyhanko_says(pdf, authority, n, archived=True) for n in range(3)] == ["OK"] * 3
    path.write_bytes(pdf)
    assert pdfsig_says(path).count("Signature is Valid") == 3
    assert qpdf_accepts(path)


@pytest.mark.parametrize("level", list(Level)[1:])
def test_every_signature_of_a_document_is_extended(
    level: Level, authority: MemoryAuthority, services: Services, signers: dict[str, Signer], tmp_path: Path
) -> None:
    """Ours and pyHanko's, basic both, get a time stamp of the document and evidence for each; nothing is rewritten."""
    first = foreign_signature(SOURCE, signers["RSA"])
    both = sign_pdf(first, signers["P-256"], Level.B_B, services, at=authority.now)
    pdf = extend_pdf(both, level, services, at=authority.now)
    assert pdf.startswith(both)
    assert [pyhanko_says(pdf, authority, n) for n in range(2)] == ["OK"] * 2
    path = tmp_path / "extended.pdf"
    path.write_bytes(pdf)
    assert pdfsig_says(path).count("Signature is Valid") == 2
    assert qpdf_accepts(path)
    assert pdf.count(b"/DocTimeStamp") == (2 if level == Level.B_LTA else 1)
    assert (b"/DSS" in pdf) == (level.rank >= Level.B_LT.rank)


def test_a_signature_in_another_encoding_is_extended(
    authority: MemoryAuthority, services: Services, signers: dict[str, Signer]
) -> None:
    """A CMS of indefinite length (BER), as some write it, gets its evidence; its bytes stay."""
    signed = sign_pdf(SOURCE, signers["P-256"], Level.B_B, at=authority.now)
    der = _signature(signed)[0]["/Contents"].rstrip(b"\0")
    ber = b"\x30\x80" + der[4:] + b"\0\0"
    assert der[:2] == b"\x30\x82"
    other = signed.replace(der.hex().encode("ascii"), ber.hex().encode("ascii"))
    pdf = extend_pdf(other, Level.B_LT, services, at=authority.now)
    assert pdf.startswith(other)
    store = PdfFileReader(io.BytesIO(pdf)).root["/DSS"]
    assert signers["P-256"].certificate.public_bytes(Encoding.DER) in [
        each.get_object().data for each in store["/Certs"]
    ]
    assert len(store["/VRI"]) == 2


def test_the_store_names_evidence_for_each_signature_and_stamp(
    authority: MemoryAuthority, services: Services, signers: dict[str, Signer]
) -> None:
    """VRI names by the SHA-1 of Contents what holds for signer and time-stamping authority, each value stored once."""
    pdf = sign_pdf(SOURCE, signers["P-256"], Level.B_LT, services, at=authority.now)
    reader = PdfFileReader(io.BytesIO(pdf))
    store = reader.root["/DSS"]
    key = "/" + hashlib.sha1(reader.embedded_signatures[0].pkcs7_content).hexdigest().upper()
    assert list(store["/VRI"]) == [key]
    certificates = [each.get_object().data for each in store["/Certs"]]
    wanted = (
        signers["P-256"].certificate,
        authority.tsa_signer.certificate,
        authority.intermediate,
        authority.root,
    )
    assert sorted(certificates) == sorted(each.public_bytes(Encoding.DER) for each in wanted)
    assert len(store["/CRLs"]) == len({each.get_object().data for each in store["/CRLs"]})
    assert len(store["/VRI"][key]["/Cert"]) == len(wanted)


def test_an_archive_is_refreshed_again_and_again(signers: dict[str, Signer]) -> None:
    """Evidence for the last document time stamp is added and stamped anew, when the signer's certificate has ended too;
    what VRI said before stays.
    """
    authority = make_authority()
    services = services_of(authority)
    signer = authority.signer(PERSON_SIGNING, "IR-8", "Person", variation=Variation(life=timedelta(days=2)))
    pdf = sign_pdf(SOURCE, signer, Level.B_LTA, services, at=authority.now)
    for count in (2, 3):
        before, now = pdf, after(authority, timedelta(days=60))
        pdf = refresh_pdf(before, services, at=now)
        assert pdf.startswith(before)
        assert pdf.count(b"/DocTimeStamp") == count
        store, earlier = (PdfFileReader(io.BytesIO(each)).root["/DSS"] for each in (pdf, before))
        assert len(store["/VRI"]) == count
        assert earlier["/VRI"].items() <= store["/VRI"].items()
        assert len(store["/CRLs"]) > len(earlier["/CRLs"])
    with pytest.raises(LevelUnreachable):
        refresh_pdf(
            sign_pdf(SOURCE, authority.person("IR-9"), Level.B_B, at=authority.now),
            services,
            at=authority.now,
        )


def test_nothing_is_signed_half_way(
    authority: MemoryAuthority, services: Services, signers: dict[str, Signer]
) -> None:
    """A level without its services is refused before anything is signed; a service that fails names itself."""
    stamps = MemoryStamps(authority)
    signer, now = signers["P-256"], authority.now
    for level, given in (
        (Level.B_T, Services()),
        (Level.B_LT, Services(stamps)),
        (Level.B_LTA, Services(None, services.evidence)),
    ):
        with pytest.raises(LevelUnreachable):
            sign_pdf(SOURCE, signer, level, given, at=now)
    for level, good in ((Level.B_T, 0), (Level.B_LTA, 1)):
        with pytest.raises(TimestampUnavailable) as unstamped:
            sign_pdf(SOURCE, signer, level, Services(NoStamps(stamps, good), services.evidence), at=now)
        assert unstamped.value.fields["service"] == NoStamps.name
    for stamped in (Level.B_T, Level.B_LTA):
        with pytest.raises(TimestampUnavailable, match="something else"):
            sign_pdf(SOURCE, signer, stamped, Services(OtherStamps(stamps, 9), services.evidence), at=now)
    with pytest.raises(EvidenceUnavailable):
        sign_pdf(SOURCE, signer, Level.B_LT, Services(stamps, NoEvidence()), at=now)
    with pytest.raises(SigningForbidden):
        extend_pdf(SOURCE, Level.B_LTA, services, at=now)


def test_a_key_in_a_token_signs(authority: MemoryAuthority, services: Services, tmp_path: Path) -> None:
    """A key that never leaves its PKCS#11 token makes an archived signature."""
    with softhsm(tmp_path / "softhsm") as token:
        keys = TokenKeys(MODULE, token.label, token.pin)
        try:
            keys.create("seal", "P-256")
            key = keys.load("seal")
            certificate = authority.certify(key, PERSON_SIGNING, "IR-10", "Person")
            signer = Signer(key, certificate, (authority.intermediate,))
            pdf = sign_pdf(SOURCE, signer, Level.B_LTA, services, at=authority.now)
        finally:
            keys.close()
    assert pyhanko_says(pdf, authority, archived=True) == "OK"


def _signature(pdf: bytes) -> tuple[dict[str, Any], foreign_cms.SignedData]:
    found = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[0]
    return found.sig_object, found.signed_data
