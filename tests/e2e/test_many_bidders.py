"""Many bidders at once on PostgreSQL with two API processes, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.demo.cast import Cast
from app.demo.stage import Stage, staged
from client.bidder import Bidder, Submitted
from client.errors import ApiRefusal
from client.sealed_bids import SealedBid
from kernel.canonical import from_base64, parse_canonical
from kernel.errors import Unavailable
from tests.e2e import scenes
from tests.support.agreement import assert_agreement
from tests.support.databases import snapshot_of
from tests.support.forked_starts import Forked
from tests.support.postgresql import Cluster

CLIENTS = 32
TWICE = 4
_PATIENCE_SECONDS = 120.0


@pytest.fixture
def stage(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A server of two API workers on PostgreSQL."""
    monkeypatch.setenv("MOHR_API__WORKERS", "2")
    with staged(tmp_path, ["--database-url", cluster.new_database()], launch=Forked) as running:
        yield running


def workers_of(stage: Stage) -> list[int]:
    """The API workers by process id."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError, ValueError):
            continue
        if parent == stage.process.pid and b"serve-api" in arguments:
            found.append(int(entry.name))
    return found


def persistently(bidder: Bidder, bid: SealedBid) -> Submitted:
    """Submit until it holds, as a bidder's machine does whose line breaks."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return bidder.submit(bid)
        except (Unavailable, ApiRefusal, FileNotFoundError) as error:
            # Two programs of one bidder write one folder, and may take each other's staged file away.
            if (isinstance(error, ApiRefusal) and error.status < 500) or time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_thirty_two_clients_at_once_lose_nothing_and_double_nothing(stage: Stage) -> None:
    """Bids sealed before and sent together, some of them twice, stand once each in the closing list, in log and
    database, whichever of two workers took them, though one of the two is killed meanwhile."""
    with closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast:
        cast.key_holders()
        tender = scenes.published(cast)
        names = [f"پیمانکار {number}" for number in range(CLIENTS)]
        bids = {name: scenes.prepared(cast, tender, name) for name in names}
        senders = [cast.bidder(name) for name in names]
        first = workers_of(stage)
        assert len(first) == 2

        def send(position: int) -> Submitted:
            started.wait(_PATIENCE_SECONDS)
            return persistently(senders[position % CLIENTS], bids[names[position % CLIENTS]])

        started = threading.Barrier(CLIENTS + TWICE + 1)
        with ThreadPoolExecutor(CLIENTS + TWICE) as pool:
            sending = [pool.submit(send, position) for position in range(CLIENTS + TWICE)]
            started.wait(_PATIENCE_SECONDS)
            time.sleep(0.5)
            os.kill(first[0], signal.SIGKILL)
            done = [each.result(_PATIENCE_SECONDS) for each in sending]

        assert {each.receipt.leaf_hash for each in done[CLIENTS:]} <= {
            each.receipt.leaf_hash for each in done[:CLIENTS]
        }
        stage.clock.advance(scenes.DEADLINE + scenes.GRACE + scenes.DAYS)
        scenes.await_closing(cast, tender)
        closing_list = _closing_list(cast, tender)
        assert sorted(entry["bidder"] for entry in closing_list) == sorted(
            each._session.party for each in senders
        )
        assert [entry["counter"] for entry in closing_list] == list(range(1, CLIENTS + 1))
        assert {entry["state"] for entry in closing_list} == {"listed"}
        assert {entry["leaf_hash"] for entry in closing_list} == {each.receipt.leaf_hash for each in done}
        for sender in senders:
            assert [check.listed for check in sender.check_closing_list(tender)] == [True]
        with snapshot_of(stage.folder) as database:
            assert database.rows("SELECT count(*) FROM submissions") == [(CLIENTS,)]
        assert len(set(workers_of(stage)) - {first[0]}) == 2
        assert_agreement(stage)


def _closing_list(cast: Cast, tender: str) -> list[dict[str, Any]]:
    wire = cast.auditor().api.get(f"/tenders/{tender}/closing-list")
    document = parse_canonical(from_base64(wire["document"]), max_bytes=8 << 20)
    submissions: list[dict[str, Any]] = document["submissions"]
    return submissions
