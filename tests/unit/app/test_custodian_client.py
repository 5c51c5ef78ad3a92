"""The custodian as the server calls it: a real custodian's application behind a real port."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import uvicorn

from app.container import Container
from app.custodian_client import CustodianClient, CustodianRefused
from app.custodian_server import create_custodian_app
from app.witness_setup import open_witness
from custodian.custodian import Custodian
from custodian.setup import access_token, open_custodian
from kernel.errors import Unavailable
from kernel.ids import new_id
from tests.unit.app.test_processes import free_port, until
from transparency.notes import NoteVerifier, open_note


@pytest.fixture
def custodian(container: Container) -> Custodian:
    folder = container.settings.folder
    witness = open_witness(folder / "witness", container.clock)
    return open_custodian(folder / "custodian", container.clock, witness=witness)


@pytest.fixture
def url(container: Container, custodian: Custodian) -> Iterator[str]:
    app = create_custodian_app(custodian, access_token(container.settings.folder / "custodian"))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(container: Container, url: str) -> Iterator[CustodianClient]:
    container.trust.refresh()
    token = access_token(container.settings.folder / "custodian")
    client = CustodianClient(url, token, container.trust.crls)
    yield client
    client.close()


def test_keys_are_made_once(client: CustodianClient, container: Container) -> None:
    """Asking again for the keys of a tender gives the same keys, and the journal tells of them."""
    tender = new_id()

    keys = client.create_keys(tender)

    assert client.create_keys(tender) == keys
    assert sorted(keys["keys"]) == ["A", "B", "C"]
    assert len(client.journal_entries().splitlines()) == 1
    pinned = NoteVerifier.parse(container.settings.custodian.vkey)
    assert open_note(client.journal_checkpoint(), [pinned])[1]


def test_a_refusal_keeps_its_code(client: CustodianClient) -> None:
    """What the custodian says no to is a refusal with its own code inside, not a failure."""
    with pytest.raises(CustodianRefused) as refused:
        client.countersign(b"{}", {})

    assert refused.value.fields["custodian_code"]


def test_a_wrong_token_is_not_the_callers_fault(url: str) -> None:
    """A server that the custodian does not know can't serve; it does not send its user to sign in."""
    client = CustodianClient(url, "x" * 40, list)
    with pytest.raises(Unavailable) as refused:
        client.create_keys(new_id())
    client.close()

    assert refused.value.fields["custodian_code"] == "unauthenticated"


def test_silence_is_unavailable() -> None:
    """Nobody listens: the caller gets to know at once that nothing was done."""
    client = CustodianClient(f"http://127.0.0.1:{free_port()}", "x" * 40, list, timeout_seconds=2)
    with pytest.raises(Unavailable):
        client.create_keys(new_id())
    client.close()
