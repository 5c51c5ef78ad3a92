"""The two CMS structures: one permitted form each, and nothing decrypts that was altered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from cryptography.hazmat import asn1 as hazmat_asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from sealing import asn1, cms
from sealing.errors import EnvelopeInvalid, ShareInvalid

KEK, KEY, NONCE = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 12
HOLDER = ec.derive_private_key(1001, ec.SECP256R1())
EPHEMERAL = ec.derive_private_key(1002, ec.SECP256R1())
IDENTIFIER = cms.key_identifier(HOLDER.public_key())
CONTENT, CIPHERTEXT = cms.write_content(KEK, KEY, NONCE, b"a price")
SHARE = cms.write_share(HOLDER.public_key(), IDENTIFIER, EPHEMERAL, KEY, NONCE, b"a share")

Change = Callable[[Any], None]


def changed(der: bytes, how: Change) -> bytes:
    """The structure taken apart, changed in place and written again in proper DER."""
    info = asn1.decode(asn1.ContentInfo, der)
    how(info.content)
    return asn1.encode(info)


def recipient_changed(der: bytes, how: Change) -> bytes:
    """The same for its one recipient."""

    def change(data: asn1.AuthEnvelopedData) -> None:
        (tlv,) = data.recipients.as_list()
        tag = asn1.encode(tlv)[0]
        structure: Any = asn1.KekRecipient if tag == asn1.KEK_TAG else asn1.KeyAgreeRecipient
        recipient = asn1.untagged(structure, tlv, tag)
        how(recipient)
        data.recipients = hazmat_asn1.SetOf([asn1.tagged(recipient, tag)])

    return changed(der, change)


def test_what_is_written_is_read() -> None:
    """Content and share survive their way through the two structures."""
    plaintext, content_key = cms.decrypt_content(cms.read_content(CONTENT), KEK, CIPHERTEXT)

    assert (plaintext, content_key) == (b"a price", KEY)
    assert cms.decrypt_share(cms.read_share(SHARE), HOLDER) == b"a share"


def test_the_bytes_of_the_suite_do_not_change() -> None:
    """Fixed keys give fixed bytes: a change of the format would make every stored envelope unopenable."""
    assert (
        hashlib.sha256(CONTENT).hexdigest()
        == "db6c9da1ffc65908324bef16a1d0569c386a8f31f49a0ce745cc9673b53f3ab3"
    )
    assert (
        hashlib.sha256(CIPHERTEXT).hexdigest()
        == "e6fb3bb4dfdde94abc0e7c9b33c71a80648af1e9b489871b387920a8cc52b8be"
    )
    assert (
        hashlib.sha256(SHARE).hexdigest()
        == "3785abaadf1b154ea9d8c115a5944a8700c035c9a48cf1c2f6743bc2c71e91ee"
    )


@pytest.mark.parametrize("position", range(len(CONTENT)))
def test_no_altered_content_structure_decrypts(position: int) -> None:
    """Each byte of the structure matters: with one bit turned nothing comes out."""
    with pytest.raises(EnvelopeInvalid):
        cms.decrypt_content(cms.read_content(flip(CONTENT, position)), KEK, CIPHERTEXT)


@given(st.integers(0, len(CIPHERTEXT) - 1), st.integers(0, 7))
@settings(deadline=None)
def test_no_altered_ciphertext_decrypts(position: int, bit: int) -> None:
    """Not one altered byte of plaintext is released."""
    with pytest.raises(EnvelopeInvalid):
        cms.decrypt_content(cms.read_content(CONTENT), KEK, flip(CIPHERTEXT, position, bit))


def test_no_altered_share_decrypts() -> None:
    """Only the recipient's name may differ unnoticed here; the rebuild of an opening finds that."""
    opened = []
    for position in range(len(SHARE)):
        try:
            opened.append(cms.decrypt_share(cms.read_share(flip(SHARE, position)), HOLDER))
        except (EnvelopeInvalid, ShareInvalid):
            continue

    assert opened == [b"a share"] * len(IDENTIFIER)


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_noise_is_refused_with_a_reason(data: bytes) -> None:
    """Whatever arrives, a reader answers with its own refusal and never with another exception."""
    for read in (cms.read_content, cms.read_share):
        with pytest.raises(EnvelopeInvalid):
            read(data)


