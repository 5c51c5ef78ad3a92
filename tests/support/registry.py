"""A real authority in a folder and a real database beside it, for tests of registration and of what uses it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.unit_of_work import SqlUnitOfWork
from events.outbox import OutboxRow
from kernel.canonical import parse_canonical
from kernel.clock import FixedClock
from kernel.database import Base, make_engine, make_sessions, read_only
from pki.installation import Authority, initialise_authority
from pki.keys import Cost
from tests.support.authority import START

CHEAP = Cost(iterations=1, lanes=1, memory_kib=64)
PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Person:
    """An actor with roles."""

    party: str
    roles: frozenset[str]


REGISTRAR = Person("IR-REGISTRAR", frozenset({"registrar"}))
OPERATOR = Person("IR-OPERATOR", frozenset({"registrar", "operator"}))
STRANGER = Person("IR-STRANGER", frozenset({"bidder"}))


@dataclass
class Office:
    """The registration office: authority, database and clock."""

    authority: Authority
    sessions: sessionmaker[Session]
    clock: FixedClock

    def close(self) -> None:
        """Give the connections back."""
        self.sessions.kw["bind"].dispose()

    def unit_of_work(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.sessions, self.clock)

    def events(self) -> list[dict[str, Any]]:
        """The events recorded so far, oldest first."""
        with read_only(self.sessions) as session:
            rows = session.scalars(select(OutboxRow).order_by(OutboxRow.seq))
            return [parse_canonical(row.payload) for row in rows]


def make_office(
    folder: Path, url: str | None = None, *, demo: bool = False, base_url: str | None = None
) -> Office:
    """A finished installation whose clock stands at the start; without ``url`` its database is in the folder too."""
    clock = FixedClock(START)
    engine = make_engine(url or f"sqlite:///{folder / 'mohr.sqlite'}")
    Base.metadata.create_all(engine)
    authority = initialise_authority(
        folder / "authority",
        PASSPHRASE,
        name="Tehran",
        party="IRO-1",
        demo=demo,
        clock=clock,
        base_url=base_url,
        cost=CHEAP,
    )
    return Office(authority, make_sessions(engine), clock)
