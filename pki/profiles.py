"""Certificate profiles as data: for each, its life, its key usages, and which keys may ask for it.

The extensions that follow from a profile are built in authority.py (RFC 5280 §4.2). End certificates for
signing carry the extended key usage documentSigning (RFC 9336); a time-stamping certificate carries
timeStamping alone, critical (RFC 3161 §2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

from kernel.errors import MalformedInput

_YEAR = timedelta(days=365)
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
# Ours (ITU-T X.667 UUID arc): the seal of the service itself, which nobody can request from outside. Without
# it a bidder's organisation seal would pass for the server's own.
SERVICE_SEALING = ObjectIdentifier("2.25.128431709796377532473278746088391213579")
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING
BACKDATED = timedelta(minutes=5)
_ALL_KEYS = frozenset({"P-256", "P-384", "RSA", "Ed25519"})


@dataclass(frozen=True, slots=True)
class Profile:
    """``from_outside``: whether people and organisations may ask for it through a request.

    ``never_checked``: nobody asks whether it was revoked (id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1).
    """

    name: str
    life: timedelta
    key_usages: frozenset[str]
    key_kinds: frozenset[str]
    extended_key_usage: ObjectIdentifier | None = None
    extended_critical: bool = False
    path_length: int | None = None
    from_outside: bool = False
    never_checked: bool = False

    @property
    def is_authority(self) -> bool:
        return "key_cert_sign" in self.key_usages


@dataclass(frozen=True, slots=True)
class CrlProfile:
    """A revocation list is re-issued after half of its life."""

    life: timedelta

    @property
    def renew_after(self) -> timedelta:
        return self.life / 2


_AUTHORITY = frozenset({"key_cert_sign", "crl_sign"})
_SIGNING = frozenset({"digital_signature"})

ROOT = Profile("root", 20 * _YEAR, _AUTHORITY, frozenset({"P-256", "P-384"}), path_length=1)
INTERMEDIATE = Profile("intermediate", 10 * _YEAR, _AUTHORITY, frozenset({"P-256", "P-384"}), path_length=0)
PERSON_SIGNING = Profile(
    "person-signing",
    2 * _YEAR,
    frozenset({"digital_signature", "content_commitment"}),
    _ALL_KEYS,
    DOCUMENT_SIGNING,
    from_outside=True,
)
ORGANISATION_SEAL = Profile(
    "organisation-seal", 2 * _YEAR, _SIGNING, _ALL_KEYS, DOCUMENT_SIGNING, from_outside=True
)
MEMBER_ENCRYPTION = Profile(
    "member-encryption", 2 * _YEAR, frozenset({"key_agreement"}), frozenset({"P-256"}), from_outside=True
)
SERVICE_SEAL = Profile("service-seal", 2 * _YEAR, _SIGNING, _ALL_KEYS, SERVICE_SEALING)
TSA = Profile("tsa", 5 * _YEAR, _SIGNING, _ALL_KEYS, TIME_STAMPING, extended_critical=True)
OCSP_RESPONDER = Profile(
    "ocsp-responder", timedelta(days=30), _SIGNING, _ALL_KEYS, OCSP_SIGNING, never_checked=True
)

PROFILES = {
    profile.name: profile
    for profile in (
        ROOT,
        INTERMEDIATE,
        PERSON_SIGNING,
        ORGANISATION_SEAL,
        MEMBER_ENCRYPTION,
        SERVICE_SEAL,
        TSA,
        OCSP_RESPONDER,
    )
}
CRLS = {"root": CrlProfile(timedelta(days=90)), "intermediate": CrlProfile(timedelta(days=7))}


def profile_named(name: str) -> Profile:
    """Raises MalformedInput for a name that is not in the table."""
    if name not in PROFILES:
        raise MalformedInput("no such profile", profile=str(name)[:64])
    return PROFILES[name]
