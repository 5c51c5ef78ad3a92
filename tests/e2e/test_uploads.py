"""Lines that break, lines that cross, and a disk that is full, while a large blob is on its way to two workers."""

from __future__ import annotations

import os
import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.demo.cast import SEATS, Cast
from app.demo.stage import Stage, staged
from client.bidder import Bidder, Submitted
from client.errors import ApiRefusal
from client.sealed_bids import SealedBid
from client.session import PartySession
from procurement.uploads import RESUMABLE_BYTES
from tests.e2e import scenes
from tests.e2e.refusals import Caller, refused, staging_empties, unchanged
from tests.e2e.test_many_bidders import workers_of
from tests.support.forked_starts import Forked
from tests.support.postgresql import Cluster

BLOB = "B.content.bin"
FILE_BYTES = 6 << 20


@dataclass
class Started:
    """A bid whose manifest is at the server, and none of its blobs."""

    session: PartySession
    bid: SealedBid
    id: str

    @property
    def caller(self) -> Caller:
        return Caller.of(self.session)

    @property
    def path(self) -> str:
        return self.path_of(BLOB)

    def path_of(self, name: str) -> str:
        return f"/submissions/{self.id}/blobs/{name}"

    def blob(self, name: str = BLOB) -> bytes:
        return (self.session.folder.path / "bids" / self.bid.manifest_digest / name).read_bytes()

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.caller.get(self.path).json()
        return answer

    def staged_after_breaking(self) -> int:
        """What the server kept, as soon as it has noticed that the line is gone."""
        length = len(self.blob())
        until = time.monotonic() + 10.0
        while time.monotonic() < until:
            # Nobody goes on from the second byte, so the answer is either where to go on or that it cannot yet.
            part = {"Content-Range": f"bytes 1-{length - 1}/{length}"}
            problem: dict[str, Any] = self.caller.send("PUT", self.path, iter([b""]), part).json()
            if problem["code"] == "upload-offset":
                assert problem["staged"] == self.state()["staged"]
                return int(problem["staged"])
            assert problem["code"] == "upload-in-progress"
            time.sleep(0.02)
        raise AssertionError("the line is gone, and the server still holds it")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Stage]:
    """A server of two API workers, so that the next line may well lead to another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOHR_API__WORKERS", "2")
        folder = tmp_path_factory.mktemp("uploads")
        with staged(folder, ["--database-url", cluster.new_database()], launch=Forked) as running:
            yield running


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Iterator[Cast]:
    with closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as opened:
        yield opened


@pytest.fixture
def tender(cast: Cast) -> str:
    for position in range(len(SEATS)):
        cast.member(position)
    return scenes.published(cast, max_envelope_bytes=64 << 20)


def start(cast: Cast, tender: str, name: str, length: int = FILE_BYTES) -> Started:
    """Seal a bid with a large file and hand in its manifest alone."""
    session = cast.organisation(name, "bidder")
    files = {"B": {"a.bin": os.urandom(length)}}
    bid = Bidder(session).prepare_bid(tender, scenes.LOT, scenes.contents(cast), files=files)
    with only_the_manifest(session):
        Bidder(session).submit(bid)
    number = session.api.get(f"/tenders/{tender}/submissions")["submissions"][-1]
    return Started(session, bid, number["id"])


@contextmanager
def only_the_manifest(session: PartySession) -> Iterator[None]:
    """The line breaks with the first blob, in the client."""
    put = session.api.put_bytes

    def broken(_path: str, _content: bytes) -> dict[str, Any]:
        raise ApiRefusal("cut", 500, "", {})

    session.api.put_bytes = broken  # type: ignore[method-assign, assignment]
    try:
        with pytest.raises(ApiRefusal, match="cut"):
            yield
    finally:
        session.api.put_bytes = put  # type: ignore[method-assign]


@contextmanager
def line(caller: Caller, path: str, announced: int, more: str = "") -> Iterator[socket.socket]:
    """A raw connection that has sent the head of a PUT."""
    host = urlsplit(caller.url)
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: {host.netloc}\r\nAuthorization: Bearer {caller.token}\r\n{more}"
        f"Content-Length: {announced}\r\n\r\n"
    )
    with closing(socket.create_connection((str(host.hostname), int(host.port or 80)), 10.0)) as opened:
        opened.sendall(head.encode())
        yield opened


def sent_ranges(session: PartySession) -> list[str | None]:
    """From here on, the Content-Range of each part that the client sends by itself."""
    seen: list[str | None] = []
    put = session.api.put_stream

    def watched(path: str, pieces: Any, headers: Any) -> dict[str, Any]:
        seen.append(headers.get("Content-Range"))
        return put(path, pieces, headers)

    session.api.put_stream = watched  # type: ignore[method-assign]
    return seen


def test_broken_anywhere_it_goes_on(stage: Stage, cast: Cast, tender: str) -> None:
    """After a break at the first, second, middle and last byte the client finishes with what is missing."""
    started = start(cast, tender, "خط بریده")
    blob = started.blob()
    for cut in (0, 1, len(blob) // 2, len(blob) - 1):
        state = started.state()
        offset = int(state["staged"])
        more = f"Content-Range: bytes {offset}-{len(blob) - 1}/{len(blob)}\r\n" if offset else ""
        with line(started.caller, started.path, len(blob) - offset, more) as wire:
            wire.sendall(blob[offset:cut])
            time.sleep(0.3)
        kept = started.staged_after_breaking()
        assert kept == 0 if cut < RESUMABLE_BYTES else RESUMABLE_BYTES <= kept <= cut
    seen = sent_ranges(started.session)
    submitted = Bidder(started.session).submit(started.bid)

    assert isinstance(submitted, Submitted)
    assert seen == [f"bytes {kept}-{len(blob) - 1}/{len(blob)}"]
    assert started.state() == {"length": len(blob), "staged": 0, "received": True, "missing": []}
    assert staging_empties(stage.folder)


def test_a_small_blob_broken_anywhere_leaves_nothing(stage: Stage, cast: Cast, tender: str) -> None:
    """Of what is quickly sent again no byte stays."""
    started = start(cast, tender, "خط کوتاه")
    name = "A.content.bin"
    blob = started.blob(name)
    for cut in (0, 1, len(blob) // 2, len(blob) - 1):
        with unchanged(stage.folder), line(started.caller, started.path_of(name), len(blob)) as wire:
            wire.sendall(blob[:cut])
    assert Bidder(started.session).submit(started.bid).bid.state == "complete"


def test_two_lines_do_not_mix(stage: Stage, cast: Cast, tender: str) -> None:
    """While a blob arrives, a second line for it is refused; whoever comes after a break goes on alone."""
    started = start(cast, tender, "دو خط")
    blob = started.blob()
    with line(started.caller, started.path, len(blob)) as wire:
        wire.sendall(blob[: 3 << 20])
        time.sleep(0.3)
        refused(started.caller.put(started.path, blob), 409, "upload-in-progress")
        part = {"Content-Range": f"bytes 9-{len(blob) - 1}/{len(blob)}"}
        refused(started.caller.send("PUT", started.path, blob[9:], part), 409, "upload-in-progress")
        wire.sendall(blob[3 << 20 :])
        assert re.match(rb"HTTP/1.1 200 ", wire.recv(4096))
    assert started.state()["received"] is True
    assert Bidder(started.session).submit(started.bid).bid.state == "complete"


def test_parts_that_do_not_fit(stage: Stage, cast: Cast, tender: str) -> None:
    """Another offset, length, form or bidder is refused, and what is kept stays as it is."""
    started = start(cast, tender, "تکه نادرست")
    blob, caller = started.blob(), started.caller
    with line(caller, started.path, len(blob)) as wire:
        wire.sendall(blob[: 2 << 20])
        time.sleep(0.3)
    kept = started.staged_after_breaking()
    assert kept >= RESUMABLE_BYTES

    def part(first: int, last: int, total: int, body: bytes) -> Any:
        return caller.send("PUT", started.path, body, {"Content-Range": f"bytes {first}-{last}/{total}"})

    end = len(blob) - 1
    problem = refused(part(kept - 1, end, len(blob), blob[kept - 1 :]), 409, "upload-offset")
    assert problem["staged"] == kept
    refused(part(kept, end + 1, len(blob) + 1, blob[kept:] + b"x"), 422, "blob-mismatch")
    refused(part(kept, end - 1, len(blob), blob[kept:-1]), 422, "malformed-input")
    refused(part(kept, end, len(blob), blob[kept:-1]), 422, "malformed-input")
    for odd in ("bytes */7", "bytes 1-2", "items 0-1/2", "bytes -1-2/3", "x" * 64):
        refused(caller.send("PUT", started.path, b"", {"Content-Range": odd}), 422, "malformed-input")
    stranger = Caller.of(cast.organisation("تکه بیگانه", "bidder"))
    refused(stranger.get(started.path), 403, "forbidden")
    assert started.state()["staged"] == kept
    wrong = bytes(len(blob) - kept)
    refused(part(kept, end, len(blob), wrong), 409, "upload-restart")
    assert started.state()["staged"] == 0
    assert staging_empties(stage.folder)


def test_a_full_disk(stage: Stage, cast: Cast, tender: str) -> None:
    """A server that may not write on says so, keeps nothing, and takes the same blob when it may."""
    largest = max(path.stat().st_size for path in stage.folder.rglob("*") if path.is_file())
    limit = largest + (6 << 20)
    started = start(cast, tender, "دیسک پر", length=limit + (2 << 20))
    before = limited_files(stage, (limit, resource.RLIM_INFINITY))
    try:
        with unchanged(stage.folder):
            refused(started.caller.put(started.path, started.blob()), 507, "storage-full")
        with pytest.raises(ApiRefusal) as refusal:
            Bidder(started.session).submit(started.bid)
        assert (refusal.value.status, refusal.value.code) == (507, "storage-full")
    finally:
        limited_files(stage, before)
    assert staging_empties(stage.folder)
    assert Bidder(started.session).submit(started.bid).bid.state == "complete"


def limited_files(stage: Stage, limits: tuple[int, int]) -> tuple[int, int]:
    """From here on no file of an API worker grows beyond the limit; returns what held before."""
    workers = workers_of(stage)
    assert len(workers) == 2
    for pid in workers:
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    return before


def test_what_is_kept_goes_with_the_grace(stage: Stage, cast: Cast, tender: str) -> None:
    """After the grace nothing can come any more, and nothing of what broke off stays."""
    scenes.submitted(cast, tender, "به‌هنگام")
    started = start(cast, tender, "پس از مهلت")
    with line(started.caller, started.path, len(started.blob())) as wire:
        wire.sendall(started.blob()[: 2 << 20])
        time.sleep(0.3)
    assert started.staged_after_breaking() > 0
    stage.clock.advance(scenes.DEADLINE + scenes.GRACE)
    scenes.await_closing(cast, tender)
    assert staging_empties(stage.folder, 10.0)
    assert started.state()["staged"] == 0
    refused(started.caller.put(started.path, started.blob()), 409, "submission-late", rule="within-deadline")
