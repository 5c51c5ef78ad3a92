"""An OCSP answer as read by a verifier (RFC 6960 §3.2), strictly. What is checked, numbered here and where it runs:

(1) the bytes are DER, within the limit, of a successful basic answer without critical extensions;
(2) exactly one of its parts is about this certificate of this issuer;
(3) the answer names its signer, whose certificate the issuer itself gave for OCSP signing, with nocheck
    (RFC 6960 §4.2.2.2), or the signer is the issuer;
(4) the signature holds;
(5) certificate of the signer and answer hold at the instant; without nextUpdate an answer holds for nothing;
(6) the nonce, if one was asked with, is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import algorithms, asn1
from pki.asn1.ocsp import (
    ID_BASIC,
    ID_NONCE,
    REASON_NAMES,
    SUCCESSFUL,
    BasicResponse,
    Extension,
    OcspResponse,
    ResponseData,
    RevokedInfo,
    SingleResponse,
    key_bits,
    number_of,
)
from pki.errors import RevocationUnknown
from pki.ocsp_request import CERT_ID_DIGESTS, cert_id

MAX_ANSWER_BYTES = 64 * 1024
MAX_CERTIFICATES = 10
MAX_RESPONSES = 100


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """``kind``: ``good``, ``revoked`` (then with time and reason) or ``unknown``; from when to when that holds."""

    kind: str
    revoked_at: datetime | None
    reason: str | None
    produced_at: datetime
    this_update: datetime
    next_update: datetime
    signer: x509.Certificate


def verify_answer(
    der: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    *,
    at: datetime,
    nonce: bytes | None = None,
    skew: timedelta = timedelta(0),
) -> CertificateStatus:
    """What the answer proves of ``certificate`` at that instant; raises RevocationUnknown naming what is wrong.

    ``issuer`` is an authority that the caller trusts already. ``skew`` is how far the responder's clock may be ahead.
    """
    try:
        basic, data = read_answer(der)
        single = _about(data.responses, certificate, issuer)
        signer = _signer(basic, data, issuer)
        _check_signature(basic, signer)
        status = _status(single, data, signer)
    except Exception as error:  # InvalidSignature and DuplicateExtension, for two, are no ValueErrors.
        why = str(error) or "a signature does not hold"
        raise RevocationUnknown(f"the OCSP answer proves nothing: {why}") from error
    _check_dates(status, signer, issuer, at, skew)
    if nonce is not None and _nonce(data.extensions) != nonce:
        raise RevocationUnknown("the OCSP answer is to another question")
    return status


def read_answer(der: bytes) -> tuple[BasicResponse, ResponseData]:
    """The form alone (1); raises ValueError. Whose it is and what it says is unjudged."""
    _expect(len(der) <= MAX_ANSWER_BYTES, "it is too long")  # (1)
    response = asn1.decode(OcspResponse, der)
    _expect(number_of(response.status) == SUCCESSFUL, "the responder refused to answer")
    if response.response is None or response.response.type != ID_BASIC:
        raise ValueError("it is not a basic answer")
    basic = asn1.decode(BasicResponse, response.response.response)
    data = asn1.parse_value(ResponseData, basic.tbs)
    _expect(data.version == 0 and len(data.responses) <= MAX_RESPONSES, "unknown version, or too many parts")
    for extensions in (data.extensions, *(each.extensions for each in data.responses)):
        _expect(not any(each.critical for each in extensions or ()), "a critical extension is not known")
    _expect(basic.signature.padding_bits() == 0, "the signature does not fill its octets")
    return basic, data


def _about(
    responses: Sequence[SingleResponse], certificate: x509.Certificate, issuer: x509.Certificate
) -> SingleResponse:
    certificate.verify_directly_issued_by(issuer)  # (2)
    found = [each for each in responses if _is_about(each, certificate, issuer)]
    _expect(len(found) == 1, "it is not about this certificate")
    return found[0]


def _is_about(single: SingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    digest = CERT_ID_DIGESTS.get(single.cert_id.hash_algorithm.algorithm)
    if digest is None:
        return False
    expected = cert_id(certificate.serial_number, issuer, digest)
    found = single.cert_id
    return (found.issuer_name_hash, found.issuer_key_hash, found.serial_number) == (
        expected.issuer_name_hash,
        expected.issuer_key_hash,
        expected.serial_number,
    )


def _signer(basic: BasicResponse, data: ResponseData, issuer: x509.Certificate) -> x509.Certificate:
    if _is_named(data, issuer):  # (3)
        return issuer
    given = basic.certificates or []
    _expect(len(given) <= MAX_CERTIFICATES, "too many certificates")
    for certificate in (x509.load_der_x509_certificate(asn1.encode(each)) for each in given):
        if _is_named(data, certificate) and certificate.issuer == issuer.subject:
            _check_delegation(certificate, issuer)
            return certificate
    raise ValueError("no certificate of its signer is from the issuer")


def _is_named(data: ResponseData, certificate: x509.Certificate) -> bool:
    if data.responder.tag == "name":
        return asn1.encode(data.responder.value) == certificate.subject.public_bytes()
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha1(key_bits(spki), usedforsecurity=False).digest()
    return bool(data.responder.value == digest)


def _check_delegation(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    certificate.verify_directly_issued_by(issuer)
    _expect(asn1.fills_its_octets(algorithms.der_of(certificate)), "the signature does not fill its octets")
    extensions = certificate.extensions
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound as error:
        raise ValueError("its signer is not made for signing answers") from error
    _expect(ExtendedKeyUsageOID.OCSP_SIGNING in purposes, "its signer is not made for signing answers")
    _expect(usage.digital_signature, "its signer may not sign")


def _check_signature(basic: BasicResponse, signer: x509.Certificate) -> None:
    algorithm = basic.algorithm  # (4)
    digest = algorithms.digest_of_signature(algorithm)
    key = algorithms.public_key_of(signer)
    algorithms.verify(key, algorithm, digest, basic.signature.as_bytes(), asn1.encode(basic.tbs))


def _status(single: SingleResponse, data: ResponseData, signer: x509.Certificate) -> CertificateStatus:
    if single.next_update is None:
        raise ValueError("it says of no time when it ends")
    revoked_at, reason = None, None
    info = single.status.value
    if isinstance(info, RevokedInfo):
        revoked_at = _instant(info.revoked_at)
        reason = _reason(info)
    return CertificateStatus(
        kind=single.status.tag,
        revoked_at=revoked_at,
        reason=reason,
        produced_at=_instant(data.produced_at),
        this_update=_instant(single.this_update),
        next_update=_instant(single.next_update),
        signer=signer,
    )


def _reason(info: RevokedInfo) -> str:
    if info.reason is None:
        return "unspecified"
    _expect(len(info.reason) == 1, "the reason is not one number")
    number = number_of(info.reason[0])
    if number not in REASON_NAMES:
        raise ValueError("the reason is not known")
    return REASON_NAMES[number]


def _check_dates(
    status: CertificateStatus,
    signer: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime,
    skew: timedelta,
) -> None:
    lives = signer.not_valid_before_utc <= at <= signer.not_valid_after_utc  # (5)
    lives = lives and issuer.not_valid_before_utc <= at <= issuer.not_valid_after_utc
    if not lives or not status.this_update - skew <= at < status.next_update:
        raise RevocationUnknown("the OCSP answer does not hold at that time")


def _nonce(extensions: Sequence[Extension] | None) -> bytes | None:
    found = [each.value for each in extensions or () if each.id == ID_NONCE]  # (6)
    try:
        return asn1.decode(bytes, found[0]) if len(found) == 1 else None
    except asn1.NotDer:
        return None


def _instant(time: asn1.GeneralizedTime) -> datetime:
    return time.as_datetime().replace(tzinfo=UTC)


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)