@given(st.data())
@settings(deadline=None)
def test_damaged_structures_are_refused_with_a_reason(data: st.DataObject) -> None:
    """The same for structures with bytes removed, inserted or exchanged at any place."""
    der = data.draw(st.sampled_from([CONTENT, SHARE]))
    start = data.draw(st.integers(0, len(der)))
    end = data.draw(st.integers(start, min(len(der), start + 8)))
    damaged = der[:start] + data.draw(st.binary(max_size=8)) + der[end:]
    try:
        if der is CONTENT:
            cms.read_content(damaged)
        else:
            cms.decrypt_share(cms.read_share(damaged), HOLDER)
    except (EnvelopeInvalid, ShareInvalid):
        return
    assert len(damaged) == len(der)


def test_two_recipients_under_one_key_are_refused() -> None:
    """A second wrapped key could open the same bytes to a second price."""

    def second(data: asn1.AuthEnvelopedData) -> None:
        other, _ = cms.write_content(KEK, bytes([9]) * 32, NONCE, b"")
        (one,) = data.recipients.as_list()
        (two,) = asn1.decode(asn1.ContentInfo, other).content.recipients.as_list()
        data.recipients = hazmat_asn1.SetOf([one, two])

    with pytest.raises(EnvelopeInvalid):
        cms.read_content(changed(CONTENT, second))


def test_two_keys_in_one_agreement_are_refused() -> None:
    """A share has one recipient, however the second one is put in."""

    def second(recipient: asn1.KeyAgreeRecipient) -> None:
        recipient.recipients = [*recipient.recipients, *recipient.recipients]

    with pytest.raises(EnvelopeInvalid):
        cms.read_share(recipient_changed(SHARE, second))


def test_no_recipient_is_refused() -> None:
    """A structure that nobody can open is not an envelope."""

    def none(data: asn1.AuthEnvelopedData) -> None:
        data.recipients = hazmat_asn1.SetOf([])

    for der, read in ((CONTENT, cms.read_content), (SHARE, cms.read_share)):
        with pytest.raises(EnvelopeInvalid):
            read(changed(der, none))


def test_a_recipient_of_the_other_kind_is_refused() -> None:
    """A content is not taken for a share, nor a share for a content."""
    with pytest.raises(EnvelopeInvalid):
        cms.read_content(SHARE)
    with pytest.raises(EnvelopeInvalid):
        cms.read_share(CONTENT)


def set_version(data: asn1.AuthEnvelopedData) -> None:
    data.version = 2


def set_type(data: asn1.AuthEnvelopedData) -> None:
    data.encrypted.content_type = asn1.AUTH_ENVELOPED_DATA


def set_cipher(data: asn1.AuthEnvelopedData) -> None:
    data.encrypted.algorithm.algorithm = ObjectIdentifier("2.16.840.1.101.3.4.1.6")  # AES-128-GCM


def set_nonce(data: asn1.AuthEnvelopedData) -> None:
    data.encrypted.algorithm.parameters.nonce = bytes(13)


def set_tag_length(data: asn1.AuthEnvelopedData) -> None:
    data.encrypted.algorithm.parameters.tag_length = 12


def shorten_tag(data: asn1.AuthEnvelopedData) -> None:
    data.mac = data.mac[:12]


@pytest.mark.parametrize("how", [set_version, set_type, set_cipher, set_nonce, set_tag_length, shorten_tag])
@pytest.mark.parametrize(("der", "read"), [(CONTENT, cms.read_content), (SHARE, cms.read_share)])
def test_other_versions_and_algorithms_are_refused(
    der: bytes, read: Callable[[bytes], object], how: Change
) -> None:
    """The suite has one cipher, one nonce length and one tag length; nothing weaker can be slipped in."""
    with pytest.raises(EnvelopeInvalid):
        read(changed(der, how))


