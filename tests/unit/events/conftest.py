"""One database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.database import make_engine, make_sessions
from tests.unit.events.counting import create_tables


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(f"sqlite:///{tmp_path / 'mohr.db'}")
    create_tables(engine)
    yield make_sessions(engine)
    engine.dispose()
