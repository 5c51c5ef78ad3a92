"""What a signature needs of others: levels, evidence, and who gives time stamps and evidence.

``signing`` calls nobody over a network; whoever uses it brings these two, in process or over HTTP, and bounds their
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cryptography import x509


class Level(StrEnum):
    """Baseline levels (EN 319 122-1 §6, EN 319 142-1 §6): basic, stamped, with evidence inside, archived."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"

    @property
    def rank(self) -> int:
        """0 to 3; each level holds what those below it hold."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Validation data as DER: certificates, revocation lists, whole OCSP responses; none of them twice."""

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()

    def __or__(self, other: Evidence) -> Evidence:
        return Evidence(
            _joined(self.certificates, other.certificates),
            _joined(self.crls, other.crls),
            _joined(self.ocsps, other.ocsps),
        )

    def __sub__(self, other: Evidence) -> Evidence:
        """What ``other`` does not hold."""
        return Evidence(
            tuple(each for each in self.certificates if each not in other.certificates),
            tuple(each for each in self.crls if each not in other.crls),
            tuple(each for each in self.ocsps if each not in other.ocsps),
        )

    def __bool__(self) -> bool:
        return bool(self.certificates or self.crls or self.ocsps)


class StampSource(Protocol):
    """A time-stamping authority (RFC 3161)."""

    @property
    def name(self) -> str:
        """By which an error names it: an address, or ``this installation``."""

    @property
    def room(self) -> int:
        """More bytes than its tokens ever take."""

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        """A token (DER) over that digest; ``algorithm`` is ``sha256``, ``sha384`` or ``sha512``.

        Raises TimestampUnavailable, naming the service, within a bounded time.
        """


class EvidenceSource(Protocol):
    """Whoever knows paths and revocation: an installation, a folder, or the addresses in certificates."""

    def collect(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> Evidence:
        """The path of the certificate up to and with its root, and for each below the root a list or an answer that
        holds at ``at``; also what certifies the signers of those answers.

        ``others`` may help to build the path. Raises EvidenceUnavailable naming the service or certificate, within a
        bounded time.
        """


@dataclass(frozen=True, slots=True)
class Services:
    """Both; a level that needs one that is None is refused (LevelUnreachable)."""

    stamps: StampSource | None = None
    evidence: EvidenceSource | None = None


def _joined(first: Iterable[bytes], second: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys((*first, *second)))