def test_content_inside_the_structure_is_refused() -> None:
    """The ciphertext is detached: a second one inside could be decrypted in its place."""

    def attach(data: asn1.AuthEnvelopedData) -> None:
        data.encrypted.content = CIPHERTEXT

    with pytest.raises(EnvelopeInvalid):
        cms.read_content(changed(CONTENT, attach))


def test_a_share_without_its_content_is_refused() -> None:
    """The ciphertext of a share is inside."""

    def detach(data: asn1.AuthEnvelopedData) -> None:
        data.encrypted.content = None

    with pytest.raises(EnvelopeInvalid):
        cms.read_share(changed(SHARE, detach))


def set_recipient_version(recipient: Any) -> None:
    recipient.version += 1


def set_recipient_algorithm(recipient: Any) -> None:
    recipient.algorithm.algorithm = ObjectIdentifier("2.16.840.1.101.3.4.1.5")  # AES-128 wrap


def set_agreement_wrap(recipient: asn1.KeyAgreeRecipient) -> None:
    recipient.algorithm.key_wrap.algorithm = ObjectIdentifier("2.16.840.1.101.3.4.1.5")


def lengthen_key(recipient: asn1.KekRecipient) -> None:
    recipient.encrypted_key += bytes(8)


def lengthen_agreed_key(recipient: asn1.KeyAgreeRecipient) -> None:
    recipient.recipients[0].encrypted_key += bytes(8)


def rename_key(recipient: asn1.KekRecipient) -> None:
    recipient.kekid.key_identifier = b"another"


@pytest.mark.parametrize("how", [set_recipient_version, set_recipient_algorithm, lengthen_key, rename_key])
def test_another_form_of_the_content_recipient_is_refused(how: Change) -> None:
    """Version, algorithm, length of the wrapped key and name of the key are fixed."""
    with pytest.raises(EnvelopeInvalid):
        cms.read_content(recipient_changed(CONTENT, how))


@pytest.mark.parametrize(
    "how", [set_recipient_version, set_recipient_algorithm, set_agreement_wrap, lengthen_agreed_key]
)
def test_another_form_of_the_share_recipient_is_refused(how: Change) -> None:
    """Version, agreement, wrapping and length of the wrapped key are fixed."""
    with pytest.raises(EnvelopeInvalid):
        cms.read_share(recipient_changed(SHARE, how))


@pytest.mark.parametrize(
    "point",
    [
        b"\x04" + bytes(64),
        b"\x00",
        b"\x02" + cms.point_of(EPHEMERAL.public_key())[1:33],
        b"\x04" + cms.point_of(EPHEMERAL.public_key())[1:64] + b"\x00",
    ],
    ids=["zero", "infinity", "compressed", "off-the-curve"],
)
def test_a_point_off_the_curve_is_refused(point: bytes) -> None:
    """No agreement with a point that is not on P-256, or is not written as 65 bytes."""

    def replace(recipient: asn1.KeyAgreeRecipient) -> None:
        originator = asn1.OriginatorPublicKey(
            algorithm=asn1.BareAlgorithm(algorithm=asn1.EC_PUBLIC_KEY),
            public_key=hazmat_asn1.BitString(point, 0),
        )
        recipient.originator = asn1.tagged(originator, asn1.ORIGINATOR_KEY_TAG)

    with pytest.raises((EnvelopeInvalid, ShareInvalid)):
        cms.decrypt_share(cms.read_share(recipient_changed(SHARE, replace)), HOLDER)


def test_another_holders_key_does_not_open_a_share() -> None:
    """A share opens with one private key only."""
    with pytest.raises(ShareInvalid):
        cms.decrypt_share(cms.read_share(SHARE), ec.generate_private_key(ec.SECP256R1()))


def test_another_wrapping_key_does_not_open_the_content() -> None:
    """The content opens under one key only."""
    with pytest.raises(EnvelopeInvalid):
        cms.decrypt_content(cms.read_content(CONTENT), bytes(32), CIPHERTEXT)


