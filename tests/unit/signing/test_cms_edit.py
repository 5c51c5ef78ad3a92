"""What others signed is cut and joined, octet for octet; what is no signature is refused and nothing else."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import asn1
from pki.asn1 import ades
from signing.ades import cms_edit, octets
from signing.ades.cades import sign_file
from signing.ades.cms_edit import read_parts
from signing.ades.holding import check_holds
from signing.ades.services import Evidence, Level
from signing.errors import DocumentTooComplex, DocumentUnreadable, SignatureInvalid
from tests.support.authority import make_authority
from tests.support.signing import services_of

_AUTHORITY = make_authority()
_SIGNED = sign_file(
    io.BytesIO(b"content"),
    _AUTHORITY.person("IR-1", "زهرا مرادی"),
    Level.B_LTA,
    services_of(_AUTHORITY),
    at=_AUTHORITY.now,
    enveloping=True,
)


def _indefinite(tag: int, *parts: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(parts) + b"\x00\x00"


def test_indefinite_lengths_and_pieces() -> None:
    """BER frames and a content in pieces are read; what they hold is written as it came."""
    parts = read_parts(_SIGNED)
    pieces = _indefinite(0x24, asn1.wrap(0x04, b"con"), asn1.wrap(0x04, b"tent"))
    encapsulated = _indefinite(0x30, parts.content_type, _indefinite(0xA0, pieces))
    signed = _indefinite(
        0x30,
        asn1.encode(parts.version),
        asn1.wrap(0x31, *parts.digest_algorithms),
        encapsulated,
        _indefinite(0xA0, *parts.certificates),
        _indefinite(0xA1, *parts.revocations),
        asn1.wrap(0x31, *(each.write() for each in parts.signers)),
    )
    ber = _indefinite(0x30, asn1.encode(ades.ID_SIGNED_DATA), _indefinite(0xA0, signed))
    read = read_parts(ber)
    assert read.content == b"content"
    assert read.encapsulated == encapsulated
    assert (read.certificates, read.revocations, read.signers) == (
        parts.certificates,
        parts.revocations,
        parts.signers,
    )
    assert read_parts(read.write()) == read


def test_an_unsorted_set_grows_at_its_end() -> None:
    """Sorted sets stay sorted; others keep their order; nothing goes in twice."""
    parts = read_parts(_SIGNED)
    more = Evidence(certificates=(b"\x30\x00", *parts.certificates))
    grown = parts.with_evidence(more).certificates
    assert list(grown) == sorted([*parts.certificates, b"\x30\x00"])
    backwards = parts.certificates[::-1]
    written = read_parts(_replaced(backwards))
    assert written.with_evidence(more).certificates == (*backwards, b"\x30\x00")


def _replaced(certificates: tuple[bytes, ...]) -> bytes:
    parts = read_parts(_SIGNED)
    there = asn1.wrap(0xA0, *parts.certificates)
    assert there in _SIGNED
    return _SIGNED.replace(there, asn1.wrap(0xA0, *certificates))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", DocumentUnreadable),
        (b"%PDF-1.7", DocumentUnreadable),
        (_SIGNED[:-1], DocumentUnreadable),
        (_SIGNED + b"\x00", DocumentUnreadable),
        (bytes.fromhex("3080") * 5000, DocumentTooComplex),
        (b"\x30\x80" + b"\x05\x00" * (octets.MAX_ELEMENTS + 1) + b"\x00\x00", DocumentTooComplex),
        (b"\x30\x84\xff\xff\xff\xff", DocumentUnreadable),
    ],
)
def test_refused(data: bytes, error: type[DocumentUnreadable]) -> None:
    """Not a signature, cut, longer than it says, nested or counted beyond limits: one error each, in bounded time."""
    with pytest.raises(error):
        read_parts(data)


@pytest.mark.parametrize(
    ("limit", "most"), [("MAX_SIGNER_BYTES", 100), ("MAX_SIGNERS", 0), ("MAX_BYTES", 99)]
)
def test_limits(monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    """One signer's part, the number of signers and the whole are bounded."""
    monkeypatch.setattr(cms_edit, limit, most)
    with pytest.raises(DocumentTooComplex):
        read_parts(_SIGNED)


@given(st.integers(0, len(_SIGNED) - 1), st.binary(min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_damaged(at: int, octets_there: bytes) -> None:
    """Whatever octets stand wherever, reading and checking end in our errors or not at all."""
    damaged = _SIGNED[:at] + octets_there + _SIGNED[at + len(octets_there) :]
    try:
        parts = read_parts(damaged)
        check_holds(parts, None)
        parts.with_evidence(Evidence()).write()
    except (DocumentUnreadable, SignatureInvalid):
        return
