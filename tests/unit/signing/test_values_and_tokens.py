"""Parts that a judgement rests on, each with one thing wrong: parameters of PSS, size of keys, tokens, BER, deflate."""

from __future__ import annotations

import struct
import zlib
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pki import asn1
from pki.algorithms import AlgorithmRefused, key_kind
from pki.asn1 import ades
from signing.ades.zip_members import ZipMembers
from signing.errors import DocumentUnreadable, TrustFolderInvalid
from signing.validation import ber
from signing.validation.signature_values import ValueRefused, verify_value
from signing.validation.timestamps import read_token
from signing.validation.trust import Trust
from tests.support.judged_cases import RSA_SHA256, case, certified, opened, plain_signature
from tests.unit.signing.test_judging import conclusion, judged

SHA256, SHA512 = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3"
MGF1, PSS = "1.2.840.113549.1.1.8", "1.2.840.113549.1.1.10"


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def rsa_certificate() -> x509.Certificate:
    return certified(opened(), rsa_key().public_key(), "RSA")


def parameters(
    *, mask: str = MGF1, mask_digest: str = SHA256, salt: int = 32, trailer: int | None = None
) -> bytes:
    digest, other = (
        asn1.HashAlgorithm(algorithm=x509.ObjectIdentifier(each), parameters=None)
        for each in (SHA256, mask_digest)
    )
    generation = asn1.MaskGeneration(algorithm=x509.ObjectIdentifier(mask), hash_algorithm=other)
    return asn1.encode(
        asn1.PssParameters(
            hash_algorithm=digest, mask_generation=generation, salt_length=salt, trailer_field=trailer
        )
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (parameters(mask=PSS), "mask of PSS"),
        (parameters(mask_digest=SHA512), "two digests"),
        (parameters(trailer=2), "salt or trailer"),
        (parameters(salt=1025), "salt or trailer"),
        (parameters(salt=-1), "salt or trailer"),
        (parameters(salt=20), "not that of the signer's key"),
    ],
    ids=["mask", "mask-digest", "trailer", "long-salt", "negative-salt", "salt"],
)
def test_what_pss_names_is_what_is_computed(given: bytes, problem: str) -> None:
    """Another mask, digest, salt or trailer than was signed with is refused by its name; the right ones hold."""
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    value = rsa_key().sign(b"data", scheme, hashes.SHA256())
    for right in (parameters(), parameters(trailer=1)):
        assert (
            str(verify_value(rsa_certificate(), PSS, right, value, b"data")) == "SHA256 with RSASSA-PSS-2048"
        )
    with pytest.raises(ValueRefused, match=problem):
        verify_value(rsa_certificate(), PSS, given, value, b"data")


