"""The electronic documents rule (شیوه‌نامه اسناد الکترونیکی): dated policy data, one TOML file for each version.

A document is judged by the version in force on the day of its registration, and keeps that version for good.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, cast

from authenticity.errors import KindUnknown
from authenticity.record import Disclosure
from kernel.errors import MalformedInput
from pki.profiles import ORGANISATION_SEAL, PERSON_SIGNING, SERVICE_SEAL
from signing.ades.services import Level

Format = Literal["pdf", "pdf-a", "asic-e", "cms", "other"]
# What a rule says of a kind, each with the clause that it comes from.
Demand = Literal["formats", "level", "signatures", "signers", "retention"]
FORMATS = frozenset({"pdf", "pdf-a", "asic-e", "cms", "other"})
SIGNERS = frozenset({PERSON_SIGNING.name, ORGANISATION_SEAL.name, SERVICE_SEAL.name})
FOREVER = "forever"
_FOLDER = Path(__file__).with_name("rules")
_MAX_BYTES = 256 * 1024
_MAX_SIGNATURES, _MAX_YEARS = 20, 1_000
_KIND = frozenset({"name", "formats", "signatures", "signers", "retention", "disclosure", "basis"})


class Named(NamedTuple):
    """A text in Persian and in English."""

    fa: str
    en: str


@dataclass(frozen=True, slots=True)
class KindRule:
    """What a document of a kind must have. ``formats``: any of them.

    ``level``: what each counted signature reaches at least, None where no signature is asked for; ``signatures``: how
    many different people or organisations have signed at least; ``signers``: the certificate profiles that count.
    ``retention_years`` None: for ever. ``basis``: the clause that each demand comes from, or that the city set it.
    """

    kind: str
    name: Named
    formats: tuple[Format, ...]
    level: Level | None
    signatures: int
    signers: tuple[str, ...]
    retention_years: int | None
    disclosure: Disclosure
    basis: Mapping[Demand, Named]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A kind that may not be electronic alone, with the clause that says so."""

    name: Named
    clause: Named


