"""What the use cases of identity need from outside; ``app.bootstrap`` wires the real things in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from identity.party import Party
from kernel.clock import Clock
from kernel.unit_of_work import UnitOfWork
from pki.trust import TrustStore


@dataclass(frozen=True, slots=True)
class Challenge:
    """``challenge`` is 64 hex digits; ``source`` the address that asked for it; instants as RFC 3339 text."""

    challenge: str
    origin: str
    source: str
    expires_at: str
    used_at: str | None = None


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as kept: the digest of its token, and the certificate (DER) it is bound to."""

    token_digest: str
    party: str
    fingerprint: str
    certificate: bytes
    started_at: str
    expires_at: str
    ended_at: str | None = None


class Parties(Protocol):
    def add(self, party: Party) -> None:
        """Raises PartyKnown."""
        ...

    def get(self, party: str) -> Party:
        """Raises NotFound."""
        ...

    def find(self, party: str) -> Party | None: ...

    def count_holding(self, role: str) -> int: ...

    def grant(self, party: str, role: str, *, at: str, by: str) -> None: ...

    def withdraw(self, party: str, role: str) -> None: ...


class Challenges(Protocol):
    def add(self, challenge: Challenge) -> None: ...

    def get(self, challenge: str) -> Challenge | None: ...

    def use(self, challenge: str, at: str) -> bool:
        """Mark it used; False when it was used before."""
        ...

    def outstanding(self, now: str, source: str | None = None) -> int: ...

    def forget(self, expired_before: str) -> None: ...


class Sessions(Protocol):
    def add(self, session: StoredSession) -> None: ...

    def get(self, token_digest: str) -> StoredSession | None: ...

    def end(self, token_digest: str, at: str) -> None: ...

    def forget(self, expired_before: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Repositories:
    """All of identity's repositories over one database session."""

    parties: Parties
    challenges: Challenges
    sessions: Sessions


@dataclass(frozen=True, slots=True)
class Office:
    """Everything a use case of identity is handed; built once in ``app.bootstrap``.

    ``reading`` opens a session whose changes are thrown away and which takes no writer's lock; ``origin`` is
    the address that proofs of login must name.
    """

    unit_of_work: Callable[[], UnitOfWork]
    reading: Callable[[], AbstractContextManager[Session]]
    repositories: Callable[[Session], Repositories]
    trust: Callable[[], TrustStore]
    clock: Clock
    origin: str
    challenge_life_seconds: int
    session_life_seconds: int
    max_outstanding_challenges: int
    max_outstanding_challenges_per_source: int
