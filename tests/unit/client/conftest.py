"""A published tender, a server that may lie about it, and the parties' own folders."""

from pathlib import Path

import pytest

from client.bidder import Bidder
from client.member import Member
from tests.support.tenders import TenderWorld
from tests.unit.client.world_server import WorldServer, folder_for, session_for


@pytest.fixture
def world(tmp_path: Path) -> TenderWorld:
    """A published tender, nothing submitted yet."""
    made = TenderWorld(tmp_path / "world")
    made.publish()
    return made


@pytest.fixture
def server(world: TenderWorld) -> WorldServer:
    """The server that all parties of the test talk to."""
    return WorldServer(world)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that keeps a proof back is given up on at once."""
    monkeypatch.setattr("client.session.PROOF_WAIT_SECONDS", 0.0)
    monkeypatch.setattr("client.session.PROOF_PAUSE_SECONDS", 0.0)


@pytest.fixture
def bidder(server: WorldServer, tmp_path: Path) -> Bidder:
    """The first bidder's client."""
    signer = server.world.bidders[0]
    return Bidder(session_for(server, folder_for(server.world, signer, tmp_path / "bidder")))


@pytest.fixture
def chair(server: WorldServer, tmp_path: Path) -> Member:
    """The head of the commission's client."""
    member = server.world.members[0]
    folder = folder_for(server.world, member.signer, tmp_path / "chair", member)
    return Member(session_for(server, folder))
