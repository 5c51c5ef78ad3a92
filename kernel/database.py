"""Engine and sessions: SQLite in WAL mode with synchronous=FULL, or PostgreSQL; both commit durably.

A unit of work sees what was committed before its locks were taken. SQLite has one lock, taken when a writer begins.
On PostgreSQL a writer locks the row it decides about (``locked``) or a named scope (``lock_scope``) before it reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any, TypeVarTuple

from sqlalchemy import (
    BigInteger,
    Engine,
    ExceptionContext,
    Integer,
    PoolProxiedConnection,
    QueuePool,
    Select,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from kernel import postgresql
from kernel.database_errors import domain_error_of
from kernel.errors import DatabaseUnavailable, MalformedInput
from kernel.held_writes import hold_writes

BigNumber = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both: SQLite numbers rows by itself only in a column that is called INTEGER."""

_READING = "mohr_read_only"
_SQLITE_PATIENCE_SECONDS = 30
# The API answers with up to 40 threads, the workers need a few more.
_POOL: dict[str, Any] = {"pool_size": 16, "max_overflow": 32, "pool_timeout": 10}
_Selected = TypeVarTuple("_Selected")


class PatientPool(QueuePool):
    """Raises DatabaseUnavailable when no connection becomes free in time."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolTimeout as error:
            raise DatabaseUnavailable("every connection to the database is in use") from error


class Base(DeclarativeBase):
    """The declarative base that every room's rows share, so that one migration history covers all."""


def make_engine(url: str, *, statement_seconds: float | None = postgresql.STATEMENT_SECONDS) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql://...``, whose failures are raised as DomainErrors.

    ``statement_seconds`` bounds each statement on PostgreSQL; None for migrations. Raises MalformedInput for any
    other address. Statements raise DatabaseUnavailable, StorageFull, Conflict (a uniqueness that somebody else was
    first to take) or MalformedInput (a value that the database cannot hold).
    """
    chosen = _url(url)
    if chosen.get_backend_name() == "sqlite":
        engine = create_engine(
            chosen,
            poolclass=PatientPool,
            connect_args={"timeout": _SQLITE_PATIENCE_SECONDS, "check_same_thread": False},
            **_POOL,
        )
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    else:
        engine = create_engine(
            chosen.set(drivername="postgresql+psycopg"),
            poolclass=PatientPool,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            **_POOL,
        )
        postgresql.bound_waits(engine, statement_seconds)
        hold_writes(engine)
    event.listen(engine, "handle_error", _translate)
    return engine


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def read_only(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """A session over one snapshot that takes no lock; its changes are thrown away."""
    with sessions() as session:
        session.info[_READING] = True
        options: dict[str, Any] = {_READING: True}
        if session.get_bind().dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        session.connection(execution_options=options)
        yield session
        session.rollback()


def locked(session: Session, query: Select[*_Selected]) -> Select[*_Selected]:
    """The query, taking its rows for this transaction when it is one that may write.

    What was read before the rows were taken may be out of date: take them first.
    """
    return query if reads_only(session) else query.with_for_update()


def reads_only(session: Session) -> bool:
    """Whether the session is one of ``read_only``, which takes no lock."""
    return bool(session.info.get(_READING))


def lock_scope(session: Session, scope: str) -> None:
    """Let one writer of ``scope`` after the other, until this transaction ends; for what has no row to lock."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_lock(scope))


def lock_scope_and_read(session: Session, scope: str, query: str) -> tuple[Any, ...] | None:
    """``lock_scope``, and then the first row of a ``query`` without values: on PostgreSQL in one round trip.

    A statement sees what was committed when it begins, so the two stay two, sent together.
    """
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        row = connection.exec_driver_sql(query).first()
        return None if row is None else tuple(row)
    with closing(connection.exec_driver_sql(f"{_lock(scope)}; {query}")) as both:
        cursor: Any = both.cursor
        cursor.nextset()
        found: tuple[Any, ...] | None = cursor.fetchone()
    return found


@lru_cache(maxsize=64)
def _lock(scope: str) -> str:
    number = int.from_bytes(hashlib.sha256(scope.encode()).digest()[:8], "big", signed=True)
    return f"SELECT pg_advisory_xact_lock({number})"


def _url(url: str) -> URL:
    try:
        chosen = make_url(url)
    except ArgumentError as error:
        raise MalformedInput("the address of the database cannot be read") from error
    if chosen.drivername not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise MalformedInput("a database is sqlite:///... or postgresql://...", driver=chosen.drivername)
    return chosen


def _translate(context: ExceptionContext) -> None:
    if context.is_pre_ping:
        return
    found = domain_error_of(context.original_exception)
    if found is not None:
        raise found from context.original_exception


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # Python's own transaction handling is switched off; _begin_immediate issues BEGIN itself.
    connection.isolation_level = None
    cursor = connection.cursor()
    patience = f"busy_timeout={_SQLITE_PATIENCE_SECONDS * 1000}"
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", patience):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    # A deferred transaction that turns into a writer can fail with SQLITE_BUSY at once; taking the
    # write lock at the start waits for busy_timeout instead.
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
