"""Reading a profile from TOML, strictly: unknown keys, wrong types and contradictions are refused.

A refusal (MalformedInput) names file and key. Shape: docs/formats.md, "Certificate profiles".
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from cryptography.x509 import ObjectIdentifier

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
_DOTTED = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,39})){1,15}")
_FINDING = re.compile(r"[a-z0-9_.-]{1,120}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_ABSENT: Any = object()
_Made = TypeVar("_Made")


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
    return _profile(path.stem, _Table(path.name, "", content))


def read_profiles(folder: Path) -> dict[str, Profile]:
    """Every ``*.toml`` of the folder, by name; raises MalformedInput."""
    paths = sorted(folder.glob("*.toml"))
    if len(paths) > MAX_PROFILES:
        raise MalformedInput("too many profiles", limit=MAX_PROFILES)
    return {path.stem: read_profile(path) for path in paths}


class _Table:
    """A table whose keys are taken one by one; ``done`` refuses what nobody took."""

    def __init__(self, file: str, where: str, content: object) -> None:
        self.file, self.where = file, where
        if not isinstance(content, dict):
            self.refuse("", "a table was expected")
        self._left = dict(content)

    def refuse(self, key: str, why: str) -> NoReturn:
        place = ".".join(part for part in (self.where, key) if part)
        raise MalformedInput(f"the profile is wrong: {why}", file=self.file, key=place)

    def take(self, key: str, kind: type, default: Any = _ABSENT) -> Any:
        if key not in self._left:
            if default is _ABSENT:
                self.refuse(key, "the key is missing")
            return default
        value = self._left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(key, f"not a {kind.__name__}")
        return value

    def choice(self, key: str, among: frozenset[str], default: Any = _ABSENT) -> Any:
        value = self.take(key, str, default)
        if value is not default and value not in among:
            self.refuse(key, f"none of {', '.join(sorted(among))}")
        return value

    def texts(self, key: str, among: frozenset[str] | None = None, default: Any = ()) -> tuple[str, ...]:
        values = self.take(key, list, default)
        for value in values:
            if not isinstance(value, str) or (among is not None and value not in among):
                self.refuse(key, f"{str(value)[:60]!r} is not known here")
        if len(set(values)) != len(values):
            self.refuse(key, "something stands twice")
        return tuple(values)

    def number(self, key: str, low: int, high: int, default: Any = _ABSENT) -> Any:
        value = self.take(key, int, default)
        if value is not default and not low <= value <= high:
            self.refuse(key, f"not between {low} and {high}")
        return value

    def identifiers(self, key: str, names: dict[str, ObjectIdentifier]) -> tuple[ObjectIdentifier, ...]:
        return tuple(names.get(text) or self.identifier(key, text) for text in self.texts(key))

    def identifier(self, key: str, text: str) -> ObjectIdentifier:
        if _DOTTED.fullmatch(text) is None:
            self.refuse(key, f"{text[:60]!r} is no object identifier")
        return ObjectIdentifier(text)

    def matching(self, key: str, pattern: re.Pattern[str], default: Any = _ABSENT) -> Any:
        value = self.take(key, str, default)
        if value is not default and pattern.fullmatch(value) is None:
            self.refuse(key, "not of the expected form")
        return value

    def part(self, key: str, read: Callable[[_Table], _Made], default: Any = _ABSENT) -> _Made:
        content = self.take(key, dict, default)
        if content is None:
            return None  # type: ignore[return-value]
        table = _Table(self.file, ".".join(filter(None, (self.where, key))), content)
        made = read(table)
        table.done()
        return made

    def parts(self, key: str, read: Callable[[_Table], _Made]) -> tuple[_Made, ...]:
        made = []
        for position, content in enumerate(self.take(key, list, [])):
            table = _Table(self.file, f"{self.where}{key}[{position}]", content)
            made.append(read(table))
            table.done()
        return tuple(made)

    def done(self) -> None:
        for key in self._left:
            self.refuse(str(key)[:60], "no such key")


def _profile(name: str, table: _Table) -> Profile:
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


def _subject(table: _Table) -> SubjectRules:
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


def _lives(table: _Table) -> Lives:
    default, least, most = (
        timedelta(days=table.number(key, 1, 40 * 366)) for key in ("days", "at_least_days", "at_most_days")
    )
    if not least <= default <= most:
        table.refuse("days", "the default stands outside the bounds")
    return Lives(default, least, most)


def _keys(table: _Table) -> KeyRules:
    kinds = frozenset(table.texts("kinds", KEY_KINDS))
    default = table.choice("default", kinds)
    low = table.number("rsa_bits_from", MIN_RSA_BITS, MAX_ISSUED_RSA_BITS, MIN_RSA_BITS)
    high = table.number("rsa_bits_to", low, MAX_ISSUED_RSA_BITS, MAX_ISSUED_RSA_BITS)
    return KeyRules(kinds, default, (low, high))


def _usage(table: _Table) -> UsageRules:
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


def _usages(table: _Table, key: str) -> frozenset[str]:
    return frozenset(table.texts(key, KEY_USAGES))


def _purposes(table: _Table) -> PurposeRules:
    return PurposeRules(
        default=table.identifiers("default", PURPOSES),
        may_add=frozenset(table.identifiers("may_add", PURPOSES)),
        critical=table.take("critical", bool, False),
    )


def _alternative_names(table: _Table) -> AlternativeNameRules:
    rules = AlternativeNameRules(
        allowed=frozenset(table.texts("allowed", ALTERNATIVE_NAMES)),
        required=frozenset(table.texts("required", ALTERNATIVE_NAMES)),
        at_most=table.number("at_most", 0, 100, 8),
    )
    if not rules.required <= rules.allowed:
        table.refuse("required", "something is required that is not allowed")
    return rules


def _policy(table: _Table) -> Policy:
    cps = table.take("cps", str, None)
    if cps is not None and not _is_address(cps):
        table.refuse("cps", "no address of a practice statement")
    return Policy(table.identifier("oid", table.take("oid", str)), cps)


def _qualified(table: _Table) -> Qualified:
    return Qualified(
        compliance=table.take("compliance", bool),
        device=table.take("device", bool, False),
        legislation=tuple(table.texts("legislation")),
        type=table.choice("type", frozenset({"esign", "eseal", "web"}), None),
        retention_years=table.number("retention_years", 1, 100, None),
        disclosure=table.parts("disclosure", _disclosure),
    )


def _disclosure(table: _Table) -> tuple[str, str]:
    address = table.take("url", str)
    if not (address.startswith("https://") and _is_address(address)):
        table.refuse("url", "EN 319 412-5 QCS-4.3.4 wants an https address")
    return address, table.matching("language", re.compile(r"[a-z]{2}"))


def _lint(table: _Table) -> LintChoice:
    accepted = table.texts("accepted")
    if any(_FINDING.fullmatch(code) is None for code in accepted):
        table.refuse("accepted", "not the code of a finding")
    return LintChoice(table.choice("rules", frozenset(get_args(LintRules))), frozenset(accepted))


def _check_together(profile: Profile, table: _Table) -> None:
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
