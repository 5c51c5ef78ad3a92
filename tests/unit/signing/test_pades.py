"""Signatures in a PDF: accepted by pyHanko, pdfsig and OpenSSL, and by us only when nothing else was added."""

from __future__ import annotations

import io
import shutil
import subprocess
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from asn1crypto import x509 as foreign_x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from kernel.clock import SystemClock
from kernel.errors import DomainError
from pki.errors import CertificateRevoked
from signing.cms import sign_detached
from signing.errors import SignatureInvalid, WrongSigner
from signing.pades import (
    RESERVED_BYTES,
    Signer,
    complete,
    prepare,
    put_in,
    read_pdf,
    sign_prepared,
    verify_revision,
)
from signing.pdf_update import MOST_SIGNATURES
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.minutes import pages
from tests.support.openssl import run_openssl, write_trust


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.fixture(scope="module")
def signers(authority: MemoryAuthority) -> list[Signer]:
    """Three members with keys of three kinds."""
    kinds = ("P-256", "RSA", "P-384")
    return [authority.person(f"IR-{n}", "زهرا مرادی", kind=kind) for n, kind in enumerate(kinds)]


def signed_by(pdf: bytes, signers: list[Signer], authority: MemoryAuthority) -> bytes:
    for signer in signers:
        now = authority.now
        cms = sign_prepared(prepare(pdf, signer.party, now), signer, authority.stamp)
        pdf = complete(pdf, signer.party, now, cms, authority.trust_store(), now=now).pdf
    return pdf


@pytest.fixture(scope="module")
def signed(authority: MemoryAuthority, signers: list[Signer]) -> bytes:
    return signed_by(pages(), signers, authority)


def test_every_revision_is_read_and_verified(
    signed: bytes, authority: MemoryAuthority, signers: list[Signer]
) -> None:
    """Three signatures by three kinds of keys, each over everything before it; the pages come out unchanged."""
    base, revisions = read_pdf(signed)
    found = [verify_revision(each, authority.trust_store(), now=authority.now) for each in revisions]
    assert base == pages()
    assert [each.party for each in found] == [signer.party for signer in signers]
    assert revisions[-1].pdf == signed
    assert all(later.pdf.startswith(each.pdf) for each, later in pairwise(revisions))


def test_pyhanko_accepts_ours(signed: bytes, authority: MemoryAuthority, signers: list[Signer]) -> None:
    """A reader that shares no code with ours: intact, trusted, stamped, and only signatures were added."""
    root = foreign_x509.Certificate.load(authority.root.public_bytes(Encoding.DER))
    context = ValidationContext(
        trust_roots=[root], allow_fetching=False, crls=list(authority.crls()), revocation_mode="require"
    )
    embedded = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    states = [
        validate_pdf_signature(each, signer_validation_context=context, ts_validation_context=context)
        for each in embedded
    ]
    assert [state.bottom_line for state in states] == [True] * len(signers)
    assert [state.modification_level for state in states] == [
        ModificationLevel.FORM_FILLING,
        ModificationLevel.FORM_FILLING,
        ModificationLevel.NONE,
    ]
    assert states[-1].coverage == SignatureCoverageLevel.ENTIRE_FILE
    assert all(state.timestamp_validity and state.timestamp_validity.trusted for state in states)


def test_pdfsig_accepts_ours(signed: bytes, signers: list[Signer], tmp_path: Path) -> None:
    """Poppler's command finds every signature valid, the last one over the whole document, and a changed bit."""
    program = shutil.which("pdfsig")
    if program is None:
        pytest.skip("poppler-utils is not installed")

    def ask(pdf: bytes) -> str:
        (tmp_path / "m.pdf").write_bytes(pdf)
        done = subprocess.run(
            [program, "-nocert", str(tmp_path / "m.pdf")], capture_output=True, timeout=60, check=False
        )
        return done.stdout.decode("utf-8", "replace")

    said = ask(signed)
    assert said.count("Signature is Valid.") == len(signers)
    assert said.count("ETSI.CAdES.detached") == len(signers)
    assert said.count("  - Total document signed") == 1
    assert "  - Total document signed" in said.split("Signature #3")[1]
    place = signed.index(b"/MediaBox[0 0 5") + len(b"/MediaBox[0 0 ")
    assert "Signature is Valid." not in ask(signed[:place] + b"6" + signed[place + 1 :])


def test_openssl_accepts_the_embedded_cms(signed: bytes, authority: MemoryAuthority, tmp_path: Path) -> None:
    """``openssl cms -verify -cades`` takes each CMS over its own ByteRange with the root alone, and no other's."""
    write_trust(tmp_path, authority)
    verify = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "c.p7s", "-content", "m.bin"]
    verify += ["-CAfile", "root.pem", "-purpose", "any", "-out", "out.bin"]
    _, revisions = read_pdf(signed)
    for revision in revisions:
        (tmp_path / "c.p7s").write_bytes(revision.update.cms)
        (tmp_path / "m.bin").write_bytes(revision.covered)
        agreed, said = run_openssl(tmp_path, *verify)
        assert agreed, said
    (tmp_path / "m.bin").write_bytes(revisions[0].covered)
    assert not run_openssl(tmp_path, *verify)[0]


def refused(pdf: bytes, authority: MemoryAuthority) -> bool:
    try:
        revisions = read_pdf(pdf)[1]
        for revision in revisions:
            verify_revision(revision, authority.trust_store(), now=authority.now)
    except DomainError:
        return True
    return False


