"""One database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.database import Base, make_engine, make_sessions
from tests.unit.events.counting import TallyRow


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(f"sqlite:///{tmp_path / 'mohr.db'}")
    assert TallyRow.__table__ in Base.metadata.sorted_tables
    Base.metadata.create_all(engine)
    yield make_sessions(engine)
    engine.dispose()
