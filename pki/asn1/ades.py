"""ASN.1 structures of signatures as anybody may write them: SignedData with evidence inside, CAdES and its attributes.

Shapes only, wider than those of ``pki.asn1``: any algorithm with any parameters, signers named by issuer or by key,
unknown attributes, certificates and revocation values as bytes. They follow RFC 5652 §5 and §10.2, RFC 5940 §2 (OCSP
answers among revocation values), RFC 5035 and RFC 2634 §5.4, and ETSI EN 319 122-1 §5.5.2 (ats-hash-index-v3). No
shape here nests without bound: what is of any type stays bytes and is never entered. DER only: who reads what others
wrote brings other encodings into this one first.
"""

from __future__ import annotations

from typing import Annotated, Literal

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from pki.asn1 import Attribute, IssuerAndSerialNumber, IssuerSerial, NotDer, decode, encode, tlv

Variant = asn1.Variant

ID_DATA = ObjectIdentifier("1.2.840.113549.1.7.1")
ID_SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")
ID_TST_INFO = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
ID_OCSP_RESPONSE = ObjectIdentifier("1.3.6.1.5.5.7.16.2")

ID_CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
ID_MESSAGE_DIGEST = ObjectIdentifier("1.2.840.113549.1.9.4")
ID_SIGNING_TIME = ObjectIdentifier("1.2.840.113549.1.9.5")
ID_SIGNING_CERTIFICATE = ObjectIdentifier("1.2.840.113549.1.9.16.2.12")
ID_SIGNING_CERTIFICATE_V2 = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
ID_ALGORITHM_PROTECTION = ObjectIdentifier("1.2.840.113549.1.9.52")
ID_SIGNATURE_POLICY = ObjectIdentifier("1.2.840.113549.1.9.16.2.15")
ID_MIME_TYPE = ObjectIdentifier("0.4.0.1733.2.1")
ID_CONTENT_TIME_STAMP = ObjectIdentifier("1.2.840.113549.1.9.16.2.20")
ID_SIGNATURE_TIME_STAMP = ObjectIdentifier("1.2.840.113549.1.9.16.2.14")
ID_CERTIFICATE_VALUES = ObjectIdentifier("1.2.840.113549.1.9.16.2.23")
ID_REVOCATION_VALUES = ObjectIdentifier("1.2.840.113549.1.9.16.2.24")
ID_ARCHIVE_TIME_STAMP_V3 = ObjectIdentifier("0.4.0.1733.2.4")
ID_ATS_HASH_INDEX_V3 = ObjectIdentifier("0.4.0.19122.1.5")
ID_ADBE_REVOCATION = ObjectIdentifier("1.2.840.113583.1.1.8")

_OTHER_REVOCATION = 0xA1
_KEY_IDENTIFIER = Annotated[asn1.Variant[bytes, Literal["key"]], asn1.Implicit(0)]
SignerIdentifier = asn1.Variant[IssuerAndSerialNumber, Literal["issuer"]] | _KEY_IDENTIFIER


@asn1.sequence
class BareAlgorithm:
    """AlgorithmIdentifier without parameters."""

    algorithm: ObjectIdentifier


@asn1.sequence
class ParametrisedAlgorithm:
    """AlgorithmIdentifier with parameters of any type, NULL among them."""

    algorithm: ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
class HeldAttributes:
    """Attributes between a SEQUENCE's brackets, since the codec reads no bare SET."""

    attributes: asn1.SetOf[Attribute]


@asn1.sequence
class SignerInfo:
    """The algorithms are AlgorithmIdentifiers (``algorithm_of``)."""

    version: int
    sid: SignerIdentifier
    digest_algorithm: asn1.TLV
    signed_attributes: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(0)]
    signature_algorithm: asn1.TLV
    signature: bytes
    unsigned_attributes: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(1)]


@asn1.sequence
class EncapsulatedContent:
    content_type: ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """``revocations`` holds lists (RFC 5280) and what ``other_revocation`` wraps."""

    version: int
    digest_algorithms: asn1.SetOf[asn1.TLV]
    encapsulated: EncapsulatedContent
    certificates: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    revocations: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[SignerInfo]


@asn1.sequence
class ContentInfo:
    content_type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class OtherRevocation:
    """OtherRevocationInfoFormat (RFC 5652 §10.2.1)."""

    format: ObjectIdentifier
    value: asn1.TLV


@asn1.sequence
class EssCertId:
    """ESSCertID: SHA-1 of a certificate (RFC 2634 §5.4)."""

    certificate_hash: bytes
    issuer_serial: IssuerSerial | None


@asn1.sequence
class SigningCertificate:
    certificates: list[EssCertId]
    policies: list[asn1.TLV] | None


def algorithm_of(identifier: asn1.TLV) -> tuple[str, bytes | None]:
    """The dotted identifier and the DER of the parameters; None where there are none. Raises NotDer."""
    der = encode(identifier)
    try:
        return decode(BareAlgorithm, der).algorithm.dotted_string, None
    except NotDer:
        found = decode(ParametrisedAlgorithm, der)
        return found.algorithm.dotted_string, encode(found.parameters)


def attributes_of(der: bytes) -> asn1.SetOf[Attribute]:
    """The attributes whose SET is signed (RFC 5652 §5.4); raises NotDer."""
    # A SEQUENCE is written as an octet string but for its tag.
    return decode(HeldAttributes, b"\x30" + encode(der)[1:]).attributes


def other_revocation(answer: bytes) -> asn1.TLV:
    """An OCSP answer (the whole OCSPResponse) as an element of ``SignedData.revocations`` (RFC 5940 §2.1)."""
    written = encode(OtherRevocation(format=ID_OCSP_RESPONSE, value=tlv(answer)))
    return tlv(bytes([_OTHER_REVOCATION]) + written[1:])


def ocsp_answer(element: asn1.TLV) -> bytes | None:
    """The OCSP answer in such an element; None for a revocation list and for formats that are not known."""
    der = encode(element)
    if der[0] != _OTHER_REVOCATION:
        return None
    found = decode(OtherRevocation, b"\x30" + der[1:])
    return encode(found.value) if found.format == ID_OCSP_RESPONSE else None
