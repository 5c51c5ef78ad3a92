"""What is held back is written in its order, before anything is read, and once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from kernel.database import lock_scope_and_read, make_sessions
from kernel.errors import Conflict
from kernel.held_writes import Change, Insertion, send_held, write, write_many
from tests.support.databases import Databases

LETTERS, NUMBERS = Insertion("letters", ("letter",)), Insertion("numbers", ("letter", "number"))


class Watched:
    """A database with two tables, and the statements that were sent to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sessions: sessionmaker[Session] = make_sessions(engine)
        self.statements: list[str] = []
        self.kind = engine.dialect.name
        number = "BIGSERIAL" if self.kind == "postgresql" else "INTEGER"
        with engine.begin() as connection:
            connection.execute(text(f"CREATE TABLE letters (id {number} PRIMARY KEY, letter TEXT UNIQUE)"))
            connection.execute(
                text("CREATE TABLE numbers (letter TEXT REFERENCES letters (letter), number BIGINT)")
            )
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT" in statement:
            self.statements.append(statement)

    def letters(self) -> list[str]:
        with self.sessions() as session:
            return list(session.scalars(text("SELECT letter FROM letters ORDER BY id")))


@pytest.fixture
def watched(databases: Databases, tmp_path: Path) -> Iterator[Watched]:
    engine = databases.new_engine()
    yield Watched(engine)
    engine.dispose()


def test_rows_of_a_table_are_written_in_their_order(watched: Watched) -> None:
    """Twenty rows of one table get ascending numbers, also where they were held back."""
    with watched.sessions() as session:
        for each in "qwertyuiopasdfghjklz":
            write(session, LETTERS, {"letter": each})
        send_held(session)
        session.commit()

    assert "".join(watched.letters()) == "qwertyuiopasdfghjklz"


def test_different_tables_go_together_on_postgresql(watched: Watched) -> None:
    """A row and one that refers to it are one statement there, and two on SQLite."""
    with watched.sessions() as session:
        write(session, LETTERS, {"letter": "a"})
        write(session, NUMBERS, {"letter": "a", "number": 2**40})
        send_held(session)
        session.commit()

    assert len(watched.statements) == (1 if watched.kind == "postgresql" else 2)


def test_a_change_goes_with_what_is_inserted_beside_it(watched: Watched) -> None:
    """New values for a row, one at a time and many; held back on PostgreSQL until somebody looks."""
    change = Change("numbers", "letter", ("number",))
    with watched.sessions() as session:
        write_many(session, LETTERS, [{"letter": each} for each in "abc"])
        write_many(session, NUMBERS, [{"letter": each, "number": 1} for each in "abc"])
        write(session, change, {"letter": "a", "number": 5})
        write(session, LETTERS, {"letter": "d"})
        query = text("SELECT number FROM numbers ORDER BY letter")
        assert list(session.scalars(query)) == [5, 1, 1]
        write_many(session, change, [{"letter": each, "number": 7} for each in "bcx"])
        write_many(session, change, [])
        assert list(session.scalars(query)) == [5, 7, 7]
        session.commit()

    assert "".join(watched.letters()) == "abcd"


def test_who_reads_in_the_transaction_finds_them(watched: Watched) -> None:
    """Any statement of the transaction sees what was handed over before it, and it is not written again."""
    with watched.sessions() as session:
        write(session, LETTERS, {"letter": "a"})
        assert session.scalar(text("SELECT count(*) FROM letters")) == 1
        write(session, LETTERS, {"letter": "b"})
        session.commit()

    assert watched.letters() == ["a", "b"]


def test_nothing_is_left_of_what_was_rolled_back(watched: Watched) -> None:
    """What was held by a transaction that is given up is not written by the next on the same connection."""
    with watched.sessions() as session:
        write(session, LETTERS, {"letter": "a"})
        session.rollback()
        write(session, LETTERS, {"letter": "b"})
        session.commit()
    with watched.sessions() as session:
        write(session, LETTERS, {"letter": "c"})

    assert watched.letters() == ["b"]


def test_a_row_that_is_there_already_is_a_conflict(watched: Watched) -> None:
    """A violated constraint is told in our own words when it is sent, and nothing of the transaction stays."""
    with watched.sessions() as session:
        write(session, LETTERS, {"letter": "a"})
        session.commit()
    with watched.sessions() as session:
        write(session, NUMBERS, {"letter": "a", "number": 1})
        with pytest.raises(Conflict):
            _repeat(session)

    with watched.sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM numbers")) == 0


def test_the_commit_sends_what_is_still_held(watched: Watched) -> None:
    """Whoever commits without sending first loses nothing."""
    with watched.sessions.begin() as session:
        write(session, LETTERS, {"letter": "a"})

    assert watched.letters() == ["a"]


def _repeat(session: Session) -> None:
    write(session, LETTERS, {"letter": "a"})
    send_held(session)


def test_many_rows_may_lack_a_value(watched: Watched) -> None:
    """A column that is NULL in some rows, or in all of them, is written so, and rows keep their order."""
    with watched.sessions() as session:
        write_many(session, LETTERS, [{"letter": each} for each in "zyx"])
        write_many(session, NUMBERS, [{"letter": "z", "number": None}, {"letter": None, "number": 7}])
        write_many(session, NUMBERS, [{"letter": "y", "number": None}, {"letter": "x", "number": None}])
        session.commit()
        found = session.execute(text("SELECT letter, number FROM numbers")).all()

    assert watched.letters() == ["z", "y", "x"]
    assert {tuple(row) for row in found} == {("z", None), (None, 7), ("y", None), ("x", None)}


def test_of_two_changes_of_one_row_the_later_counts(watched: Watched) -> None:
    """Many changes in one call end as they would one after the other."""
    change = Change("numbers", "letter", ("number",))
    with watched.sessions() as session:
        write_many(session, LETTERS, [{"letter": "a"}, {"letter": "b"}])
        write_many(session, NUMBERS, [{"letter": "a", "number": 0}, {"letter": "b", "number": 0}])
        write_many(session, change, [{"letter": each, "number": n} for n, each in enumerate("abab", start=1)])
        session.commit()
        found = session.execute(text("SELECT letter, number FROM numbers")).all()

    assert dict(tuple(row) for row in found) == {"a": 3, "b": 4}


def test_who_waited_for_a_scope_reads_what_was_committed_meanwhile(watched: Watched) -> None:
    """Eight writers at once each read the number that the one before has left, though they were sent together."""
    query = "SELECT number FROM numbers ORDER BY number DESC LIMIT 1"

    def count(_writer: int) -> None:
        for _ in range(5):
            with watched.sessions() as session:
                (last,) = lock_scope_and_read(session, "counting", query) or (0,)
                write(session, NUMBERS, {"letter": None, "number": last + 1})
                session.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    with watched.sessions() as session:
        numbers = session.scalars(text("SELECT number FROM numbers ORDER BY number")).all()

    assert numbers == list(range(1, 41))
