"""Reading a profile from TOML, strictly: unknown keys, wrong types and contradictions are refused.

A refusal (MalformedInput) names file and key. Shape: docs/formats.md, "Certificate profiles".
"""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import get_args

from kernel.errors import MalformedInput
from pki.algorithms import KEY_KINDS, MAX_ISSUED_RSA_BITS, MIN_RSA_BITS
from pki.names import ATTRIBUTES
from pki.profiles.model import (
    AlternativeNameRules,
    KeyRules,
    LintChoice,
    LintRules,
    Lives,
    Policy,
    Profile,
    PurposeRules,
    Qualified,
    SubjectKind,
    SubjectRules,
    UsageRules,
)
from pki.profiles.purposes import INTERNAL, PURPOSES
from pki.profiles.table import Table

MAX_PROFILE_BYTES = 32 * 1024
MAX_PROFILES = 100
KEY_USAGES = frozenset(
    {
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    }
)
ALTERNATIVE_NAMES = frozenset({"email", "dns", "uri"})
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_FINDING = re.compile(r"[a-z0-9_.-]{1,120}")
_COUNTRY = re.compile(r"[A-Z]{2}")


def read_profile(path: Path) -> Profile:
    """The profile in ``path``, named as the file; raises MalformedInput with ``file`` and ``key``."""
    data = path.read_bytes()
    if len(data) > MAX_PROFILE_BYTES:
        raise MalformedInput("the profile is too long", file=path.name, limit_bytes=MAX_PROFILE_BYTES)
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MalformedInput("the profile is not TOML", file=path.name, why=str(error)) from error
    if _NAME.fullmatch(path.stem) is None:
        raise MalformedInput("a profile's file is named by small letters and dashes", file=path.name[:80])
    return _profile(path.stem, Table(path.name, "", content))


def read_profiles(folder: Path) -> dict[str, Profile]:
    """Every ``*.toml`` of the folder, by name; raises MalformedInput."""
    paths = sorted(folder.glob("*.toml"))
    if len(paths) > MAX_PROFILES:
        raise MalformedInput("too many profiles", limit=MAX_PROFILES)
    return {path.stem: read_profile(path) for path in paths}


def _profile(name: str, table: Table) -> Profile:
    profile = Profile(
        name=name,
        summary=table.take("summary", str),
        from_outside=table.take("from_outside", bool, False),
        subject=table.part("subject", _subject),
        lives=table.part("life", _lives),
        keys=table.part("key", _keys),
        usage=table.part("key_usage", _usage),
        purposes=table.part("purposes", _purposes, {}),
        alternative_names=table.part("alternative_names", _alternative_names, {}),
        policies=table.parts("policy", _policy),
        may_add_policies=frozenset(table.identifiers("may_add_policies", {})),
        qualified=table.part("qualified", _qualified, None),
        path_length=table.number("path_length", 0, 10, None),
        revocable=table.take("revocable", bool, True),
        never_checked=table.take("never_checked", bool, False),
        lint=table.part("lint", _lint),
    )
    table.done()
    _check_together(profile, table)
    return profile


def _subject(table: Table) -> SubjectRules:
    names = frozenset(ATTRIBUTES)
    rules = SubjectRules(
        kind=table.choice("kind", frozenset(get_args(SubjectKind))),
        country=table.matching("country", _COUNTRY, None),
        required=frozenset(table.texts("required", names)),
        allowed=frozenset(table.texts("allowed", names)),
    )
    if not {"common_name", "serial_number"} <= rules.required <= rules.allowed:
        table.refuse("required", "it holds common_name and serial_number, and nothing that is not allowed")
    return rules


def _lives(table: Table) -> Lives:
    default, least, most = (
        timedelta(days=table.number(key, 1, 40 * 366)) for key in ("days", "at_least_days", "at_most_days")
    )
    if not least <= default <= most:
        table.refuse("days", "the default stands outside the bounds")
    return Lives(default, least, most)


