"""Sending blobs over a line that breaks: what the client does by itself, and when it gives up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from client import uploads
from client.errors import ApiRefusal
from client.http import ApiClient
from client.uploads import upload
from kernel.errors import Unavailable

LENGTH = 5 << 20
DATA = bytes(range(256)) * (LENGTH // 256)


class Line(httpx.BaseTransport):
    """A server that keeps what arrived, on a line that breaks after so many bytes of each body, in turn."""

    def __init__(self, *cuts: int | str) -> None:
        self.cuts = list(cuts)
        self.kept = b""
        self.done = False
        self.offsets: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            state = {"length": LENGTH, "staged": len(self.kept), "received": self.done, "missing": []}
            return httpx.Response(200, json=state)
        cut = self.cuts.pop(0) if self.cuts else LENGTH
        if isinstance(cut, str):
            return httpx.Response(409, content=json.dumps({"code": cut}))
        part = request.headers.get("Content-Range")
        offset = int(part.split()[1].partition("-")[0]) if part else 0
        assert part in (None, f"bytes {offset}-{LENGTH - 1}/{LENGTH}")
        assert int(request.headers["Content-Length"]) == LENGTH - offset or not part
        self.offsets.append(offset)
        arrived = b"".join(pieces_of(request))
        if cut < len(arrived):
            self.kept = self.kept[:offset] + arrived[:cut]
            raise httpx.WriteError("the line broke")
        self.kept, self.done = self.kept[:offset] + arrived, True
        return httpx.Response(200, json={"missing": ["C.content.bin"]})


def pieces_of(request: httpx.Request) -> Iterator[bytes]:
    assert isinstance(request.stream, httpx.SyncByteStream)
    yield from request.stream


@pytest.fixture
def blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(uploads, "_PAUSE_SECONDS", 0.0)
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    return path


def send(line: Line, blob: Path) -> list[str]:
    with ApiClient("http://server.test", transport=line, pause_seconds=0.0) as api:
        return upload(api, "/submissions/1/blobs/B.content.bin", blob)


def test_it_goes_on_where_it_broke(blob: Path) -> None:
    """Each new line begins at the byte that the server lacks, however often it breaks, as long as it gets on."""
    line = Line(*[1 << 19] * 9)

    assert send(line, blob) == ["C.content.bin"]
    assert line.kept == DATA
    assert line.offsets == [number << 19 for number in range(10)]


def test_without_progress_it_gives_up(blob: Path) -> None:
    """A line that never carries a byte is reported, in bounded time."""
    line = Line(*[0] * 50)

    with pytest.raises(Unavailable):
        send(line, blob)
    assert 2 <= len(line.offsets) <= 10


def test_what_the_server_says_of_a_part_is_followed(blob: Path) -> None:
    """Held by another line, begun elsewhere, to be begun anew: the client asks again and finishes."""
    line = Line(2 << 20, "upload-in-progress", "upload-offset", "upload-restart")

    assert send(line, blob) == ["C.content.bin"]
    assert line.kept == DATA


def test_a_refusal_is_not_repeated(blob: Path) -> None:
    """A full disk at the server is told at once."""
    line = Line("storage-full", 0)

    with pytest.raises(ApiRefusal) as refusal:
        send(line, blob)
    assert (refusal.value.code, line.cuts) == ("storage-full", [0])


def test_what_is_received_is_not_sent_again(blob: Path) -> None:
    """A blob whose answer was lost costs one question."""
    line = Line()
    line.done = True

    assert (send(line, blob), line.offsets) == ([], [])


def test_a_small_blob_waits_for_its_own_broken_line(blob: Path) -> None:
    """Until the server has noticed that the first line is gone, the second is patient."""
    blob.write_bytes(b"small")
    line = Line(1, "upload-in-progress", "upload-in-progress")

    assert send(line, blob) == ["C.content.bin"]
    assert line.kept == b"small"
