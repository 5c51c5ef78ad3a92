"""A whole public key infrastructure in memory: real certificates, revocation lists and time stamps.

authority = make_authority()
bidder = authority.person("IR-0012345678", "زهرا مرادی")            # a signing.cms.Signer
key, certificate = authority.member_encryption("IR-0099999999", "...")
signature = sign_detached(b"...", bidder, at=authority.now, timestamp=authority.stamp)
verify_detached(b"...", signature, authority.trust_store(), now=authority.now)
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from kernel.clock import Clock, FixedClock
from pki.algorithms import PrivateKey, fingerprint_of
from pki.authority import build, build_intermediate, build_root, make_request, new_serial
from pki.locations import Locations
from pki.names import Subject
from pki.profiles import (
    CRLS,
    MEMBER_ENCRYPTION,
    ORGANISATION_SEAL,
    PERSON_SIGNING,
    SERVICE_SEAL,
    TSA,
    Profile,
)
from pki.revocation_lists import Revoked, build_crl
from pki.signed_data import Signer
from pki.timestamp import TimeStampAuthority, token_of_response
from pki.timestamp import make_request as make_timestamp_request
from pki.trust import TrustStore
from pki.variation import PLAIN, Variation

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
POLICY = "2.25.278621877218977492759295331449423114744"


class MemoryAuthority:
    """Root, intermediate and time-stamping authority; ``clock`` is the time of everything it makes.

    ``base_url`` is where its certificates say that lists and answers are.
    """

    def __init__(self, clock: Clock, name: str = "Test", base_url: str | None = None) -> None:
        self.clock = clock
        self.base_url = base_url
        self.root_key = make_key()
        self.root = build_root(
            self.root_key, Subject(f"{name} Root", f"IRO-{name}-ROOT"), serial=new_serial(), now=self.now
        )
        self.intermediate_key = make_key()
        subject = Subject(f"{name} Intermediate", f"IRO-{name}-CA")
        self.intermediate = build_intermediate(
            make_request(self.intermediate_key, subject),
            subject,
            self.root_key,
            self.root,
            serial=new_serial(),
            now=self.now,
            locations=Locations.below(base_url, "root"),
        )
        self._revoked: dict[str, tuple[x509.Certificate, Revoked]] = {}
        self._numbers = itertools.count(1)
        self._serials = itertools.count(1)
        self.tsa_signer = self.signer(TSA, f"IRO-{name}-TSA", f"{name} Time Stamping")
        self.tsa = TimeStampAuthority(self.tsa_signer, POLICY, lambda: next(self._serials), clock)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def person(
        self, party: str, name: str = "Person", *, kind: str = "P-256", organization: str | None = None
    ) -> Signer:
        """A person with a fresh signing key."""
        return self.signer(PERSON_SIGNING, party, name, kind=kind, organization=organization)

    def organisation(self, party: str, name: str = "Organisation") -> Signer:
        """An organisation's seal."""
        return self.signer(ORGANISATION_SEAL, party, name)

    def service(self, party: str, name: str = "Service") -> Signer:
        """A service's seal: receipt key or custodian."""
        return self.signer(SERVICE_SEAL, party, name)

    def member_encryption(
        self, party: str, name: str = "Member"
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """A member's key-agreement key and certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        return key, self.certify(key, MEMBER_ENCRYPTION, party, name)

    def signer(
        self,
        profile: Profile,
        party: str,
        name: str,
        *,
        kind: str = "P-256",
        organization: str | None = None,
        variation: Variation = PLAIN,
    ) -> Signer:
        """A fresh key with a certificate of any profile."""
        key = make_key(kind)
        certificate = self.certify(key, profile, party, name, organization, variation)
        return Signer(key, certificate, (self.intermediate,))

    def certify(
        self,
        key: PrivateKey,
        profile: Profile,
        party: str,
        name: str,
        organization: str | None = None,
        variation: Variation = PLAIN,
    ) -> x509.Certificate:
        """A certificate for a given key, issued now."""
        subject = Subject(name, party, organization)
        return build(
            make_request(key, subject),
            profile,
            subject,
            self.intermediate_key,
            self.intermediate,
            serial=new_serial(),
            now=self.now,
            locations=Locations.below(self.base_url, "intermediate"),
            variation=variation,
        )

    def stamp(self, data: bytes) -> bytes:
        """An RFC 3161 token over ``data``, as ``sign_detached(timestamp=...)`` wants it."""
        return token_of_response(self.tsa.respond(make_timestamp_request(data)))

    def revoke(
        self, certificate: x509.Certificate, *, at: datetime | None = None, reason: str = "keyCompromise"
    ) -> None:
        """Put the certificate on the lists made from now on."""
        entry = Revoked(certificate.serial_number, at or self.now, reason)
        self._revoked[fingerprint_of(certificate)] = (certificate, entry)

    def crls(self) -> list[bytes]:
        """Fresh revocation lists of the intermediate and the root."""
        return [
            build_crl(key, issuer, self._lines(issuer), next(self._numbers), self.now, CRLS[name])
            for key, issuer, name in (
                (self.intermediate_key, self.intermediate, "intermediate"),
                (self.root_key, self.root, "root"),
            )
        ]

    def trust_store(self, *, crls: list[bytes] | None = None) -> TrustStore:
        """A trust store with this root pinned and fresh lists (or the given ones)."""
        return TrustStore([self.root], [self.intermediate], self.crls() if crls is None else crls)

    def _lines(self, issuer: x509.Certificate) -> list[Revoked]:
        return [
            entry for certificate, entry in self._revoked.values() if certificate.issuer == issuer.subject
        ]


def make_authority(
    start: datetime = START,
    *,
    clock: Clock | None = None,
    name: str = "Test",
    base_url: str | None = None,
) -> MemoryAuthority:
    """An authority whose clock stands at ``start`` (``after`` moves it), or runs by ``clock``."""
    return MemoryAuthority(clock or FixedClock(start), name, base_url)


def make_key(kind: str = "P-256") -> PrivateKey:
    """A fresh private key: ``P-256``, ``P-384``, ``RSA``, ``Ed25519`` or ``ML-DSA-65``."""
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ML-DSA-65":
        return mldsa.MLDSA65PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if kind == "P-384" else ec.SECP256R1())


def after(authority: MemoryAuthority, step: timedelta) -> datetime:
    """Move the authority's fixed clock and say what time it is then."""
    if not isinstance(authority.clock, FixedClock):
        raise TypeError("only a fixed clock can be moved")
    authority.clock.advance(step)
    return authority.now
