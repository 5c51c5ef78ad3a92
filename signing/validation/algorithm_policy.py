"""Which algorithms count until when: data with a date and a digest, read strictly.

The policy that comes along is ``policies/ades.toml``; a file of the same form takes its place.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from signing.errors import TrustFolderInvalid
from signing.validation.signature_values import DIGESTS, AlgorithmUse

_DEFAULT = Path(__file__).with_name("policies") / "ades.toml"
_KEYS = frozenset({"RSA", "RSASSA-PSS", "ECDSA", "DSA", "Ed25519", "Ed448"})
_MAX_BYTES = 64 * 1024
_FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Weakness:
    """What does not count, and until when it did; None: it never did."""

    what: str
    until: datetime | None

    def __str__(self) -> str:
        ends = "is not accepted" if self.until is None else f"counted until {self.until:%Y-%m-%d}"
        return f"{self.what} {ends}"


@dataclass(frozen=True, slots=True)
class AlgorithmPolicy:
    """``digests``: until when each counts; ``keys``: of each kind the sizes, ascending, and until when."""

    name: str
    version: str
    sha256: str
    digests: Mapping[str, datetime]
    keys: Mapping[str, tuple[tuple[int, datetime], ...]]

    @classmethod
    def default(cls) -> AlgorithmPolicy:
        """The policy that comes along."""
        return _default()

    @classmethod
    def from_file(cls, path: Path) -> AlgorithmPolicy:
        """Raises TrustFolderInvalid, naming path and problem."""
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
            if len(data) > _MAX_BYTES:
                raise ValueError("it is too long")
            return cls.parse(data)
        except (OSError, ValueError, RecursionError) as error:
            problem = str(error)[:200]
            raise TrustFolderInvalid(
                "the algorithm policy can't be used", path=str(path), problem=problem
            ) from error

    @classmethod
    def parse(cls, data: bytes) -> AlgorithmPolicy:
        """Raises ValueError saying what is wrong."""
        read = tomllib.loads(data.decode("utf-8"))
        _only(read, {"name", "version", "digests", "keys"}, "the policy")
        if not all(isinstance(read[each], str) and read[each] for each in ("name", "version")):
            raise ValueError("name and version are texts")
        return cls(
            read["name"],
            read["version"],
            hashlib.sha256(data).hexdigest(),
            _digests(read["digests"]),
            _keys(read["keys"]),
        )

    def weakness(self, uses: Iterable[AlgorithmUse], at: datetime) -> Weakness | None:
        """What of it does not count at that instant: of several the one that ended first."""
        found = [each for use in uses for each in self._weaknesses(use, at)]
        return min(found, key=lambda each: each.until or datetime.min.replace(tzinfo=UTC), default=None)

    def _weaknesses(self, use: AlgorithmUse, at: datetime) -> list[Weakness]:
        ends: list[tuple[str, datetime | None]] = []
        if use.digest is not None:
            ends.append((use.digest.upper(), self.digests.get(use.digest)))
        if use.key is not None:
            ends.append((f"{use.key} of {use.bits} bits", self._until_of_key(use.key, use.bits)))
        return [Weakness(what, until) for what, until in ends if until is None or until < at]

    def _until_of_key(self, kind: str, bits: int) -> datetime | None:
        reached = [until for size, until in self.keys.get(kind, ()) if size <= bits]
        return reached[-1] if reached else None


@lru_cache(maxsize=1)
def _default() -> AlgorithmPolicy:
    return AlgorithmPolicy.from_file(_DEFAULT)


def _digests(read: Any) -> dict[str, datetime]:
    if not isinstance(read, dict) or not read:
        raise ValueError("digests is a table with at least one digest")
    if unknown := read.keys() - set(DIGESTS.values()):
        raise ValueError(f"no such digest: {min(unknown)}")
    for name, entry in read.items():
        _only(entry, set(), f"digest {name}", frozenset({"until"}))
    return {name: _until(entry) for name, entry in read.items()}


def _keys(read: Any) -> dict[str, tuple[tuple[int, datetime], ...]]:
    if not isinstance(read, list) or not read:
        raise ValueError("keys is a list with at least one kind of key")
    found: dict[str, tuple[tuple[int, datetime], ...]] = {}
    for entry in read:
        _only(entry, {"kind", "sizes"}, "a kind of key")
        if entry["kind"] not in _KEYS or entry["kind"] in found:
            raise ValueError(f"no such kind of key, or twice: {entry['kind']}")
        found[entry["kind"]] = _sizes(entry["sizes"], entry["kind"])
    return found


def _sizes(read: Any, kind: str) -> tuple[tuple[int, datetime], ...]:
    if not isinstance(read, list) or not read:
        raise ValueError(f"sizes of {kind} is a list with at least one size")
    for entry in read:
        _only(entry, {"bits"}, f"a size of {kind}", frozenset({"until"}))
        if type(entry["bits"]) is not int or entry["bits"] <= 0:
            raise ValueError(f"bits of {kind} is a positive number")
    sizes = tuple((entry["bits"], _until(entry)) for entry in read)
    bits = [size for size, _ in sizes]
    if bits != sorted(set(bits)):
        raise ValueError(f"the sizes of {kind} do not ascend")
    if any(later < earlier for (_, earlier), (_, later) in pairwise(sizes)):
        raise ValueError(f"a longer key of {kind} ends before a shorter one")
    return sizes


def _until(entry: Mapping[str, Any]) -> datetime:
    until = entry.get("until")
    if until is None:
        return _FOREVER
    if type(until) is not date:
        raise ValueError("until is a date")
    return datetime.combine(until, time(), UTC)


def _only(read: Any, needed: set[str], what: str, optional: frozenset[str] = frozenset()) -> None:
    if not isinstance(read, dict) or not needed <= read.keys() <= needed | optional:
        raise ValueError(f"{what} has other fields than {', '.join(sorted(needed | optional)) or 'none'}")
