"""An office over a real database with an authority in memory and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.migrations.runner import migrate
from app.unit_of_work import SqlUnitOfWork
from identity.adapters.repository import sql_repositories
from identity.party import Actor
from identity.ports import Office
from kernel.database import make_sessions, read_only
from pki.trust import TrustStore
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.databases import Databases

ORIGIN = "https://mohr.invalid"
REGISTRAR = Actor("IR-1", frozenset({"registrar"}), "00" * 32)
BIDDER = Actor("IR-2", frozenset({"bidder"}), "11" * 32)


@pytest.fixture
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture
def sessions(databases: Databases) -> Iterator[sessionmaker[Session]]:
    engine = databases.new_engine()
    migrate(engine)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def trust(authority: MemoryAuthority) -> Callable[[], TrustStore]:
    """The newest lists at each question, as a server has them."""
    return authority.trust_store


@pytest.fixture
def office(
    authority: MemoryAuthority, sessions: sessionmaker[Session], trust: Callable[[], TrustStore]
) -> Office:
    return Office(
        unit_of_work=lambda: SqlUnitOfWork(sessions, authority.clock),
        reading=lambda: read_only(sessions),
        repositories=sql_repositories,
        trust=trust,
        clock=authority.clock,
        origin=ORIGIN,
        challenge_life_seconds=60,
        session_life_seconds=3600,
        max_outstanding_challenges=4,
        max_outstanding_challenges_per_source=2,
    )


@pytest.fixture
def elsewhere(office: Office) -> Office:
    """The same records behind another address."""
    return replace(office, origin="https://elsewhere.invalid")
