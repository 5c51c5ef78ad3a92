"""The witness over HTTP speaks C2SP tlog-witness, within limits, and its client never waits for long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from app.witness_server import create_witness_app
from kernel.clock import FixedClock
from kernel.errors import MalformedInput, Unavailable
from tests.unit.transparency.logs import LOG_ORIGIN, START, note_of, signer, tree_of
from transparency.cosigning import obtain_cosignature, request_text
from transparency.errors import CheckpointInconsistent, CheckpointStale, CheckpointUnsigned, LogUnknown
from transparency.witness import Witness
from transparency.witness_client import WitnessClient

LOG, TREE, FORK = signer(LOG_ORIGIN), tree_of(12), tree_of(12, salt="fork ")


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path, signer("witness.test/w1"), {LOG.name: LOG.vkey}, FixedClock(START))


@pytest.fixture
def url(witness: Witness) -> Iterator[str]:
    """A real server on the loopback interface."""
    config = uvicorn.Config(
        create_witness_app(witness), host="127.0.0.1", port=0, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def body(old: int, size: int) -> str:
    return request_text(old, TREE.consistency(old, size), note_of(TREE, LOG, size))


def post(url: str, content: str | bytes) -> httpx.Response:
    return httpx.post(f"{url}/add-checkpoint", content=content, trust_env=False)


def test_statuses_and_bodies_are_those_of_the_protocol(url: str, witness: Witness) -> None:
    """200 with a signature line, 409 with the size and its type, 400, 403, 404 and 422 as published."""
    first = post(url, body(0, 5))
    stale = post(url, body(0, 12))

    assert first.status_code == 200
    assert first.text.startswith("— witness.test/w1 ")
    assert first.text.endswith("\n")
    assert (stale.status_code, stale.text) == (409, "5\n")
    assert stale.headers["content-type"].startswith("text/x.tlog.size")
    assert post(url, "old 9\n\n" + note_of(TREE, LOG, 5)).status_code == 400
    assert post(url, b"\xff\xfe").status_code == 400
    assert post(url, body(5, 12).replace("\n12\n", "\n11\n")).status_code == 403
    assert post(url, request_text(0, [], note_of(TREE, signer("mohr.test/other")))).status_code == 404
    assert post(url, request_text(5, [], note_of(TREE, LOG, 12))).status_code == 422
    assert witness.seen_size(LOG_ORIGIN) == 5


def test_health_names_the_key(url: str, witness: Witness) -> None:
    """GET /health answers with the cosigner key."""
    assert httpx.get(f"{url}/health", trust_env=False).json() == {"status": "ok", "vkey": witness.vkey}


def test_large_bodies_are_refused(url: str) -> None:
    """A body beyond the limit is refused, whether its length is announced or not."""

    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000

    assert post(url, "x" * 100_000).status_code == 413
    assert httpx.post(f"{url}/add-checkpoint", content=parts(), trust_env=False).status_code == 413


def test_the_client_obtains_cosignatures_from_any_belief(url: str, witness: Witness) -> None:
    """With a wrong belief about the last size the client is put right and still gets its cosignature."""
    client = WitnessClient(url, witness.vkey)
    for size, believed in ((5, 5), (5, 0), (12, 1), (12, 12)):
        assert obtain_cosignature(client, note_of(TREE, LOG, size), TREE, believed).size == size
    client.close()


def test_the_client_raises_what_the_witness_means(url: str, witness: Witness) -> None:
    """Each refusal over HTTP becomes the same error as from the witness itself."""
    client = WitnessClient(url, witness.vkey)
    client.add_checkpoint(body(0, 5))

    with pytest.raises(CheckpointStale) as stale:
        client.add_checkpoint(body(0, 12))
    assert stale.value.size == 5
    with pytest.raises(CheckpointInconsistent):
        client.add_checkpoint(request_text(5, [], note_of(FORK, LOG, 5)))
    with pytest.raises(CheckpointUnsigned):
        client.add_checkpoint(body(5, 12).replace("\n12\n", "\n11\n"))
    with pytest.raises(LogUnknown):
        client.add_checkpoint(request_text(0, [], note_of(TREE, signer("mohr.test/other"))))
    with pytest.raises(MalformedInput):
        client.add_checkpoint("nonsense")
    with pytest.raises(CheckpointStale):
        obtain_cosignature(client, note_of(TREE, LOG, 4), TREE, 0)
    client.close()


def test_an_answer_by_another_key_is_no_answer(url: str) -> None:
    """A cosignature by a key that is not the pinned one counts as none."""
    client = WitnessClient(url, signer("witness.test/pinned").cosigner_vkey)

    with pytest.raises(Unavailable):
        obtain_cosignature(client, note_of(TREE, LOG, 5), TREE, 0)
    client.close()


def test_a_witness_that_is_not_there_is_unavailable() -> None:
    """A closed port is an answer of its own: unavailable."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = WitnessClient(f"http://127.0.0.1:{port}", signer("witness.test/w1").cosigner_vkey)

    with pytest.raises(Unavailable):
        client.add_checkpoint(body(0, 5))
    client.close()


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"])
def test_a_witness_that_hangs_or_drips_is_given_up(drip: bytes) -> None:
    """Silence, and an answer that trickles, both end as unavailable soon after the time allowed."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(drip)
                while not stop.wait(0.05):
                    if drip:
                        try:
                            connection.sendall(b"x")
                        except OSError:
                            return

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        client = WitnessClient(url, signer("witness.test/w1").cosigner_vkey, timeout_seconds=0.3)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            client.add_checkpoint(body(0, 5))
        assert time.monotonic() - started < 2
        stop.set()
        thread.join()
        client.close()