def test_a_changed_byte_anywhere_is_found(signed: bytes, authority: MemoryAuthority) -> None:
    """One bit in the pages, in each part of each update, in the room behind a CMS, at every end: refused."""
    base, revisions = read_pdf(signed)
    places = set(range(0, len(base), len(base) // 40)) | {len(base) - 1}
    for before, revision in zip([base, *(each.pdf for each in revisions)], revisions, strict=False):
        begin, end = len(before), len(revision.pdf)
        places |= {*range(begin, revision.gap, 97), revision.gap - 1, revision.gap, revision.gap + 5}
        places |= {revision.gap + 2 * RESERVED_BYTES - 3, *range(end - 400, end, 11), end - 1}
    unnoticed = [
        place
        for place in sorted(places)
        if not refused(signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :], authority)
    ]
    assert unnoticed == []


def test_nothing_but_signatures_can_be_added(signed: bytes, authority: MemoryAuthority) -> None:
    """Bytes behind, an update of another tool, a signature cut off in the middle: refused."""
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    writer.root["/Lang"] = writer.root["/Lang"]
    writer.update_root()  # type: ignore[no-untyped-call]
    out = io.BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]
    added = (signed + b"\n", signed + b"\n%%EOF", out.getvalue(), signed[:-1], signed[:-9000])
    assert [refused(pdf, authority) for pdf in added] == [True] * len(added)


def test_an_empty_room_is_no_signature(authority: MemoryAuthority, signers: list[Signer]) -> None:
    """A prepared document is read, and what it was prepared for is seen, but it does not verify."""
    prepared = prepare(pages(), signers[0].party, authority.now)
    assert read_pdf(prepared.pdf)[1][-1] == prepared
    assert refused(prepared.pdf, authority)


def test_a_signature_is_put_in_only_where_it_belongs(
    authority: MemoryAuthority, signers: list[Signer]
) -> None:
    """Over other bytes, of another party, without a stamp, with a claimed time, padded or too long: refused."""
    now, trust, party = authority.now, authority.trust_store(), signers[0].party
    prepared = prepare(pages(), party, now)
    other = prepare(pages(bids=2), party, now)
    plain = sign_detached(prepared.covered, signers[0], at=None)
    claiming = sign_detached(prepared.covered, signers[0], at=now, timestamp=authority.stamp)
    good = sign_prepared(prepared, signers[0], authority.stamp)
    wrong = {
        "other bytes": sign_prepared(other, signers[0], authority.stamp),
        "no stamp": plain,
        "a claimed time": claiming,
        "trailing": good + b"\x00",
        "two": good + good,
        "too long": b"\x30\x82\x40\x00" + bytes(0x4000),
        "nothing": b"",
        "no CMS": b"\x30\x82\x00\x04abcd",
    }
    for name, cms in wrong.items():
        with pytest.raises(SignatureInvalid):
            assert complete(pages(), party, now, cms, trust, now=now), name
    with pytest.raises(WrongSigner):
        complete(pages(), party, now, sign_prepared(prepared, signers[1], authority.stamp), trust, now=now)
    early = now - timedelta(hours=1)
    cms = sign_prepared(prepare(pages(), party, early), signers[0], authority.stamp)
    with pytest.raises(SignatureInvalid, match="far from its time stamp"):
        complete(pages(), party, early, cms, trust, now=now)
    assert complete(pages(), party, now, good, trust, now=now).pdf == put_in(prepared, good)


def test_a_revoked_member_does_not_sign() -> None:
    """A certificate known to be revoked signs no minutes; what was stamped before it was revoked stays valid."""
    authority = make_authority()
    first, late = authority.person("IR-1"), authority.person("IR-2")
    authority.revoke(first.certificate, at=authority.now - timedelta(seconds=1))
    authority.revoke(late.certificate, at=authority.now + timedelta(hours=1))
    for signer in (first, late):
        with pytest.raises(CertificateRevoked):
            signed_by(pages(), [signer], authority)
    prepared = prepare(pages(), "IR-2", authority.now)
    (made,) = read_pdf(put_in(prepared, sign_prepared(prepared, late, authority.stamp)))[1]
    assert verify_revision(made, authority.trust_store(), now=authority.now).party == "IR-2"


@pytest.mark.parametrize("pdf", [b"", b"%PDF-1.7\n%%EOF", b"startxref\n9\n%%EOF", b"\x00" * 100])
def test_other_files_are_refused(pdf: bytes, authority: MemoryAuthority) -> None:
    """What our renderer did not write is neither read nor prepared."""
    with pytest.raises(SignatureInvalid):
        prepare(pdf, "IR-1", authority.now)


def test_signatures_are_counted(authority: MemoryAuthority, signers: list[Signer]) -> None:
    """A party name that is none has no place, and neither has one signature too many."""
    with pytest.raises(SignatureInvalid):
        prepare(pages(), "IR-1) /Evil(", authority.now)
    pdf = pages(bids=1)
    for _ in range(MOST_SIGNATURES):
        prepared = prepare(pdf, signers[0].party, authority.now)
        pdf = put_in(prepared, sign_prepared(prepared, signers[0], authority.stamp))
    with pytest.raises(SignatureInvalid):
        prepare(pdf, signers[0].party, authority.now)
