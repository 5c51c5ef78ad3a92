"""What a certificate may have beyond the defaults of its profile, and the judgement whether it may.

A registrar varies; a request wishes (``requests.wishes_of``) and the registrar takes its wishes up or not.
Whoever asks, what the profile does not allow is refused, never dropped in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta

from cryptography import x509
from cryptography.x509 import ObjectIdentifier

from kernel.errors import LimitExceeded
from pki.errors import ExtensionForbidden, RequestInvalid
from pki.profiles.model import Policy, Profile

_MAX_NAME = 253
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_DNS = re.compile(rf"(\*\.)?({_LABEL}\.)+{_LABEL}")
_EMAIL = re.compile(
    rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+)*@({_LABEL}\.)+{_LABEL}"
)
_URI = re.compile(r"(https?://[a-z0-9.-]+(:\d{1,5})?(/[!-~]*)?|urn:[a-z0-9][a-z0-9-]{0,31}:[!-~]+)")


@dataclass(frozen=True, slots=True)
class Variation:
    """None or empty: as the profile says. Usages by the names of ``x509.KeyUsage``; hosts in small letters."""

    life: timedelta | None = None
    key_usages: frozenset[str] | None = None
    purposes: tuple[ObjectIdentifier, ...] | None = None
    emails: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    policies: tuple[ObjectIdentifier, ...] = ()

    @property
    def without_names(self) -> Variation:
        """What may be the same for many subjects."""
        return replace(self, life=None, emails=(), dns_names=(), uris=())


PLAIN = Variation()


def life_of(profile: Profile, variation: Variation) -> timedelta:
    """Raises RequestInvalid for a life outside the bounds of the profile."""
    life = profile.lives.default if variation.life is None else variation.life
    if not profile.lives.at_least <= life <= profile.lives.at_most:
        raise RequestInvalid(
            "the profile allows no such life",
            profile=profile.name,
            at_least_days=profile.lives.at_least.days,
            at_most_days=profile.lives.at_most.days,
        )
    return life


def usages_of(profile: Profile, kind: str, variation: Variation) -> frozenset[str]:
    """Raises ExtensionForbidden for a usage that may not be added, or one that may not be left out."""
    default, rules = profile.usage.of(kind), profile.usage
    if variation.key_usages is None:
        return default
    chosen = variation.key_usages
    wrong = (chosen - default - rules.may_add) | (default - chosen - rules.may_drop)
    if wrong or not chosen:
        raise ExtensionForbidden(
            "the profile allows no such key usage", profile=profile.name, key_usages=sorted(wrong)
        )
    return chosen


def purposes_of(profile: Profile, variation: Variation) -> tuple[ObjectIdentifier, ...]:
    """Raises ExtensionForbidden; the profile's own purposes are always among them."""
    rules = profile.purposes
    if variation.purposes is None:
        return rules.default
    chosen = set(variation.purposes)
    wrong = (chosen - set(rules.default) - rules.may_add) | (set(rules.default) - chosen)
    if wrong:
        raise ExtensionForbidden(
            "the profile allows no such purpose",
            profile=profile.name,
            purposes=sorted(purpose.dotted_string for purpose in wrong),
        )
    added = sorted(chosen - set(rules.default), key=lambda purpose: purpose.dotted_string)
    return (*rules.default, *added)


def policies_of(profile: Profile, variation: Variation) -> tuple[Policy, ...]:
    """Raises ExtensionForbidden for a policy that may not be added."""
    known = {policy.oid for policy in profile.policies}
    added = [oid for oid in dict.fromkeys(variation.policies) if oid not in known]
    if wrong := [oid.dotted_string for oid in added if oid not in profile.may_add_policies]:
        raise ExtensionForbidden(
            "the profile allows no such policy", profile=profile.name, policies=sorted(wrong)
        )
    return (*profile.policies, *(Policy(oid) for oid in added))


def names_of(profile: Profile, variation: Variation) -> x509.SubjectAlternativeName | None:
    """The alternative names, if any; raises ExtensionForbidden (kind, form) or LimitExceeded (number)."""
    rules = profile.alternative_names
    given = {"email": variation.emails, "dns": variation.dns_names, "uri": variation.uris}
    present = frozenset(kind for kind, values in given.items() if values)
    if not present and not rules.required:
        return None
    if wrong := (present - rules.allowed) | (rules.required - present):
        raise ExtensionForbidden(
            "the profile demands or allows other kinds of names", profile=profile.name, kinds=sorted(wrong)
        )
    if sum(len(set(values)) for values in given.values()) > rules.at_most:
        raise LimitExceeded("too many alternative names", limit=rules.at_most)
    return x509.SubjectAlternativeName(
        [
            *(x509.RFC822Name(_formed(text, _EMAIL)) for text in dict.fromkeys(variation.emails)),
            *(x509.DNSName(_formed(text, _DNS)) for text in dict.fromkeys(variation.dns_names)),
            *(x509.UniformResourceIdentifier(_formed(text, _URI)) for text in dict.fromkeys(variation.uris)),
        ]
    )


def _formed(text: str, pattern: re.Pattern[str]) -> str:
    if len(text) > _MAX_NAME or pattern.fullmatch(text) is None:
        raise ExtensionForbidden("not the form of an alternative name", name=text[:80])
    return text
