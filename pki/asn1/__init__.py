"""ASN.1 structures of CMS, CAdES and time-stamping, and the strict DER codec behind them.

The one package of this room that knows ``cryptography.hazmat.asn1``: here what is read strictly, in ``ocsp`` the
answers of RFC 6960, in ``ades`` what signatures of anybody may hold. Shapes follow RFC 5652 §5 (SignedData),
RFC 5035 §3 (signing-certificate-v2), RFC 4055 §3.1 (PSS parameters), RFC 6211, RFC 3161 §2.4 and RFC 3739
§3.2.6 (qualified certificate statements).
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

Structure = TypeVar("Structure")
Tlv = asn1.TLV
SetOf = asn1.SetOf
UTCTime = asn1.UTCTime
GeneralizedTime = asn1.GeneralizedTime
BitString = asn1.BitString
Null = asn1.Null
PrintableString = asn1.PrintableString
IA5String = asn1.IA5String


class NotDer(ValueError):
    """The bytes are not the DER encoding of the expected structure."""


@asn1.sequence
class HashAlgorithm:
    """AlgorithmIdentifier of a digest: parameters absent, or NULL as older writers do (RFC 5754 §2)."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class MaskGeneration:
    algorithm: ObjectIdentifier
    hash_algorithm: HashAlgorithm


@asn1.sequence
class PssParameters:
    """RSASSA-PSS-params; the defaults name SHA-1, so every field must be written."""

    hash_algorithm: Annotated[HashAlgorithm | None, asn1.Explicit(0)]
    mask_generation: Annotated[MaskGeneration | None, asn1.Explicit(1)]
    salt_length: Annotated[int | None, asn1.Explicit(2)]
    trailer_field: Annotated[int | None, asn1.Explicit(3)]


@asn1.sequence
class SignatureAlgorithm:
    algorithm: ObjectIdentifier
    parameters: asn1.Null | PssParameters | None


@asn1.sequence
class Attribute:
    type: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class IssuerAndSerialNumber:
    issuer: asn1.TLV
    serial_number: int


@asn1.sequence
class SignerInfo:
    """One signer, named by issuer and serial number (version 1)."""

    version: int
    sid: IssuerAndSerialNumber
    digest_algorithm: HashAlgorithm
    signed_attributes: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(0)]
    signature_algorithm: SignatureAlgorithm
    signature: bytes
    unsigned_attributes: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(1)]


@asn1.sequence
class EncapsulatedContent:
    content_type: ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """Without revocation values: the verifier brings its own."""

    version: int
    digest_algorithms: asn1.SetOf[HashAlgorithm]
    encapsulated: EncapsulatedContent
    certificates: Annotated[asn1.SetOf[x509.Certificate] | None, asn1.Implicit(0)]
    signers: asn1.SetOf[SignerInfo]


@asn1.sequence
class ContentInfo:
    content_type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class IssuerSerial:
    issuer: list[asn1.TLV]
    serial_number: int


@asn1.sequence
class EssCertIdV2:
    """``hash_algorithm`` absent means SHA-256."""

    hash_algorithm: HashAlgorithm | None
    certificate_hash: bytes
    issuer_serial: IssuerSerial | None


@asn1.sequence
class SigningCertificateV2:
    certificates: list[EssCertIdV2]
    policies: list[asn1.TLV] | None


@asn1.sequence
class AlgorithmProtection:
    digest_algorithm: HashAlgorithm
    signature_algorithm: Annotated[SignatureAlgorithm | None, asn1.Implicit(1)]


@asn1.sequence
class MessageImprint:
    hash_algorithm: HashAlgorithm
    hashed_message: bytes


@asn1.sequence
class TimeStampRequest:
    version: int
    message_imprint: MessageImprint
    policy: ObjectIdentifier | None
    nonce: int | None
    certificate_requested: Annotated[bool, asn1.Default(False)]
    extensions: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]


@asn1.sequence
class Accuracy:
    seconds: int | None
    millis: Annotated[int | None, asn1.Implicit(0)]
    micros: Annotated[int | None, asn1.Implicit(1)]


@asn1.sequence
class TimeStampInfo:
    """TSTInfo; ``tsa`` holds one GeneralName."""

    version: int
    policy: ObjectIdentifier
    message_imprint: MessageImprint
    serial_number: int
    generated_at: asn1.GeneralizedTime
    accuracy: Accuracy | None
    ordering: Annotated[bool, asn1.Default(False)]
    nonce: int | None
    tsa: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    extensions: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]


@asn1.sequence
class StatusInfo:
    status: int
    status_string: list[str] | None
    failure: asn1.BitString | None


@asn1.sequence
class TimeStampResponse:
    status: StatusInfo
    token: ContentInfo | None


@asn1.sequence
class QcStatement:
    """A statement that says everything by its identifier."""

    statement_id: ObjectIdentifier


@asn1.sequence
class QcStatementWithList:
    statement_id: ObjectIdentifier
    info: list[asn1.TLV]


@asn1.sequence
class QcStatementWithNumber:
    statement_id: ObjectIdentifier
    info: int


@asn1.sequence
class DisclosurePlace:
    """Where the disclosure statement stands in which language (EN 319 412-5 §4.3.4)."""

    url: asn1.IA5String
    language: asn1.PrintableString


@asn1.sequence
class Signed:
    """The frame of certificates and revocation lists (RFC 5280 §4.1.1)."""

    signed: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


def decode(structure: type[Structure], data: bytes) -> Structure:
    """Read exactly one structure; raises NotDer if a byte would be written differently."""
    try:
        value = asn1.decode_der(structure, data)
        same = asn1.encode_der(value) == data
    except Exception as error:
        # Certificates inside raise errors of their own (InvalidVersion is no ValueError); all mean the same.
        raise NotDer("not the DER of the expected structure") from error
    if not same:
        raise NotDer("not the distinguished encoding")
    return value


def encode(value: object) -> bytes:
    """The DER of a structure of this module, or of a plain int, bytes, object identifier or set."""
    return asn1.encode_der(value)


def wrap(tag: int, *parts: bytes) -> bytes:
    """A tag of one octet and the length around parts that are DER already (X.690 §8.1.3, §10.1)."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def fills_its_octets(signed: bytes) -> bool:
    """Whether a signature value has no unused bits, whose count is the one thing it does not cover."""
    return decode(Signed, signed).signature.padding_bits() == 0


def tlv(der: bytes) -> asn1.TLV:
    """Bytes that are DER already, for a field of any type."""
    return asn1.decode_der(asn1.TLV, der)


def parse_value(structure: type[Structure], value: asn1.TLV) -> Structure:
    """Read the content of an any-typed field; raises NotDer."""
    return decode(structure, asn1.encode_der(value))
