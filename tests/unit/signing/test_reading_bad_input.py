"""What is broken, hostile or too much is refused by a code that says so, in little time and memory."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from pki import asn1
from pki.algorithms import der_of
from pki.asn1 import ades
from pki.signed_data import Signer
from signing.ades.services import Level
from signing.cms import sign_detached
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from signing.pdf.reading import read_pdf
from signing.pdf.signing import sign_pdf
from signing.validation.reading import read_document
from signing.validation.reading_cms import MAX_CERTIFICATES, read_cms
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pdf_bombs import BOMBS, ladder
from tests.support.pdf_files import append, make_pdf, many_pages, plain_objects, stream

ROOT = Path(__file__).resolve().parents[3]
# Of the child process that reads every bomb, the library itself included.
MOST_MEMORY = 800 << 20
MOST_SECONDS = 60
READ_BOMBS = """
from kernel.errors import DomainError
from signing.validation.reading import read_document
from tests.support.pdf_bombs import BOMBS

for name, (make, _) in BOMBS.items():
    try:
        read_document(make())
        print(name, "read", sep="=")
    except DomainError as error:
        print(name, error.code, sep="=")
"""


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture(scope="module")
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-0012345678")


@pytest.fixture(scope="module")
def signed(authority: MemoryAuthority, signer: Signer) -> bytes:
    return sign_pdf(make_pdf(plain_objects()), signer, Level.B_B, at=authority.now)


def test_bombs_are_refused_in_bounded_memory_and_time() -> None:
    """A child with little memory and processor time reads every bomb and tells each by its code."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))

    done = subprocess.run(
        [sys.executable, "-c", READ_BOMBS],
        cwd=ROOT,
        preexec_fn=bound,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    told = dict(line.split("=") for line in done.stdout.splitlines())
    assert told == {name: code for name, (_, code) in BOMBS.items()}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%",
        b"%PDF-1.7",
        b"plain text of nobody",
        b"GIF89a",
        b"0",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff\x06",
        b"-----BEGIN CMS-----\n!!!!\n-----END CMS-----\n",
        b"-----BEGIN CMS-----\nMAA=\n-----END CMS-----\n",
        b"PK\x03\x04",
    ],
)
def test_what_is_no_signed_document_is_unreadable(data: bytes) -> None:
    """Nothing, text, pictures and beginnings of files are refused as unreadable."""
    with pytest.raises(DocumentUnreadable) as refused:
        read_document(data)
    assert refused.value.code == "document-unreadable"


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.9, 0.999])
def test_a_truncated_pdf_is_unreadable(signed: bytes, kept: float) -> None:
    """A PDF cut off anywhere lacks its end and is not guessed at."""
    with pytest.raises(DocumentUnreadable):
        read_pdf(signed[: int(len(signed) * kept)])


def test_junk_before_a_pdf_is_unreadable(signed: bytes) -> None:
    """A file that is also something else is no PDF here, though others would find one inside."""
    with pytest.raises(DocumentUnreadable):
        read_document(b"GIF89a" + signed)


def test_an_encrypted_pdf_is_told() -> None:
    """Encrypted documents have a code of their own."""
    writer: Any = copy_into_new_writer(PdfFileReader(io.BytesIO(make_pdf(plain_objects()))))
    writer.encrypt(owner_pass="secret")
    out = io.BytesIO()
    writer.write(out)

    with pytest.raises(DocumentEncrypted):
        read_document(out.getvalue())


@pytest.mark.parametrize("place", [b"0000000", b"9999999", b"0000012"])
def test_broken_references_are_unreadable(signed: bytes, place: bytes) -> None:
    """A startxref that leads nowhere, or into the middle of something, is not repaired."""
    head, _, tail = signed.rpartition(b"startxref\n")

    with pytest.raises(DocumentUnreadable):
        read_pdf(head + b"startxref\n" + place + b"\n%%EOF\n" + tail[:0])


