"""A body as it arrives: what it may announce, what a line that stands still leaves, and who writes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import Request

from app.api.uploads import AnnouncedPart, announced_part, receive_into
from kernel.errors import LimitExceeded, MalformedInput
from procurement.uploads import UploadBroken


class Written:
    """An upload that remembers what was written, and by which threads."""

    resumed = False

    def __init__(self) -> None:
        self.data = b""
        self.kept = True
        self.threads: set[int] = set()

    @property
    def length(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.threads.add(threading.get_ident())
        self.data += data

    def digest(self) -> str:
        return ""

    def adopt(self) -> None:
        return None

    def drop(self) -> None:
        self.kept = False

    def close(self) -> None:
        return None


def received(
    pieces: list[bytes], ending: Callable[[], Awaitable[dict[str, Any]]] | None = None, limit: int = 1 << 30
) -> Written:
    """Receive a body of these pieces; ``ending`` takes the place of a proper end."""
    upload = Written()
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        if left:
            more = bool(len(left) > 1 or ending)
            return {"type": "http.request", "body": left.pop(0), "more_body": more}
        assert ending is not None
        return await ending()

    async def run() -> int:
        await receive_into(upload, Request({"type": "http"}, receive), limit, 0.05)  # type: ignore[arg-type]
        return threading.get_ident()

    try:
        loop_thread = asyncio.run(run())
    except Exception as error:
        error.args = (*error.args, upload)
        raise
    assert loop_thread not in upload.threads
    return upload


async def still() -> dict[str, Any]:
    await asyncio.sleep(60)
    raise AssertionError("nobody waits that long")


async def gone() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def test_a_body_is_written_whole_beside_the_loop() -> None:
    """Small pieces are gathered, large ones passed on, and the event loop never waits for the disk."""
    pieces = [b"a" * 100, b"b" * (1 << 20), b"c" * 70_000]

    assert received(pieces).data == b"".join(pieces)


@pytest.mark.parametrize("ending", [still, gone])
def test_a_line_that_ends_early_or_stands_still_is_over(
    ending: Callable[[], Awaitable[dict[str, Any]]],
) -> None:
    """Both are told the same way, and what had arrived is written to go on from."""
    with pytest.raises(UploadBroken) as refusal:
        received([b"x" * 100, b"y" * 100], ending)
    upload = refusal.value.args[-1]
    assert (upload.data, upload.kept) == (b"x" * 100 + b"y" * 100, True)


def test_more_than_was_declared_is_not_kept() -> None:
    """The byte beyond the declared length ends it, and nothing of it stays."""
    with pytest.raises(LimitExceeded) as refusal:
        received([b"x" * 100, b"y"], limit=100)
    assert refusal.value.args[-1].kept is False


def test_what_a_request_announces() -> None:
    """A part names offset and whole length; without it the whole is meant."""
    assert announced_part(None, None) == AnnouncedPart(0, None)
    assert announced_part("7", None) == AnnouncedPart(0, 7)
    assert announced_part("3", "bytes 4-6/7") == AnnouncedPart(4, 7)
    assert announced_part(None, "bytes 0-6/7") == AnnouncedPart(0, 7)


@pytest.mark.parametrize(
    ("length", "part"),
    [
        ("2", "bytes 4-6/7"), ("3", "bytes 4-5/7"), ("3", "bytes 4-6/8"), ("3", "bytes 7-6/7"), ("3", "bytes 4-6/*"),
        ("3", "bytes=4-6/7"), ("3", "bytes 4-6/7 "), ("3", "Bytes 4-6/7"), ("3", "bytes 4-6/" + "9" * 19), ("3", ""),
    ],
)  # fmt: skip
def test_an_odd_part_is_malformed(length: str, part: str) -> None:
    """A part that contradicts itself, or does not reach to the end, is refused before its first byte."""
    with pytest.raises(MalformedInput):
        announced_part(length, part)
