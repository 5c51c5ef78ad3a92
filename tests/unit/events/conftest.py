"""One database for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.database import make_sessions
from tests.support.databases import Databases
from tests.unit.events.counting import create_tables


@pytest.fixture
def sessions(databases: Databases) -> Iterator[sessionmaker[Session]]:
    engine = databases.new_engine()
    create_tables(engine)
    yield make_sessions(engine)
    engine.dispose()
