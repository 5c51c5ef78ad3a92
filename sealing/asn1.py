"""AuthEnvelopedData in exactly two shapes, and the strict DER codec behind them.

RFC 5083 (the structure), RFC 5084 (AES-GCM in it), RFC 5652 §6.2.2 and §6.2.3 (the recipients), RFC 5753 §7
(ECDH). Nothing optional is written: no originator information, no attributes; each structure has one
recipient. A reader takes nothing else, because a second recipient could open to a second content.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from sealing.errors import EnvelopeInvalid

AUTH_ENVELOPED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.9.16.1.23")
DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.1")
AES256_GCM: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.46")
AES256_WRAP: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.45")
ECDH_X963_SHA256: Final = ObjectIdentifier("1.3.132.1.11.1")
EC_PUBLIC_KEY: Final = ObjectIdentifier("1.2.840.10045.2.1")

NONCE_BYTES = 12
TAG_BYTES = 16
WRAPPED_KEY_BYTES = 40
POINT_BYTES = 65


@asn1.sequence
class GcmParameters:
    nonce: bytes
    tag_length: int


@asn1.sequence
class GcmAlgorithm:
    algorithm: ObjectIdentifier
    parameters: GcmParameters


@asn1.sequence
class BareAlgorithm:
    """An AlgorithmIdentifier whose parameters are absent."""

    algorithm: ObjectIdentifier


@asn1.sequence
class KeyAgreementAlgorithm:
    algorithm: ObjectIdentifier
    key_wrap: BareAlgorithm


@asn1.sequence
class KekIdentifier:
    key_identifier: bytes


@asn1.sequence
class KekRecipient:
    version: int
    kekid: KekIdentifier
    algorithm: BareAlgorithm
    encrypted_key: bytes


@asn1.sequence
class OriginatorPublicKey:
    algorithm: BareAlgorithm
    public_key: asn1.BitString


@asn1.sequence
class RecipientKeyIdentifier:
    subject_key_identifier: bytes


@asn1.sequence
class RecipientEncryptedKey:
    rid: Annotated[RecipientKeyIdentifier, asn1.Implicit(0)]
    encrypted_key: bytes


@asn1.sequence
class KeyAgreeRecipient:
    """``originator`` is the [1] choice of OriginatorIdentifierOrKey, see ``tagged``."""

    version: int
    originator: Annotated[asn1.TLV, asn1.Explicit(0)]
    algorithm: KeyAgreementAlgorithm
    recipients: list[RecipientEncryptedKey]


@asn1.sequence
class EncryptedContent:
    """``content`` is absent where the ciphertext is kept apart (detached)."""

    content_type: ObjectIdentifier
    algorithm: GcmAlgorithm
    content: Annotated[bytes | None, asn1.Implicit(0)]


@asn1.sequence
class AuthEnvelopedData:
    version: int
    recipients: asn1.SetOf[asn1.TLV]
    encrypted: EncryptedContent
    mac: bytes


@asn1.sequence
class ContentInfo:
    content_type: ObjectIdentifier
    content: Annotated[AuthEnvelopedData, asn1.Explicit(0)]


@asn1.sequence
class SharedInfo:
    """ECC-CMS-SharedInfo (RFC 5753 §7.2): ``key_bits`` is the length of the key to make, 4 bytes big-endian."""

    key_info: BareAlgorithm
    key_bits: Annotated[bytes, asn1.Explicit(2)]


Structure = TypeVar("Structure")

KEK_TAG = 0xA2
KEY_AGREE_TAG = 0xA1
ORIGINATOR_KEY_TAG = 0xA1
_SEQUENCE_TAG = 0x30


def encode(value: object) -> bytes:
    """The DER of a structure of this module."""
    return asn1.encode_der(value)


def decode(structure: type[Structure], data: bytes) -> Structure:
    """Read exactly one structure; raises EnvelopeInvalid if any byte would be written differently."""
    try:
        value = asn1.decode_der(structure, data)
        same = asn1.encode_der(value) == data
    except (ValueError, TypeError, OverflowError) as error:
        raise EnvelopeInvalid("not the permitted CMS structure") from error
    if not same:
        raise EnvelopeInvalid("not the distinguished encoding")
    return value


def tagged(value: object, tag: int) -> asn1.TLV:
    """A sequence under an implicit constructed context tag, which replaces its own first byte."""
    return asn1.decode_der(asn1.TLV, bytes([tag]) + asn1.encode_der(value)[1:])


def untagged(structure: type[Structure], value: asn1.TLV, tag: int) -> Structure:
    """Read what ``tagged`` wrote; raises EnvelopeInvalid on another tag."""
    der = asn1.encode_der(value)
    if der[0] != tag:
        raise EnvelopeInvalid("another choice was made than the one permitted")
    return decode(structure, bytes([_SEQUENCE_TAG]) + der[1:])
