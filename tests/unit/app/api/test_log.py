"""The log and open data over HTTP, before and after there is anything to show."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from app.bootstrap import log_signer, read_secret
from app.container import Container
from app.witness_setup import open_witness
from kernel.canonical import from_base64
from transparency.sequencer import Sequencer
from transparency.tree import leaf_hash


def test_nothing_is_proven_without_the_witness(client: TestClient, container: Container) -> None:
    """An entry that has its index but no cosigned checkpoint is not found yet."""
    container.sequencer.sequence()
    entry = from_base64(client.get("/log/entries?start=0&end=1").json()["entries"][0])

    proof = client.get("/log/proof", params={"leaf_hash": leaf_hash(entry).hex()})
    checkpoint = client.get("/log/checkpoint")

    assert (proof.status_code, proof.json()["code"]) == (404, "not-found")
    assert (checkpoint.status_code, checkpoint.json()["code"]) == (404, "not-found")


def test_a_cosigned_entry_is_proven(client: TestClient, container: Container) -> None:
    """As soon as the witness has cosigned, the same routes answer."""
    witness = open_witness(container.settings.folder / "witness", container.clock)
    secret = read_secret(container.settings, container.settings.passphrase_file, "passphrase_file")
    signer = log_signer(container.settings, secret)
    Sequencer(container.sessions, signer, container.clock, witness).run_once()
    entry = from_base64(client.get("/log/entries?start=0&end=1").json()["entries"][0])

    proof = client.get("/log/proof", params={"leaf_hash": leaf_hash(entry).hex()}).json()

    assert (proof["type"], proof["index"]) == ("mohr/proof/v1", 0)
    assert proof["checkpoint"] == client.get("/log/checkpoint").text
    assert client.get("/health").json()["cosigned"] is True


@pytest.mark.parametrize(
    "query",
    [
        "/log/entries?start=5&end=2",
        "/log/entries?start=-1&end=2",
        "/log/entries?start=0",
        "/log/consistency?first=0&second=1",
    ],
)
def test_odd_ranges_are_malformed(client: TestClient, query: str) -> None:
    """A range that can't be is refused as such."""
    answer = client.get(query)

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed-input")


def test_a_page_of_entries_is_bounded(client: TestClient, container: Container) -> None:
    """Asking for everything gives the first page, never an error and never more than there is."""
    container.sequencer.sequence()

    answer = client.get("/log/entries", params={"start": 0, "end": 2**40}).json()

    assert 0 < len(answer["entries"]) <= 1000


@pytest.mark.parametrize("path", ["/ocds/records/ocds-none.json", "/ocds/releases/ocds-none/1.json"])
def test_unpublished_tenders_are_not_found(client: TestClient, path: str) -> None:
    """Open data of a tender exists once something of it was published."""
    assert client.get(path).json()["code"] == "not-found"
    assert client.get("/ocds/feed").json() == {"releases": []}