@dataclass(frozen=True, slots=True)
class DocumentsRule:
    """One version: in force from ``from_day`` until the next one is."""

    version: str
    from_day: date
    kinds: Mapping[str, KindRule]
    excluded: Mapping[str, Excluded]

    def kind(self, name: str) -> KindRule:
        """Raises KindUnknown, which cites the article where the law keeps a kind out."""
        excluded = self.excluded.get(name)
        if excluded is not None:
            raise KindUnknown(
                "a document of this kind is not issued electronically",
                article=excluded.clause.en,
                kinds=sorted(self.kinds),
            )
        if name not in self.kinds:
            raise KindUnknown("the rule knows no such kind of document", kinds=sorted(self.kinds))
        return self.kinds[name]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises MalformedInput, saying what is wrong."""
        try:
            version, first, kinds, excluded = _read(tomllib.loads(data.decode("utf-8")))
            return cls(version, first, MappingProxyType(kinds), MappingProxyType(excluded))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MalformedInput(f"the rule of documents cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class DatedRule:
    """All versions, oldest first."""

    versions: tuple[DocumentsRule, ...]

    @classmethod
    def default(cls) -> Self:
        """The shipped versions."""
        return cls(_shipped())

    @classmethod
    def of(cls, versions: tuple[DocumentsRule, ...]) -> Self:
        """Raises MalformedInput unless each version has a name and a first day of its own."""
        ordered = tuple(sorted(versions, key=lambda each: each.from_day))
        names = {each.version for each in ordered}
        if (
            not ordered
            or len(names) != len(ordered)
            or any(a.from_day == b.from_day for a, b in pairwise(ordered))
        ):
            raise MalformedInput("each version of the rule has a name and a first day of its own")
        return cls(ordered)

    def on(self, day: date) -> DocumentsRule:
        """The version in force; raises KindUnknown before the first."""
        for version in reversed(self.versions):
            if version.from_day <= day:
                return version
        raise KindUnknown("no rule of documents was in force on that day", day=day.isoformat())

    def version(self, name: str) -> DocumentsRule:
        """Raises KindUnknown for a version that is not there."""
        for each in self.versions:
            if each.version == name:
                return each
        raise KindUnknown("there is no such version of the rule", version=name[:32])


@lru_cache(maxsize=1)
def _shipped() -> tuple[DocumentsRule, ...]:
    files = sorted(_FOLDER.glob("*.toml"))
    return DatedRule.of(tuple(DocumentsRule.parse(each.read_bytes()[:_MAX_BYTES]) for each in files)).versions


def _read(data: Mapping[str, Any]) -> tuple[str, date, dict[str, KindRule], dict[str, Excluded]]:
    _only(data, {"version", "from", "clauses", "kinds", "excluded"}, "the rule")
    if not isinstance(data["version"], str) or not 0 < len(data["version"]) <= 32:
        raise ValueError("a version is named by 1 to 32 characters")
    if type(data["from"]) is not date:
        raise ValueError("from is a day")
    clauses = {name: _named(words) for name, words in data["clauses"].items()}
    kinds = {name: _kind(name, value, clauses) for name, value in data["kinds"].items()}
    excluded = {
        name: Excluded(_named(value["name"]), clauses[value["clause"]])
        for name, value in data.get("excluded", {}).items()
    }
    if not kinds or kinds.keys() & excluded.keys():
        raise ValueError("there are kinds, and none is excluded as well")
    return data["version"], data["from"], kinds, excluded


def _kind(name: str, value: Mapping[str, Any], clauses: Mapping[str, Named]) -> KindRule:
    _only(value, _KIND | {"level"}, name, optional={"level"})
    signatures, level = value["signatures"], value.get("level")
    if type(signatures) is not int or not 0 <= signatures <= _MAX_SIGNATURES:
        raise ValueError(f"{name}: signatures is a number up to {_MAX_SIGNATURES}")
    if (level is None) is not (signatures == 0) or (not value["signers"]) is not (signatures == 0):
        raise ValueError(f"{name}: level and signers are named where signatures are asked for")
    if value["disclosure"] not in ("public", "withheld"):
        raise ValueError(f"{name}: a document is public or withheld")
    basis = {cast(Demand, demand): clauses[clause] for demand, clause in value["basis"].items()}
    demands = {"formats", "signatures", "signers", "retention"} | ({"level"} if level is not None else set())
    if basis.keys() != demands:
        raise ValueError(f"{name}: each demand has its basis")
    return KindRule(
        kind=name,
        name=_named(value["name"]),
        formats=cast(tuple[Format, ...], _some(value["formats"], FORMATS, name, least=1)),
        level=None if level is None else Level(level),
        signatures=signatures,
        signers=_some(value["signers"], SIGNERS, name, least=0),
        retention_years=_years(value["retention"], name),
        disclosure=cast(Disclosure, value["disclosure"]),
        basis=MappingProxyType(basis),
    )


def _years(value: Any, name: str) -> int | None:
    if value == FOREVER:
        return None
    if type(value) is not int or not 0 < value <= _MAX_YEARS:
        raise ValueError(f"{name}: retention is a number of years or {FOREVER}")
    return value


def _some(values: Any, known: frozenset[str], name: str, *, least: int) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) < least or set(values) - known:
        raise ValueError(f"{name}: of {', '.join(sorted(known))}")
    return tuple(values)


def _named(words: Any) -> Named:
    if (
        not isinstance(words, list)
        or len(words) != 2
        or not all(isinstance(each, str) and each for each in words)
    ):
        raise ValueError("a name is Persian and English")
    return Named(*words)


def _only(
    value: Mapping[str, Any], names: set[str] | frozenset[str], what: str, *, optional: set[str] | None = None
) -> None:
    unknown = set(value) - names
    if unknown:
        raise ValueError(f"{what}: unknown {sorted(unknown)}")
    missing = names - set(value) - (optional or set()) - {"excluded"}
    if missing:
        raise ValueError(f"{what}: missing {sorted(missing)}")
