"""PDF signatures are found whole: their digests, stamps, evidence and words, by pyHanko's measure and our own."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from pki.signed_data import Signer
from signing.ades.services import Level
from signing.pdf.reading import read_pdf
from signing.pdf.signing import sign_pdf
from signing.validation.contents import NotCovered
from signing.validation.reading import read_document
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pdf_files import append, body_of, make_pdf, plain_objects
from tests.support.signing import services_of

REASON = "تایید صورت‌جلسه"


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture(scope="module")
def signers(authority: MemoryAuthority) -> list[Signer]:
    return [authority.person("IR-0012345678"), authority.person("IR-0023456789", kind="RSA")]


@pytest.fixture(scope="module")
def archived(authority: MemoryAuthority, signers: list[Signer]) -> bytes:
    """Two signers, each to B-LTA."""
    pdf = make_pdf(plain_objects())
    for signer in signers:
        pdf = sign_pdf(
            pdf,
            signer,
            Level.B_LTA,
            services_of(authority),
            at=authority.now,
            reason=REASON,
            location="تهران",
        )
    return pdf


def foreign(pdf: bytes) -> list[EmbeddedPdfSignature]:
    return list(PdfFileReader(io.BytesIO(pdf)).embedded_signatures)


def test_digests_and_order_are_those_of_the_library(archived: bytes) -> None:
    """Every digest over a byte range is what pyHanko computes, in its order of revisions."""
    found = read_pdf(archived)
    ours = [each.content for each in found.signatures] + [each.imprint for each in found.timestamps]
    theirs = foreign(archived)
    regular = [each for each in theirs if each.sig_object_type == "/Sig"]
    stamps = [each for each in theirs if each.sig_object_type == "/DocTimeStamp"]

    assert [each and each("sha512") for each in ours] == [
        each.compute_digest("sha512") for each in (*regular, *stamps)
    ]
    assert [each.name for each in found.signatures] == [each.field_name for each in regular]


def test_the_words_of_a_signature_are_read(
    archived: bytes, authority: MemoryAuthority, signers: list[Signer]
) -> None:
    """Reason, location, claimed time, form and certificate come from the file, Persian letters and all."""
    for found, signer in zip(read_pdf(archived).signatures, signers, strict=True):
        assert (found.form, found.reason, found.location) == ("PAdES", REASON, "تهران")
        assert found.claimed_time == authority.now
        assert found.cms is not None
        assert found.cms.certificate == signer.certificate


def test_a_document_time_stamp_covers_what_stands_before_it(archived: bytes) -> None:
    """The first one covers the first signer and its evidence, the second one everything."""
    found = read_pdf(archived)
    first, second = found.timestamps
    evidence = {
        hashlib.sha256(each).digest() for each in (*found.evidence.certificates, *found.evidence.crls)
    }

    assert first.covered.signatures == {"signature-1"}
    assert second.covered.signatures == {"signature-1", "signature-2"}
    assert first.identifier in second.covered.timestamps
    assert evidence <= second.covered.evidence
    assert not evidence <= first.covered.evidence


def test_bytes_and_path_are_read_alike(archived: bytes, tmp_path: Path) -> None:
    """A file on disk gives the same document as its bytes."""
    (tmp_path / "signed.pdf").write_bytes(archived)
    from_path, from_bytes = read_document(tmp_path / "signed.pdf"), read_document(archived, name="signed.pdf")

    assert (from_path.sha256, from_path.length, from_path.name) == (
        hashlib.sha256(archived).hexdigest(),
        len(archived),
        "signed.pdf",
    )
    assert from_path.evidence == from_bytes.evidence
    assert [each.cms for each in from_path.signatures] == [each.cms for each in from_bytes.signatures]


def test_unknown_encodings_are_findings(authority: MemoryAuthority, signers: list[Signer]) -> None:
    """A signature of an encoding that is not read is reported as such, not passed over."""
    pdf = sign_pdf(make_pdf(plain_objects()), signers[0], Level.B_B, at=authority.now)
    other = pdf.replace(b"/ETSI.CAdES.detached", b"/adbe.x509.rsa_sha1 ")

    (found,) = read_pdf(other).signatures

    assert found.cms is None
    assert "subfilter-not-read" in {each.code for each in found.findings if each.fatal}


def test_a_changed_byte_changes_the_digest(archived: bytes) -> None:
    """The digest is over the bytes as they stand: a changed page no longer has the signed one."""
    changed = archived.replace(b"(pay 100)", b"(pay 900)")

    (first, _) = read_pdf(changed).signatures

    assert first.cms is not None
    assert first.content is not None
    assert first.content("sha256") != first.cms.message_digest


def test_what_is_not_sound_is_never_digested(authority: MemoryAuthority, signers: list[Signer]) -> None:
    """Of a byte range that is refused there is no digest that somebody could take for one."""
    pdf = sign_pdf(make_pdf(plain_objects()), signers[0], Level.B_B, at=authority.now)
    (found,) = read_pdf(re.sub(rb"/ByteRange \[0 ", rb"/ByteRange [1 ", pdf)).signatures

    assert found.content is not None
    with pytest.raises(NotCovered):
        found.content("sha256")


def test_a_repeated_key_is_refused(authority: MemoryAuthority, signers: list[Signer]) -> None:
    """Of two Contents one reader takes the first and another the last; such a signature is none."""
    pdf = sign_pdf(make_pdf(plain_objects()), signers[0], Level.B_B, at=authority.now)
    room = re.search(rb"/ByteRange \[[^\]]*\] {40,}", pdf)
    assert room is not None
    put = room[0].rstrip().ljust(len(room[0]) - 16) + b"/Contents<3000> "

    (found,) = read_pdf(pdf.replace(room[0], put)).signatures

    assert "signature-key-repeated" in {each.code for each in found.findings if each.fatal}


def test_a_signature_written_anew_is_judged_as_it_stands(
    authority: MemoryAuthority, signers: list[Signer]
) -> None:
    """A later revision that writes the signature's dictionary again moves it out of what it covers."""
    pdf = sign_pdf(make_pdf(plain_objects()), signers[0], Level.B_B, at=authority.now)
    number = int(re.findall(rb"/V (\d+) 0 R", pdf)[-1])

    (found,) = read_pdf(append(pdf, {number: body_of(pdf, number)})).signatures

    assert "byte-range-gap" in {each.code for each in found.findings if each.fatal}


def test_times_of_every_kind_are_read(authority: MemoryAuthority, signers: list[Signer]) -> None:
    """A claimed time with an offset is that instant; one that is none claims nothing."""
    pdf = sign_pdf(make_pdf(plain_objects()), signers[0], Level.B_B, at=authority.now)
    tehran = datetime(2026, 1, 1, 23, 34, 5, tzinfo=UTC)

    for text, instant in ((b"D:20260102030405+03'30", tehran), (b"tomorrow", None)):
        (found,) = read_pdf(append_time(pdf, text)).signatures
        assert found.claimed_time == instant


def append_time(pdf: bytes, text: bytes) -> bytes:
    """The signature's dictionary written again with another claimed time."""
    number = int(re.findall(rb"/V (\d+) 0 R", pdf)[-1])
    return append(pdf, {number: re.sub(rb"/M \([^)]*\)", b"/M (%b)" % text, body_of(pdf, number))})
