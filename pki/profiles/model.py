"""What a profile says: for each part of a certificate a default, and how far a registrar may go from it.

Profiles are compared by identity: one object for each file that was read. Durations are ``timedelta``, key
usages carry the names of ``x509.KeyUsage``, purposes and policies are object identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from cryptography.x509 import ObjectIdentifier

from pki.errors import SubjectForbidden
from pki.names import Subject

SubjectKind = Literal["person", "organisation", "authority"]
LintRules = Literal[
    "pkix",
    "etsi-natural-person",
    "etsi-legal-person",
    "etsi-legal-person-web",
    "etsi-qualified-natural-person",
]


@dataclass(frozen=True, slots=True)
class SubjectRules:
    """``required`` and ``allowed`` name attributes as ``Subject.attributes`` does; ``country`` is the default.

    A person has givenName or surname (ETSI EN 319 412-2 NAT-4.2.4-1); where only a whole name is registered, it
    stands as surname. An organisation has organizationName and organizationIdentifier (EN 319 412-3
    LEG-4.2.1-2), by default its common name and its party.
    """

    kind: SubjectKind
    country: str | None
    required: frozenset[str]
    allowed: frozenset[str]

    def complete(self, subject: Subject) -> Subject:
        """The subject with its defaults; raises SubjectForbidden for what is missing or not allowed."""
        full = Subject(
            subject.common_name,
            subject.party,
            self._organization(subject),
            self._organization_identifier(subject),
            subject.given_name,
            self._surname(subject),
            subject.country or self.country,
        )
        present = full.attributes
        if missing := self.required - present:
            raise SubjectForbidden("the subject lacks what its profile demands", missing=sorted(missing))
        if foreign := present - self.allowed:
            raise SubjectForbidden("the subject holds what its profile forbids", forbidden=sorted(foreign))
        return full

    def _surname(self, subject: Subject) -> str | None:
        if self.kind == "person" and subject.given_name is None and subject.surname is None:
            return subject.common_name
        return subject.surname

    def _organization(self, subject: Subject) -> str | None:
        return subject.organization or (subject.common_name if self.kind != "person" else None)

    def _organization_identifier(self, subject: Subject) -> str | None:
        own = subject.party if self.kind == "organisation" else None
        return subject.organization_identifier or own


@dataclass(frozen=True, slots=True)
class Lives:
    """How long a certificate lives if nobody says otherwise, and between which bounds it may."""

    default: timedelta
    at_least: timedelta
    at_most: timedelta


@dataclass(frozen=True, slots=True)
class KeyRules:
    """Accepted kinds (``algorithms.key_kind``) and, for RSA, the bits from and to."""

    kinds: frozenset[str]
    default: str
    rsa_bits: tuple[int, int]


@dataclass(frozen=True, slots=True)
class UsageRules:
    """Key usages; ``by_kind`` replaces the default for a kind of key that works otherwise."""

    default: frozenset[str]
    by_kind: Mapping[str, frozenset[str]]
    may_add: frozenset[str]
    may_drop: frozenset[str]

    def of(self, kind: str) -> frozenset[str]:
        """The default for that kind of key."""
        return self.by_kind.get(kind, self.default)


@dataclass(frozen=True, slots=True)
class PurposeRules:
    """Extended key usages, the default in the order in which they are written."""

    default: tuple[ObjectIdentifier, ...]
    may_add: frozenset[ObjectIdentifier]
    critical: bool


@dataclass(frozen=True, slots=True)
class AlternativeNameRules:
    """Kinds of names: ``email``, ``dns``, ``uri``; how many altogether."""

    allowed: frozenset[str]
    required: frozenset[str]
    at_most: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A certificate policy, and where its practice statement is published (RFC 5280 §4.2.1.4)."""

    oid: ObjectIdentifier
    cps: str | None = None


@dataclass(frozen=True, slots=True)
class Qualified:
    """What an authority declares of a qualified certificate (ETSI EN 319 412-5 §4).

    ``legislation``: the countries under whose law it is qualified, none for the European Union. ``disclosure``:
    pairs of https address and language. Only a licensed authority may declare any of this.
    """

    compliance: bool
    device: bool
    legislation: tuple[str, ...]
    type: Literal["esign", "eseal", "web"] | None
    retention_years: int | None
    disclosure: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LintChoice:
    """By which rules the finished certificate is judged, and which findings of level error are accepted."""

    rules: LintRules
    accepted: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """``from_outside``: whether people and organisations may ask for it through a request.

    ``revocable``: whether its certificates say where their revocation is listed. ``never_checked``: nobody asks
    whether it was revoked (id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1).
    """

    name: str
    summary: str
    from_outside: bool
    subject: SubjectRules
    lives: Lives
    keys: KeyRules
    usage: UsageRules
    purposes: PurposeRules
    alternative_names: AlternativeNameRules
    policies: tuple[Policy, ...]
    may_add_policies: frozenset[ObjectIdentifier]
    qualified: Qualified | None
    path_length: int | None
    revocable: bool
    never_checked: bool
    lint: LintChoice

    @property
    def life(self) -> timedelta:
        """The default life."""
        return self.lives.default

    @property
    def key_usages(self) -> frozenset[str]:
        """The default key usages."""
        return self.usage.default

    @property
    def is_authority(self) -> bool:
        """Whether its certificates may certify others."""
        return "key_cert_sign" in self.usage.default


@dataclass(frozen=True, slots=True)
class CrlProfile:
    """A revocation list is re-issued after half of its life."""

    life: timedelta

    @property
    def renew_after(self) -> timedelta:
        return self.life / 2