def _keys(table: Table) -> KeyRules:
    kinds = frozenset(table.texts("kinds", KEY_KINDS))
    default = table.choice("default", kinds)
    low = table.number("rsa_bits_from", MIN_RSA_BITS, MAX_ISSUED_RSA_BITS, MIN_RSA_BITS)
    high = table.number("rsa_bits_to", low, MAX_ISSUED_RSA_BITS, MAX_ISSUED_RSA_BITS)
    return KeyRules(kinds, default, (low, high))


def _usage(table: Table) -> UsageRules:
    by_kind = table.part("by_key", lambda part: {kind: _usages(part, kind) for kind in sorted(KEY_KINDS)}, {})
    default = _usages(table, "default")
    if not default:
        table.refuse("default", "a key without use")
    return UsageRules(
        default,
        {kind: usages for kind, usages in by_kind.items() if usages},
        _usages(table, "may_add"),
        _usages(table, "may_drop"),
    )


def _usages(table: Table, key: str) -> frozenset[str]:
    return frozenset(table.texts(key, KEY_USAGES))


def _purposes(table: Table) -> PurposeRules:
    return PurposeRules(
        default=table.identifiers("default", PURPOSES),
        may_add=frozenset(table.identifiers("may_add", PURPOSES)),
        critical=table.take("critical", bool, False),
    )


def _alternative_names(table: Table) -> AlternativeNameRules:
    rules = AlternativeNameRules(
        allowed=frozenset(table.texts("allowed", ALTERNATIVE_NAMES)),
        required=frozenset(table.texts("required", ALTERNATIVE_NAMES)),
        at_most=table.number("at_most", 0, 100, 8),
    )
    if not rules.required <= rules.allowed:
        table.refuse("required", "something is required that is not allowed")
    return rules


def _policy(table: Table) -> Policy:
    cps = table.take("cps", str, None)
    if cps is not None and not _is_address(cps):
        table.refuse("cps", "no address of a practice statement")
    return Policy(table.identifier("oid", table.take("oid", str)), cps)


def _qualified(table: Table) -> Qualified:
    return Qualified(
        compliance=table.take("compliance", bool),
        device=table.take("device", bool, False),
        legislation=tuple(table.texts("legislation")),
        type=table.choice("type", frozenset({"esign", "eseal", "web"}), None),
        retention_years=table.number("retention_years", 1, 100, None),
        disclosure=table.parts("disclosure", _disclosure),
    )


def _disclosure(table: Table) -> tuple[str, str]:
    address = table.take("url", str)
    if not (address.startswith("https://") and _is_address(address)):
        table.refuse("url", "EN 319 412-5 QCS-4.3.4 wants an https address")
    return address, table.matching("language", re.compile(r"[a-z]{2}"))


def _lint(table: Table) -> LintChoice:
    accepted = table.texts("accepted")
    if any(_FINDING.fullmatch(code) is None for code in accepted):
        table.refuse("accepted", "not the code of a finding")
    return LintChoice(table.choice("rules", frozenset(get_args(LintRules))), frozenset(accepted))


def _check_together(profile: Profile, table: Table) -> None:
    purposes = set(profile.purposes.default) | profile.purposes.may_add
    signs_certificates = "key_cert_sign" in profile.usage.default | profile.usage.may_add
    if profile.from_outside and (signs_certificates or purposes & INTERNAL):
        table.refuse("from_outside", "what only the authority may have cannot be asked for")
    if (
        profile.is_authority != (profile.path_length is not None)
        or signs_certificates != profile.is_authority
    ):
        table.refuse("path_length", "an authority has one, and nobody else")
    if profile.never_checked and profile.purposes.default != (PURPOSES["ocsp-signing"],):
        table.refuse("never_checked", "only a responder of its own has it (RFC 6960 §4.2.2.2)")
    if profile.qualified is not None and any(
        _COUNTRY.fullmatch(country) is None for country in profile.qualified.legislation
    ):
        table.refuse("qualified.legislation", "not two capital letters")


def _is_address(text: str) -> bool:
    return (
        text.startswith(("http://", "https://")) and len(text) <= 200 and text.isascii() and " " not in text
    )