def test_ten_thousand_pages_are_read(authority: MemoryAuthority, signer: Signer) -> None:
    """A long document is no bomb: its signature is read, and what was changed on one page of many is named."""
    pdf = sign_pdf(make_pdf(many_pages(10_000)), signer, Level.B_B, at=authority.now)
    changed = append(pdf, {5_011: stream(b"BT (900) Tj ET")})

    (found,) = read_pdf(changed).signatures

    assert [(each.code, each.allowed) for each in found.changes] == [("page-content-changed", False)]


def test_ways_beyond_counting_are_told(authority: MemoryAuthority, signer: Signer) -> None:
    """Forty objects that name each other twice make a trillion ways, which nobody walks."""
    pdf = sign_pdf(make_pdf(ladder(40)), signer, Level.B_B, at=authority.now)

    with pytest.raises(DocumentTooComplex) as refused:
        read_pdf(append(pdf, {60: b"[1]"}))
    assert refused.value.fields["limit"] == "ways"


def test_one_broken_signature_leaves_the_others(authority: MemoryAuthority, signer: Signer) -> None:
    """Of three signatures the middle one has no readable CMS; it says so, and the others are as they were."""
    pdf = make_pdf(plain_objects())
    for _ in range(3):
        pdf = sign_pdf(pdf, signer, Level.B_B, at=authority.now)
    second = pdf.index(b"/Contents <", pdf.index(b"/Contents <") + 1) + len(b"/Contents <")
    broken = (
        pdf[:second]
        + b"3003020105".ljust(pdf.index(b">", second) - second, b"0")
        + pdf[pdf.index(b">", second) :]
    )

    found = read_pdf(broken).signatures

    assert [each.cms is None for each in found] == [False, True, False]
    assert [each.code for each in found[1].findings if each.fatal] == ["cms-unreadable"]
    assert not any(each.fatal for each in (*found[0].findings, *found[2].findings))


def test_forms_of_a_thousand_fields_are_read_and_of_a_thousand_signatures_refused() -> None:
    """Empty fields are no burden; more signatures than are read are told by the limit."""
    numbers = range(100, 1_100)
    listed = b" ".join(b"%d 0 R" % each for each in numbers)
    field = b"<</Type/Annot/Subtype/Widget/FT/Sig/T(field%d)/Rect[0 0 0 0]/P 3 0 R%b>>"
    frame = plain_objects(page=b"/Annots[%b]" % listed, catalog=b"/AcroForm 6 0 R") | {
        6: b"<</Fields[%b]>>" % listed
    }
    value = b"/V<</Type/Sig/ByteRange[0 1 2 3]/Contents<00>>>"

    assert read_pdf(make_pdf(frame | {each: field % (each, b"") for each in numbers})).signatures == ()
    with pytest.raises(DocumentTooComplex) as refused:
        read_pdf(make_pdf(frame | {each: field % (each, value) for each in numbers}))
    assert refused.value.fields["limit"] == "signatures"


def test_too_many_certificates_are_told(authority: MemoryAuthority, signer: Signer) -> None:
    """A CMS with ten thousand certificates is refused before one of them is read."""
    whole = asn1.decode(ades.ContentInfo, sign_detached(b"content", signer, at=authority.now))
    certificate = der_of(signer.certificate)
    many = [asn1.tlv(certificate[:-4] + number.to_bytes(4, "big")) for number in range(10 * MAX_CERTIFICATES)]
    signed = whole.content
    stuffed = ades.SignedData(
        version=signed.version,
        digest_algorithms=signed.digest_algorithms,
        encapsulated=signed.encapsulated,
        certificates=asn1.SetOf(many),
        revocations=None,
        signers=signed.signers,
    )

    with pytest.raises(DocumentTooComplex) as refused:
        read_cms(asn1.encode(ades.ContentInfo(content_type=ades.ID_SIGNED_DATA, content=stuffed)))
    assert refused.value.fields["limit"] == "certificates"


@pytest.mark.parametrize("depth", [40, 5_000])
def test_nesting_without_length_is_told(depth: int) -> None:
    """Elements of indefinite length inside each other are not followed beyond the limit."""
    with pytest.raises(DocumentTooComplex):
        read_cms(b"\x30\x80" * depth + b"\x00\x00" * depth)
