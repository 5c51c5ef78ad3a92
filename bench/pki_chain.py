"""What the chain of acts costs: a transaction of 100 events of the authority, against the same one of another domain.

Both write 100 outbox rows and 100 log leaves and commit durably; only the first appends 100 acts under the chain's
lock, and the anchor that comes after so many. Their durability is read from the database before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from app.unit_of_work import SqlUnitOfWork
from bench.figure import Figure
from kernel.clock import FixedClock
from kernel.database import Base, make_engine, make_sessions
from tests.support.postgresql import Cluster

EVENTS = 100
_CHAINED = "ir.tehran.pki.bench-done.v1"
_OTHER = "ir.tehran.identity.bench-done.v1"
_CLOCK = FixedClock(datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
_DURABLE = {
    "sqlite": (("PRAGMA journal_mode", "wal"), ("PRAGMA synchronous", 2)),
    "postgresql": (("SHOW fsync", "on"), ("SHOW synchronous_commit", "on"), ("SHOW full_page_writes", "on")),
}


@contextmanager
def chain_figure(backend: str, folder: Path, rounds: int) -> Iterator[Figure]:
    """pki.chain.sqlite or pki.chain.postgresql, while its database is there; seconds are those of one event."""
    with _engine(backend, folder) as engine:
        Base.metadata.create_all(engine)
        with engine.connect() as connection:
            for statement, expected in _DURABLE[backend]:
                assert connection.exec_driver_sql(statement).scalar() == expected
        sessions = make_sessions(engine)

        def commit(type_: str) -> None:
            with SqlUnitOfWork(sessions, _CLOCK) as uow:
                for number in range(EVENTS):
                    uow.emit(type_, f"thing-{number}", {"by": "IR-1", "digest": "ab" * 32})
                uow.commit()

        yield Figure(
            f"pki.chain.{backend}",
            f"the same transaction of {EVENTS} events that are not chained",
            prepare=lambda number: None,
            measured=lambda _: commit(_CHAINED),
            bare=lambda _: commit(_OTHER),
            rounds=rounds,
            per=EVENTS,
        )


@contextmanager
def _engine(backend: str, folder: Path) -> Iterator[Engine]:
    cluster = Cluster.create() if backend == "postgresql" else None
    engine = make_engine(cluster.new_database() if cluster else f"sqlite:///{folder / 'chain.sqlite3'}")
    try:
        yield engine
    finally:
        engine.dispose()
        if cluster is not None:
            cluster.remove()
