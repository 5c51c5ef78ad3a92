"""Whatever a bidder, member or server sends, the answer is a typed refusal: damaged, nested, or well-formed and odd."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat import asn1 as hazmat_asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from kernel.errors import DomainError, MalformedInput
from sealing import asn1, cms
from sealing.envelope import EnvelopeHeader
from sealing.errors import EnvelopeInvalid, KeySetInvalid, Unopenable
from sealing.key_set import KeySet, KeySetMember
from sealing.manifest import Manifest
from sealing.opening import open_envelope
from tests.unit.sealing.builders import BIDDER, Commission, make_commission, with_blob

PAYLOAD = bytes(2048)
Parse = Callable[[bytes], object]

# What a field may be replaced by: every type, and the values at which readers stumble.
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**53 - 1, "", "A", "ABC", "é" * 101, "\x00", "AAAA", "00" * 32, [], {}, [[]],
    {"A": 1}, ["A", "B", "C"], ["index", "length", "digest", "commitment"], {"A": [], "B": {}, "C": None},
    "0001-01-01T00:00:00.000000+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-11-24", [None] * 40,
]  # fmt: skip


@cache
def world() -> tuple[Commission, dict[str, tuple[bytes, Parse]]]:
    """An honest document of each kind with its reader."""
    commission = make_commission()
    headers = {kind: commission.seal(PAYLOAD, kind).header for kind in "ABC"}
    manifest = Manifest.of(commission.context("A"), headers).document()
    return commission, {
        "header": (headers["C"], EnvelopeHeader.parse),
        "manifest": (manifest, Manifest.parse),
        "key set": (commission.key_set.document, KeySet.parse),
    }


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys or indexes."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in [(value, key), *places(value[key])]]


def answered(parse: Parse, data: bytes) -> bool:
    """Whether it was accepted; any refusal but a typed one fails the test."""
    try:
        parse(data)
    except DomainError:
        return False
    return True


@given(st.sampled_from(["header", "manifest", "key set"]), st.data())
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_documents_with_odd_values_are_refused_with_a_reason(name: str, data: st.DataObject) -> None:
    """A canonical document with any field exchanged for another type is read or refused, never a crash."""
    document, parse = world()[1][name]
    value = parse_canonical(document)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(value)))
        container[key] = deepcopy(data.draw(st.sampled_from(ODD)))

    changed = canonical_bytes(value)
    assert not answered(parse, changed + b" ")
    answered(parse, changed)


@pytest.mark.parametrize("name", ["header", "manifest", "key set"])
def test_documents_lacking_any_field_are_refused(name: str) -> None:
    """Each field of each object is needed."""
    document, parse = world()[1][name]
    count = len(places(parse_canonical(document)))
    for number in range(count):
        value = parse_canonical(document)
        container, key = places(value)[number]
        del container[key]
        # One member or share less at the end is another well-formed list.
        if not (isinstance(container, list) and key == len(container)):
            assert not answered(parse, canonical_bytes(value)), (container, key)


@given(st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_certificates_are_refused_with_a_reason(data: st.DataObject) -> None:
    """Bytes of an encryption certificate exchanged, removed or inserted never end in another exception."""
    document, parse = world()[1]["key set"]
    value = parse_canonical(document)
    member = value["members"][0]
    der = bytearray(from_base64(member["encryption_certificate"]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(der) - 1))
        width = data.draw(st.integers(0, 4))
        der[at : at + width] = data.draw(st.binary(max_size=4))
    member["encryption_certificate"] = to_base64(bytes(der))

    answered(parse, canonical_bytes(value))


def certificate_with(extension: bytes) -> bytes:
    """A certificate with a key identifier and a subject alternative name of those bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    commission = world()[0]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    start = commission.authority.now
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 5, start, start + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), extension), False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("extension", ["3004a3023000", "3004a5023000", "3003870101", "30038201ff", "30"])
def test_a_certificate_with_an_unusual_name_is_refused_with_a_reason(extension: str) -> None:
    """Names that no parser supports (X.400, EDI) or that are malformed refuse the key set, and no more."""
    value = parse_canonical(world()[0].key_set.document)
    value["members"][2]["encryption_certificate"] = to_base64(certificate_with(bytes.fromhex(extension)))

    with pytest.raises(KeySetInvalid):
        KeySet.parse(canonical_bytes(value))


