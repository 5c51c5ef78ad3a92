"""A fresh database for whoever asks, on the kind of server that the run is about."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, make_url, text

from kernel.database import make_engine
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


def _file_of(url: str) -> str:
    file = make_url(url).database
    assert file is not None
    return file
