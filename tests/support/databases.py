"""A fresh database for whoever asks, on the kind of server that the run is about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, make_url, text
from sqlalchemy.orm import Session

from app.settings import load_settings
from kernel.database import make_engine, make_sessions, read_only
from tests.support.postgresql import Cluster

KINDS = ("sqlite", "postgresql")


class Databases:
    """Databases of one kind; ``kind`` is ``sqlite`` or ``postgresql``."""

    def __init__(self, kind: str, folder: Path, cluster: Cluster | None = None) -> None:
        self.kind = kind
        self._folder = folder
        self._cluster = cluster
        self._numbers = count(1)

    def new(self) -> str:
        """The URL of an empty database."""
        if self._cluster is not None:
            return self._cluster.new_database()
        return f"sqlite:///{self._folder / f'{next(self._numbers)}.sqlite3'}"

    def new_engine(self) -> Engine:
        """An engine on an empty database; whoever asked disposes of it."""
        return make_engine(self.new())

    def init_options(self) -> list[str]:
        """What ``mohr init`` is told, so that an installation has a database of this kind."""
        return ["--database-url", self.new()] if self.kind == "postgresql" else []

    def copy_of(self, url: str) -> str:
        """The URL of a copy of a database that nobody is connected to."""
        if self._cluster is not None:
            return self._cluster.copy_of(url)
        copy = self.new()
        shutil.copy(_file_of(url), _file_of(copy))
        return copy


def tables_of(engine: Engine) -> set[str]:
    """The names of the tables that migrations or tests have made."""
    query = (
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        if engine.dialect.name == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    with engine.connect() as connection:
        return set(connection.scalars(text(query)))


class Snapshot:
    """One moment of a database, read with plain SQL."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_sqlite = session.get_bind().dialect.name == "sqlite"

    def rows(self, statement: str) -> list[Any]:
        """The rows of a SELECT, as tuples."""
        return [tuple(row) for row in self._session.execute(text(statement))]


@contextmanager
def snapshot_of(folder: Path) -> Iterator[Snapshot]:
    """The database of an installation beside its server; nothing is written."""
    engine = engine_of(folder)
    try:
        with read_only(make_sessions(engine)) as session:
            yield Snapshot(session)
    finally:
        engine.dispose()


def engine_of(folder: Path) -> Engine:
    """An engine on the database of an installation; whoever asked disposes of it."""
    return make_engine(load_settings(folder).database_url)


def _file_of(url: str) -> str:
    file = make_url(url).database
    assert file is not None
    return file
