"""Building revocation lists (RFC 5280 §5): full, delta and shard; no storage, no clock of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier

from kernel.errors import MalformedInput
from pki import asn1
from pki.algorithms import PrivateKey, certificate_hash
from pki.instants import whole_second
from pki.locations import distribution_point
from pki.profiles import CRLS, CrlProfile

HOLD = "certificateHold"
LIFTED = "removeFromCRL"
# ITU-T X.509 §9.5.2.8: since when certificates that are over stay on the list.
_EXPIRED_CERTS_ON_CRL = ObjectIdentifier("2.5.29.60")
_SERIAL_BITS = 159


@dataclass(frozen=True, slots=True)
class Revoked:
    """One line of a revocation list; ``reason`` is the RFC 5280 §5.3.1 name, e.g. ``keyCompromise``.

    ``invalid_since``: since when the key may have been in other hands (§5.3.2).
    """

    serial: int
    revoked_at: datetime
    reason: str = "unspecified"
    invalid_since: datetime | None = None


def crl_profile(issuer: str) -> CrlProfile:
    """How long the lists of that authority live: of a root longer than of one that issues to people."""
    return CRLS["root" if is_root(issuer) else "intermediate"]


def is_root(issuer: str) -> bool:
    """Whether the short name is a root's: ``root``, or ``root-2`` after a change of its key."""
    return issuer.partition("-")[0] == "root"


def build_crl(
    issuer_key: PrivateKey,
    issuer_certificate: x509.Certificate,
    revoked: Iterable[Revoked],
    number: int,
    now: datetime,
    profile: CrlProfile = CRLS["intermediate"],
    *,
    base: int | None = None,
    shard_url: str | None = None,
    delta_url: str | None = None,
) -> bytes:
    """A revocation list (DER) of everything the issuer ever revoked; expired certificates stay on it.

    With ``base`` a delta to the full list of that number; with ``shard_url`` the shard that is published there;
    ``delta_url`` says in a full list where its delta is.
    """
    this_update = whole_second(now)
    # All lines at once: the builder copies its list with every line that is added to it.
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer_certificate.subject,
        last_update=this_update,
        next_update=this_update + profile.life,
        revoked_certificates=[_crl_entry(line) for line in revoked],
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in _extensions(issuer_certificate, base, shard_url, delta_url):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, certificate_hash(issuer_key)).public_bytes(Encoding.DER)


def reason_flag(reason: str) -> x509.ReasonFlags:
    """The RFC 5280 §5.3.1 reason of that name; raises MalformedInput."""
    try:
        return x509.ReasonFlags(reason)
    except ValueError as error:
        raise MalformedInput("no such reason of revocation", reason=str(reason)[:32]) from error


def _extensions(
    issuer: x509.Certificate, base: int | None, shard_url: str | None, delta_url: str | None
) -> list[tuple[x509.ExtensionType, bool]]:
    if base is not None:
        return [(x509.DeltaCRLIndicator(base), True)]
    since = asn1.encode(asn1.GeneralizedTime(issuer.not_valid_before_utc))
    chosen: list[tuple[x509.ExtensionType, bool]] = [
        (x509.UnrecognizedExtension(_EXPIRED_CERTS_ON_CRL, since), False)
    ]
    if shard_url is not None:
        chosen.append((_shard_point(shard_url), True))
    if delta_url is not None:
        chosen.append((x509.FreshestCRL([distribution_point(delta_url)]), False))
    return chosen


def _shard_point(url: str) -> x509.IssuingDistributionPoint:
    # RFC 5280 §5.2.5: the same name as in the certificates that it covers.
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _crl_entry(line: Revoked) -> x509.RevokedCertificate:
    # By the builder's constructor, which takes a naive UTC time: its methods copy it at every step.
    if not 0 < line.serial < 1 << _SERIAL_BITS:
        raise MalformedInput("a serial number is positive and has at most 20 octets")
    at = whole_second(line.revoked_at).replace(tzinfo=None)
    extensions = _reason_extensions(line.reason)
    if line.invalid_since is not None:
        since = x509.InvalidityDate(whole_second(line.invalid_since).replace(tzinfo=None))
        extensions = [*extensions, x509.Extension(since.oid, False, since)]
    return x509.RevokedCertificateBuilder(line.serial, at, extensions).build()


@lru_cache(maxsize=16)
def _reason_extensions(reason: str) -> list[x509.Extension[x509.ExtensionType]]:
    if reason == "unspecified":  # RFC 5280 §5.3.1: unspecified is said by leaving the reason out.
        return []
    value = x509.CRLReason(reason_flag(reason))
    return [x509.Extension(value.oid, False, value)]
