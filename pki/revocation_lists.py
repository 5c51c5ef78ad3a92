"""Building revocation lists (RFC 5280 §5); no storage, no clock of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.errors import MalformedInput
from pki.algorithms import PrivateKey, certificate_hash
from pki.instants import whole_second
from pki.profiles import CRLS, CrlProfile

LIFTED = "removeFromCRL"


@dataclass(frozen=True, slots=True)
class Revoked:
    """One line of a revocation list; ``reason`` is the RFC 5280 §5.3.1 name, e.g. ``keyCompromise``."""

    serial: int
    revoked_at: datetime
    reason: str = "unspecified"


def build_crl(
    issuer_key: PrivateKey,
    issuer_certificate: x509.Certificate,
    revoked: Iterable[Revoked],
    number: int,
    now: datetime,
    profile: CrlProfile = CRLS["intermediate"],
) -> bytes:
    """A full revocation list (DER) of everything the issuer ever revoked; expired certificates stay on it."""
    this_update = whole_second(now)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer_certificate.subject,
        last_update=this_update,
        next_update=this_update + profile.life,
        revoked_certificates=[_crl_entry(entry) for entry in revoked],
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    return builder.sign(issuer_key, certificate_hash(issuer_key)).public_bytes(Encoding.DER)


def _crl_entry(entry: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(entry.serial)
    builder = builder.revocation_date(whole_second(entry.revoked_at))
    if entry.reason != "unspecified":  # RFC 5280 §5.3.1: unspecified is said by leaving the reason out.
        builder = builder.add_extension(x509.CRLReason(reason_flag(entry.reason)), critical=False)
    return builder.build()


def reason_flag(reason: str) -> x509.ReasonFlags:
    """The RFC 5280 §5.3.1 reason of that name; raises MalformedInput."""
    try:
        return x509.ReasonFlags(reason)
    except ValueError as error:
        raise MalformedInput("no such reason of revocation", reason=str(reason)[:32]) from error