def large(bits: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    """No key of anybody: nothing is ever computed with it."""
    return rsa.RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()


@pytest.mark.parametrize("key", [large(8200), large(16384), large(3072, (1 << 65) + 1)])
def test_nothing_is_computed_with_a_key_beyond_the_bound(key: rsa.RSAPublicKey, tmp_path: Path) -> None:
    """Its signature is neither right nor wrong, what it issued has no path, and no folder of trust takes it."""
    authority = opened()
    certificate = certified(authority, key, "Large")
    size = (key.key_size + 7) // 8

    def sign(_: bytes) -> bytes:
        return bytes(size)

    chain = (authority.intermediate,)
    der = plain_signature(certificate, chain, sign, algorithm=RSA_SHA256, at=authority.now)
    (found,) = judged(case(authority, der)).signatures
    assert conclusion(found) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")
    assert "larger than what is computed" in found.detail
    with pytest.raises(AlgorithmRefused):
        key_kind(key)
    (tmp_path / "large.cer").write_bytes(certificate.public_bytes(Encoding.DER))
    with pytest.raises(TrustFolderInvalid) as refused:
        Trust.from_folder(tmp_path)
    assert "larger" in str(refused.value.fields["problem"])


def test_a_key_within_the_bound_is_computed() -> None:
    """RSA of 8192 bits with an exponent of 64 bits is judged like any other."""
    authority = opened()
    certificate = certified(authority, large(8192, (1 << 64) - 1), "Long")
    der = plain_signature(
        certificate, (authority.intermediate,), lambda _: bytes(1024), algorithm=RSA_SHA256, at=authority.now
    )
    (found,) = judged(case(authority, der)).signatures
    assert conclusion(found) == ("TOTAL-FAILED", "SIG_CRYPTO_FAILURE")


def token_with(*, version: int = 1, signers: int = 1, kind: x509.ObjectIdentifier | None = None) -> bytes:
    outer = asn1.decode(ades.ContentInfo, opened().stamp(b"value"))
    data = outer.content
    assert data.encapsulated.content is not None
    info = asn1.decode(asn1.TimeStampInfo, data.encapsulated.content)
    info.version = version
    content = asn1.encode(info)
    data.encapsulated = ades.EncapsulatedContent(
        content_type=kind or data.encapsulated.content_type, content=content
    )
    (signer,) = data.signers.as_list()
    data.signers = asn1.SetOf([signer] * signers)
    return asn1.encode(outer)


def test_a_token_is_of_version_1_of_one_signer_and_without_contradictions() -> None:
    """Whatever RFC 3161 §2.4.2 does not know is no token, before anything of it is judged."""
    read = read_token(token_with())
    assert read is not None
    assert isinstance(read.time, datetime)
    assert read_token(token_with(version=2)) is None
    assert read_token(token_with(signers=2)) is None
    assert read_token(token_with(kind=ades.ID_DATA)) is None
    assert read_token(with_two_digests(token_with())) is None
    assert read_token(without_attributes(token_with())) is None


def with_two_digests(token: bytes) -> bytes:
    """Signed attributes that say two things of the content, which the reader calls fatal."""
    outer = asn1.decode(ades.ContentInfo, token)
    (signer,) = outer.content.signers.as_list()
    assert signer.signed_attributes is not None
    values = asn1.SetOf([asn1.tlv(asn1.encode(bytes(32))), asn1.tlv(asn1.encode(bytes([1]) * 32))])
    kept = [each for each in signer.signed_attributes.as_list() if each.type != ades.ID_MESSAGE_DIGEST]
    both = asn1.Attribute(type=ades.ID_MESSAGE_DIGEST, values=values)
    signer.signed_attributes = asn1.SetOf([*kept, both])
    outer.content.signers = asn1.SetOf([signer])
    return asn1.encode(outer)


def without_attributes(token: bytes) -> bytes:
    outer = asn1.decode(ades.ContentInfo, token)
    (signer,) = outer.content.signers.as_list()
    signer.signed_attributes = None
    outer.content.signers = asn1.SetOf([signer])
    return asn1.encode(outer)


def nested(depth: int) -> bytes:
    found = b"\x05\x00"
    for _ in range(depth):
        found = b"\x30\x80" + found + b"\x00\x00"
    return found


def test_ber_is_read_to_its_bounds_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """Depth and number of elements have an end, and the last that is within it is read."""
    assert ber.first_element(nested(ber.MAX_DEPTH))[1] == b""
    with pytest.raises(ber.TooComplex):
        ber.first_element(nested(ber.MAX_DEPTH + 1))
    monkeypatch.setattr(ber, "MAX_ELEMENTS", 100)
    many = b"\x05\x00" * (ber.MAX_ELEMENTS - 1)
    assert len(ber.elements(asn1.wrap(0x30, many))) == ber.MAX_ELEMENTS - 1
    with pytest.raises(ber.TooComplex):
        ber.elements(asn1.wrap(0x30, many + b"\x05\x00"))


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x30\x03\x04\x02\x00",
        b"\x30\x80\x05\x00",
        b"\x30\x80\x04\x02\x00",
        b"\x04\x80\x00\x00",
        b"\x30\x89" + bytes(8) + b"\x02\x05\x00",
        b"\x04\x82\x01",
        b"\x1f\x01\x00",
        b"",
    ],
    ids=["part", "open", "cut", "primitive", "octets", "length", "tag", "nothing"],
)
def test_ber_that_leaves_its_frame_is_refused(wrong: bytes) -> None:
    """No part is longer than what holds it, and nothing ends before it began."""
    with pytest.raises(ber.NotBer):
        ber.elements(wrong)


def zipped(behind: bytes, *, cut: int = 0) -> BytesIO:
    """One deflated member, with bytes between the end of its stream and the next header."""
    content = b"the tender " * 20
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stream = packer.compress(content) + packer.flush()
    packed = stream[: len(stream) - cut] + behind
    name = b"a.txt"
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, zlib.crc32(content), len(packed), len(content), 5, 0)
    local = b"PK\x03\x04" + common + name + packed
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return BytesIO(local + central + end)


def test_bytes_behind_a_deflate_stream_are_refused() -> None:
    """What stands within a member after its stream has ended is content for another reader."""
    (member,) = (whole := ZipMembers(zipped(b""))).files
    assert whole.read(member, limit=1000).startswith(b"the tender")
    for source in (zipped(b"x"), zipped(b"", cut=1)):
        (member,) = (other := ZipMembers(source)).files
        with pytest.raises(DocumentUnreadable):
            other.read(member, limit=1000)