@hazmat_asn1.sequence
class WithOriginator:
    version: int
    originator: Annotated[asn1.BareAlgorithm | None, hazmat_asn1.Implicit(0)]
    recipients: hazmat_asn1.SetOf[hazmat_asn1.TLV]
    encrypted: asn1.EncryptedContent
    authenticated: Annotated[hazmat_asn1.SetOf[asn1.BareAlgorithm] | None, hazmat_asn1.Implicit(1)]
    mac: bytes
    unprotected: Annotated[hazmat_asn1.SetOf[asn1.BareAlgorithm] | None, hazmat_asn1.Implicit(2)]


@hazmat_asn1.sequence
class AnyContentInfo:
    content_type: ObjectIdentifier
    content: Annotated[hazmat_asn1.TLV, hazmat_asn1.Explicit(0)]


@pytest.mark.parametrize("extra", ["originator", "authenticated", "unprotected"])
@pytest.mark.parametrize(("der", "read"), [(CONTENT, cms.read_content), (SHARE, cms.read_share)])
def test_optional_parts_are_refused(der: bytes, read: Callable[[bytes], object], extra: str) -> None:
    """Originator information and attributes, protected or not, have no place to hide in."""
    data = asn1.decode(asn1.ContentInfo, der).content
    bare = asn1.BareAlgorithm(algorithm=asn1.DATA)
    parts: dict[str, Any] = dict.fromkeys(("originator", "authenticated", "unprotected"))
    parts[extra] = bare if extra == "originator" else hazmat_asn1.SetOf([bare])
    larger = WithOriginator(
        version=0, recipients=data.recipients, encrypted=data.encrypted, mac=data.mac, **parts
    )
    tlv = hazmat_asn1.decode_der(hazmat_asn1.TLV, hazmat_asn1.encode_der(larger))
    written = AnyContentInfo(content_type=asn1.AUTH_ENVELOPED_DATA, content=tlv)

    with pytest.raises(EnvelopeInvalid):
        read(hazmat_asn1.encode_der(written))


def long_length(der: bytes) -> bytes:
    """The outermost length in one byte more than it needs."""
    assert der[1] in (0x81, 0x82)
    count = der[1] & 0x7F
    return bytes([der[0], 0x80 | (count + 1), 0]) + der[2:]


def indefinite_length(der: bytes) -> bytes:
    """The outermost structure in BER with an end marker."""
    return bytes([der[0], 0x80]) + der[2 + (der[1] & 0x7F) :] + b"\x00\x00"


def trailing(der: bytes) -> bytes:
    return der + b"\x00"


@pytest.mark.parametrize("write", [long_length, indefinite_length, trailing])
@pytest.mark.parametrize(("der", "read"), [(CONTENT, cms.read_content), (SHARE, cms.read_share)])
def test_other_encodings_of_the_same_are_refused(
    der: bytes, read: Callable[[bytes], object], write: Callable[[bytes], bytes]
) -> None:
    """One meaning has one encoding (DER): nothing that BER would also allow, and nothing behind it."""
    with pytest.raises(EnvelopeInvalid):
        read(write(der))


def test_other_encodings_inside_the_recipient_are_refused() -> None:
    """The recipient is kept as raw bytes by the outer structure, and is still held to DER."""

    def widen(data: asn1.AuthEnvelopedData) -> None:
        (tlv,) = data.recipients.as_list()
        der = asn1.encode(tlv)
        # 02 01 04 (version 4) written as 02 02 00 04
        assert der[2:5] == b"\x02\x01\x04"
        wider = bytes([der[0], der[1] + 1]) + b"\x02\x02\x00\x04" + der[5:]
        data.recipients = hazmat_asn1.SetOf([hazmat_asn1.decode_der(hazmat_asn1.TLV, wider)])

    with pytest.raises(EnvelopeInvalid):
        cms.read_content(changed(CONTENT, widen))


def test_a_longer_structure_than_any_is_refused() -> None:
    """A reader does not parse what cannot be one of its structures."""

    def swell(data: asn1.AuthEnvelopedData) -> None:
        data.encrypted.content = bytes(cms.MAX_CMS_BYTES)

    with pytest.raises(EnvelopeInvalid):
        cms.read_share(changed(SHARE, swell))


def flip(data: bytes, position: int, bit: int = 0) -> bytes:
    return data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]
