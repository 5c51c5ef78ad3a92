"""ASN.1 structures of OCSP (RFC 6960 §4), read and written with the strict codec of ``pki.asn1``.

Shapes only; what a request may hold is judged in ocsp_request.py, and what an answer proves in ocsp_answer.py.
No shape here nests without bound: what is of any type stays bytes (``Tlv``) and is never entered.
"""

from __future__ import annotations

from typing import Annotated, Literal

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from pki.asn1 import HashAlgorithm, SignatureAlgorithm, decode, encode, tlv

Variant = asn1.Variant
ID_BASIC = ObjectIdentifier("1.3.6.1.5.5.7.48.1.1")
ID_NONCE = ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")

SUCCESSFUL = 0
MALFORMED_REQUEST = 1
INTERNAL_ERROR = 2
TRY_LATER = 3
UNAUTHORIZED = 6

# RFC 5280 §5.3.1; "unspecified" is said by leaving the reason out.
REASON_NUMBERS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "removeFromCRL": 8,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
REASON_NAMES = {number: name for name, number in REASON_NUMBERS.items()}
_ENUMERATED = b"\x0a"


@asn1.sequence
class CertId:
    """Issuer by the digests of its name and key, certificate by serial number."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int


@asn1.sequence
class Extension:
    id: ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class SingleRequest:
    cert_id: CertId
    extensions: Annotated[list[Extension] | None, asn1.Explicit(0)]


@asn1.sequence
class TbsRequest:
    """``requestor`` holds one GeneralName."""

    version: Annotated[int, asn1.Default(0), asn1.Explicit(0)]
    requestor: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    requests: list[SingleRequest]
    extensions: Annotated[list[Extension] | None, asn1.Explicit(2)]


@asn1.sequence
class RequestSignature:
    algorithm: asn1.TLV
    signature: asn1.BitString
    certificates: Annotated[list[asn1.TLV] | None, asn1.Explicit(0)]


@asn1.sequence
class OcspRequest:
    tbs: TbsRequest
    signature: Annotated[RequestSignature | None, asn1.Explicit(0)]


@asn1.sequence
class RevokedInfo:
    """``reason`` holds one ENUMERATED (``enumerated``, ``number_of``)."""

    revoked_at: asn1.GeneralizedTime
    reason: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]


CertStatus = (
    Annotated[asn1.Variant[asn1.Null, Literal["good"]], asn1.Implicit(0)]
    | Annotated[asn1.Variant[RevokedInfo, Literal["revoked"]], asn1.Implicit(1)]
    | Annotated[asn1.Variant[asn1.Null, Literal["unknown"]], asn1.Implicit(2)]
)


@asn1.sequence
class SingleResponse:
    cert_id: CertId
    status: CertStatus
    this_update: asn1.GeneralizedTime
    next_update: Annotated[asn1.GeneralizedTime | None, asn1.Explicit(0)]
    extensions: Annotated[list[Extension] | None, asn1.Explicit(1)]


@asn1.sequence
class ResponseData:
    version: Annotated[int, asn1.Default(0), asn1.Explicit(0)]
    responder: (
        Annotated[asn1.Variant[asn1.TLV, Literal["name"]], asn1.Explicit(1)]
        | Annotated[asn1.Variant[bytes, Literal["key"]], asn1.Explicit(2)]
    )
    produced_at: asn1.GeneralizedTime
    responses: list[SingleResponse]
    extensions: Annotated[list[Extension] | None, asn1.Explicit(1)]


@asn1.sequence
class BasicResponse:
    """With the signed part as it was signed (``ResponseData``)."""

    tbs: asn1.TLV
    algorithm: SignatureAlgorithm
    signature: asn1.BitString
    certificates: Annotated[list[asn1.TLV] | None, asn1.Explicit(0)]


@asn1.sequence
class ResponseBytes:
    type: ObjectIdentifier
    response: bytes


@asn1.sequence
class OcspResponse:
    """``status`` is one ENUMERATED (``enumerated``, ``number_of``)."""

    status: asn1.TLV
    response: Annotated[ResponseBytes | None, asn1.Explicit(0)]


@asn1.sequence
class SubjectPublicKeyInfo:
    algorithm: asn1.TLV
    key: asn1.BitString


def enumerated(number: int) -> asn1.TLV:
    """An ENUMERATED below 128."""
    return tlv(bytes((_ENUMERATED[0], 1, number)))


def number_of(value: asn1.TLV) -> int | None:
    """The number of such an ENUMERATED; None for anything else."""
    der = encode(value)
    return der[2] if der[:2] == _ENUMERATED + b"\x01" and len(der) == 3 and der[2] < 128 else None


def failure(status: int) -> bytes:
    """The whole unsigned answer that tells of an error (RFC 6960 §2.3)."""
    return encode(OcspResponse(status=enumerated(status), response=None))


def key_bits(spki: bytes) -> bytes:
    """The bits of a public key, which CertID and ResponderID digest (RFC 6960 §4.1.1)."""
    return decode(SubjectPublicKeyInfo, spki).key.as_bytes()