def test_a_certificate_of_an_unknown_version_is_refused_with_a_reason() -> None:
    """X.509 ends at version 3; a higher one is no certificate."""
    der = world()[0].key_set.members[0].encryption_certificate.public_bytes(Encoding.DER)
    version = bytes.fromhex("a003020102")
    assert der.count(version) == 1

    with pytest.raises(KeySetInvalid):
        KeySetMember.of(
            1,
            "IR-1",
            signing_certificate="00" * 32,
            encryption_certificate=der.replace(version, version[:-1] + b"\x6a"),
        )


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00.000000+14:00", "9999-12-31T23:59:59.999999-14:00"])
def test_an_instant_beyond_the_calendar_is_refused_with_a_reason(instant: str) -> None:
    """In UTC these instants lie before the year 1 and after the year 9999."""
    value = parse_canonical(world()[0].key_set.document)

    with pytest.raises(MalformedInput):
        KeySet.parse(canonical_bytes({**value, "created_at": instant}))


def test_a_point_with_unused_bits_is_refused() -> None:
    """The ephemeral point is whole bytes: a bit string that leaves bits unused is a second spelling of it."""
    point = bytes(64) + b"\x02"
    ephemeral = asn1.OriginatorPublicKey(
        algorithm=asn1.BareAlgorithm(algorithm=asn1.EC_PUBLIC_KEY),
        public_key=hazmat_asn1.BitString(point, 0),
    )
    blob = world()[0].seal(PAYLOAD).blobs["C.share-1.der"]
    info = asn1.decode(asn1.ContentInfo, blob)
    (tlv,) = info.content.recipients.as_list()
    recipient = asn1.untagged(asn1.KeyAgreeRecipient, tlv, asn1.KEY_AGREE_TAG)

    def with_point(bits: int) -> bytes:
        ephemeral.public_key = hazmat_asn1.BitString(point, bits)
        recipient.originator = asn1.tagged(ephemeral, asn1.ORIGINATOR_KEY_TAG)
        info.content.recipients = hazmat_asn1.SetOf([asn1.tagged(recipient, asn1.KEY_AGREE_TAG)])
        return asn1.encode(info)

    assert cms.read_share(with_point(0)).point == point
    with pytest.raises(EnvelopeInvalid):
        cms.read_share(with_point(1))


@given(st.sampled_from(["C.content.der", "C.share-0.der", "C.share-5.der"]), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_to_a_structure_names_the_bidder_and_nobody_else(name: str, data: st.DataObject) -> None:
    """A bidder may declare any bytes whatever as a blob: with three honest members present it is unopenable."""
    commission = world()[0]
    honest = commission.seal(PAYLOAD)
    shares, custodian = commission.member_shares(honest, (1, 2, 3)), commission.share(honest, 0)
    blob = bytearray(honest.blobs[name])
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    if not blob or bytes(blob) == honest.blobs[name]:
        return
    dealt = with_blob(honest, name, bytes(blob))

    with pytest.raises(Unopenable) as refusal:
        open_envelope(EnvelopeHeader.parse(dealt.header), dealt.blobs, commission.key_set, shares, custodian)
    assert (refusal.value.named, refusal.value.evidence) == (BIDDER, name)


@pytest.mark.parametrize(("act", "copies"), [("seal", 1), ("open", 2)])
def test_a_large_envelope_is_not_copied_over_and_over(act: str, copies: int) -> None:
    """Beside its input sealing holds the ciphertext, opening also the plaintext: no third copy of 64 MB."""
    commission, size = world()[0], 8 << 20
    payload = bytes(size)
    sealed = commission.seal(payload)
    header = EnvelopeHeader.parse(sealed.header)
    shares, custodian = commission.member_shares(sealed, (1, 2, 3)), commission.share(sealed, 0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        if act == "seal":
            made: object = commission.seal(payload)
        else:
            made = open_envelope(header, sealed.blobs, commission.key_set, shares, custodian)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    assert made is not None
    assert size <= peak < (copies + 0.5) * size
