"""Detached CAdES signatures: B-B, and B-T with a signature time stamp (ETSI EN 319 122-1 §6).

A verification runs (1) the form of the signature and its signed attributes and (2) the content and the
signature value (both in pki.signed_data, which numbers their parts); (3) the time stamp over the signature
value, if there is one; (4) the signer's certificate, at the time of that stamp, else at ``now``; (5) the
party that must have signed. The claimed signing time decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from kernel.errors import DomainError
from pki.names import party_of
from pki.signed_data import (
    SignedContent,
    SignedDataInvalid,
    Signer,
    check_content,
    parse_signed_data,
    sign_data,
)
from pki.timestamp import Timestamp, verify_token
from pki.trust import Revocations, TrustStore
from signing.errors import SignatureInvalid, WrongSigner

__all__ = [
    "SignatureReport",
    "Signer",
    "examine_detached",
    "sign_detached",
    "signature_value",
    "signer_certificates",
    "verify_detached",
]


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What a verification found. ``code`` is ``ok`` or that of the refusal; None: not reached."""

    valid: bool
    code: str
    detail: str
    party: str | None = None
    certificate: x509.Certificate | None = None
    signing_time: datetime | None = None
    timestamp: Timestamp | None = None
    timestamp_token: bytes | None = None
    signature_value: bytes | None = None


def sign_detached(
    content: bytes,
    signer: Signer,
    *,
    at: datetime | None,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """The DER of a signature over ``content``; ``timestamp`` maps the signature value to a token.

    ``at`` is the time that it claims; None in a PDF, whose signature dictionary claims it (EN 319 142-1 §6.3).
    """
    return sign_data(content, signer, signing_time=at, timestamp=timestamp)


def verify_detached(
    content: bytes,
    der: bytes,
    trust: TrustStore,
    *,
    now: datetime,
    party: str | None = None,
    require_timestamp: bool = False,
    claims_time: bool = True,
    revocation: Revocations = "at",
) -> SignatureReport:
    """The report of a valid signature; without ``claims_time`` it must not name a time, as in a PDF.

    Whoever takes a signature in judges it with ``revocation`` ``ever``: a list that is known already refuses it, even
    where it takes effect a moment later.

    Raises SignatureInvalid, WrongSigner, TimestampInvalid, CertificateUntrusted, CertificateExpired,
    CertificateRevoked or RevocationUnknown.
    """
    signed = _parse(der, claims_time)  # (1)
    _check(signed, content)  # (2)
    if require_timestamp and signed.timestamp is None:
        raise SignatureInvalid("the signature carries no time stamp")
    stamp = (
        None if signed.timestamp is None else verify_token(signed.timestamp, signed.signature, trust)
    )  # (3)
    at = now if stamp is None else stamp.time
    validated = trust.validate(  # (4)
        signed.certificate, signed.others, at, "signature", revocation=revocation
    )
    if not validated.needs(signed.others):
        raise SignatureInvalid("the signature carries certificates that it does not need")
    if party is not None and validated.party != party:  # (5)
        raise WrongSigner("another party signed", expected=party, signed_by=validated.party)
    return SignatureReport(
        valid=True,
        code="ok",
        detail="",
        party=validated.party,
        certificate=signed.certificate,
        signing_time=signed.signing_time,
        timestamp=stamp,
        timestamp_token=signed.timestamp,
        signature_value=signed.signature,
    )


def examine_detached(content: bytes, der: bytes, trust: TrustStore, *, now: datetime) -> SignatureReport:
    """As ``verify_detached``, but refusals are told in the report; their party is only a claim."""
    try:
        return verify_detached(content, der, trust, now=now)
    except DomainError as error:
        return _refused(der, error)


def signature_value(der: bytes) -> bytes:
    """The value that a signature time stamp covers; raises SignatureInvalid."""
    return _parse(der).signature


def signer_certificates(der: bytes) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """The signer's certificate and the others inside, none of them judged; raises SignatureInvalid."""
    signed = _parse(der)
    return signed.certificate, signed.others


def _refused(der: bytes, error: DomainError) -> SignatureReport:
    try:
        signed = _parse(der)
    except SignatureInvalid:
        return SignatureReport(False, error.code, error.detail)
    try:
        party: str | None = party_of(signed.certificate)
    except DomainError:
        party = None
    return SignatureReport(
        valid=False,
        code=error.code,
        detail=error.detail,
        party=party,
        certificate=signed.certificate,
        signing_time=signed.signing_time,
        signature_value=signed.signature,
    )


def _parse(der: bytes, claims_time: bool = True) -> SignedContent:
    try:
        signed = parse_signed_data(der)
    except SignedDataInvalid as error:
        raise SignatureInvalid(str(error)) from error
    # EN 319 122-1 §6.3: required at the baseline levels; EN 319 142-1 §6.3: not present in a PDF.
    if (signed.signing_time is not None) is not claims_time:
        raise SignatureInvalid(
            "the signing time is missing" if claims_time else "a signing time has no place here"
        )
    return signed


def _check(signed: SignedContent, content: bytes) -> None:
    try:
        check_content(signed, content)
    except SignedDataInvalid as error:
        raise SignatureInvalid(str(error)) from error
