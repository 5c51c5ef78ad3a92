"""Sessions on both kinds of database: what readers see, how writers wait, and what failures become."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from kernel import database
from kernel.database import lock_scope, make_engine, make_sessions, read_only
from kernel.errors import (
    Conflict,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    MalformedInput,
    StorageFull,
)
from kernel.postgresql import require_suitable
from tests.support.databases import Databases
from tests.support.postgresql import Cluster


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    made = databases.new_engine()
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE things (name VARCHAR(8) PRIMARY KEY, times INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO things VALUES ('first', 1)"))
    yield made
    made.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return make_sessions(engine)


def times(session: Session) -> int:
    return int(session.execute(text("SELECT times FROM things WHERE name = 'first'")).scalar_one())


def test_what_is_there_already_is_a_conflict(sessions: sessionmaker[Session]) -> None:
    """Whoever comes second with a name that is taken is told so, whichever database says it."""
    with pytest.raises(Conflict), sessions.begin() as session:
        session.execute(text("INSERT INTO things VALUES ('first', 2)"))


def test_a_reader_sees_one_moment(sessions: sessionmaker[Session]) -> None:
    """What is committed while somebody reads does not change what he reads, and he keeps no writer waiting."""
    with read_only(sessions) as reader:
        before = times(reader)
        with sessions.begin() as writer:
            writer.execute(text("UPDATE things SET times = 2"))
        assert times(reader) == before == 1
    with read_only(sessions) as reader:
        assert times(reader) == 2


def test_a_reader_leaves_nothing_behind(engine: Engine, sessions: sessionmaker[Session]) -> None:
    """A write in a reading session is refused or thrown away, and the connection writes again afterwards."""
    try:
        with read_only(sessions) as reader:
            reader.execute(text("UPDATE things SET times = 9"))
    except DatabaseUnavailable:
        assert engine.dialect.name == "postgresql"
    with sessions.begin() as session:
        assert times(session) == 1
        session.execute(text("UPDATE things SET times = 3"))


def test_writers_of_a_scope_follow_one_another(sessions: sessionmaker[Session]) -> None:
    """What is read after the scope was taken is what the one before has committed: no update is lost."""

    def add_one() -> None:
        for _ in range(10):
            with sessions.begin() as session:
                lock_scope(session, "things")
                session.execute(text("UPDATE things SET times = :times"), {"times": times(session) + 1})

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with read_only(sessions) as reader:
        assert times(reader) == 41


def test_waiting_for_a_connection_ends(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """When every connection is in use, the next one asking is told after the time allowed."""
    monkeypatch.setattr(database, "_POOL", {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1})
    engine = databases.new_engine()
    with engine.connect(), pytest.raises(DatabaseUnavailable):
        engine.connect()
    engine.dispose()


def test_a_statement_that_takes_too_long_is_given_up(cluster: Cluster) -> None:
    """PostgreSQL ends it, a lock that is never given included, and the connection goes on."""
    engine = make_engine(cluster.new_database(), statement_seconds=0.5)
    sessions = make_sessions(engine)
    for statement in ("SELECT pg_sleep(30)", "SELECT pg_advisory_xact_lock(7)"):
        with sessions() as holder:
            holder.execute(text("SELECT pg_advisory_xact_lock(7)"))
            asked = time.monotonic()
            with pytest.raises(DatabaseUnavailable), sessions() as session:
                session.execute(text(statement))
            assert time.monotonic() - asked < 20
    with sessions() as session:
        assert session.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_connections_survive_a_restart(cluster: Cluster) -> None:
    """A connection that the server ended while it lay idle is replaced before anybody notices."""
    engine = make_engine(cluster.new_database())
    with engine.connect() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    cluster.execute(f"SELECT pg_terminate_backend({number})")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != number
    engine.dispose()


def test_a_value_that_cannot_be_stored_is_malformed(cluster: Cluster) -> None:
    """NUL in a text, a number beyond its column and a text beyond its length are the sender's fault, not a defect."""
    engine = make_engine(cluster.new_database())
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE things (name VARCHAR(8), times INTEGER)"))
    for name, number in (("a\0b", 1), ("x", 2**40), ("x" * 9, 1)):
        with pytest.raises(MalformedInput), engine.begin() as connection:
            connection.execute(
                text("INSERT INTO things VALUES (:name, :times)"), {"name": name, "times": number}
            )
    engine.dispose()


def test_a_full_sqlite_database_is_told(tmp_path: Path) -> None:
    """A database that may not grow any more refuses with the code for that, and keeps what it had."""
    engine = make_engine(f"sqlite:///{tmp_path / 'small.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE blobs (content BLOB)"))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 20")
        with pytest.raises(StorageFull):
            connection.execute(text("INSERT INTO blobs VALUES (zeroblob(1000000))"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM blobs")).scalar() == 0
    engine.dispose()


@pytest.mark.parametrize("address", ["mysql://localhost/mohr", "no address", "postgresql+psycopg2://x/y"])
def test_other_databases_are_refused(address: str) -> None:
    """Only SQLite and PostgreSQL are databases of Mohr."""
    with pytest.raises(MalformedInput):
        make_engine(address)


def test_a_postgresql_that_forgets_is_not_used() -> None:
    """Without fsync a receipt would promise what a power cut takes away; the refusal says which setting it is."""
    forgetful = Cluster.create({"fsync": "off", "full_page_writes": "off"})
    try:
        engine = make_engine(forgetful.new_database())
        with pytest.raises(DatabaseUnsuitable, match="fsync is off; full_page_writes is off"):
            require_suitable(engine)
        engine.dispose()
    finally:
        forgetful.remove()


def test_a_postgresql_that_sorts_by_a_language_is_not_used(cluster: Cluster) -> None:
    """Bytes decide the order of names, the same on every machine: another collation is refused."""
    cluster.execute("CREATE DATABASE sorted TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'fa'")
    engine = make_engine(cluster.url("sorted"))
    with pytest.raises(DatabaseUnsuitable, match="collation"):
        require_suitable(engine)
    engine.dispose()


def test_a_suitable_postgresql_commits_durably(databases: Databases) -> None:
    """What the server is given at each connection: commits wait for the disk."""
    engine = databases.new_engine()
    require_suitable(engine)
    with engine.connect() as connection:
        if databases.kind == "postgresql":
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
        else:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    engine.dispose()
