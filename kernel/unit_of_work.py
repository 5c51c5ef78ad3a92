"""One database transaction, in which state, outbox row and log leaf become durable together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event as recorded: its canonical bytes and the RFC 6962 leaf hash (hex) of its log entry."""

    event: bytes
    leaf_hash: str
    sequence: int


@dataclass(frozen=True, slots=True)
class EmittedCommitment:
    """A confidential act as recorded: what the submitter may see, and what stays closed until disclosure."""

    content: dict[str, Any]
    salt: str
    leaf_hash: str
    counter: int
    counter_salt: str


class UnitOfWork(Protocol):
    """Rollback is the default exit; ``commit`` is called once, by the use case, never by its caller."""

    session: Session

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def emit(self, type_: str, subject: str, data: dict[str, Any]) -> Emitted:
        """Record a public event: its bytes go to the outbox and, the same bytes, into the log."""
        ...

    def emit_many(self, type_: str, facts: Sequence[tuple[str, dict[str, Any]]]) -> list[Emitted]:
        """Record a public event for each (subject, data), in that order, exactly as ``emit`` would one by one."""
        ...

    def emit_confidential(
        self, type_: str, act: str, tender: str, digest: str, data: dict[str, Any]
    ) -> EmittedCommitment:
        """Record a confidential event: the outbox holds it in full, the log only a salted commitment."""
        ...

    def commit(self) -> None: ...
