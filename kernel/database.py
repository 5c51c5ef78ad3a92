"""Engine and session of the embedded default: SQLite in WAL mode with synchronous=FULL, foreign keys on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker


class Base(DeclarativeBase):
    """The declarative base that every room's rows share, so that one migration history covers all."""


def make_engine(url: str) -> Engine:
    """An engine for ``sqlite:///path``: durable commits, and writers take the lock when they begin."""
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def read_only(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """A session whose changes are thrown away."""
    with sessions() as session:
        session.connection(execution_options={"mohr_read_only": True})
        yield session
        session.rollback()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # Python's own transaction handling is switched off; _begin_immediate issues BEGIN itself.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    # A deferred transaction that turns into a writer can fail with SQLITE_BUSY at once; taking the
    # write lock at the start waits for busy_timeout instead.
    reading = connection.get_execution_options().get("mohr_read_only", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
