"""One file as a body: raw, or as the single field of a form that a browser sends without a script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request

from kernel.errors import LimitExceeded, MalformedInput, Unavailable

# What a form says about its file beside the file.
_MAX_AROUND = 8 << 10
_MAX_PARTS = 20
_GRACE_SECONDS = 30.0
_SLOWEST = 64 << 10  # bytes a second
_BOUNDARY = re.compile(r'multipart/form-data;\s*boundary="?([0-9A-Za-z\'()+_,./:=?-]{1,70})"?', re.I)
_NAME = re.compile(rb'filename="([^"]{0,1000})"')


@dataclass(frozen=True, slots=True)
class OneFile:
    """``name`` as the visitor's machine calls it, if it says so."""

    content: bytes
    name: str | None


class Arrivals:
    """How many files one process takes in at a time, since each is held in memory."""

    def __init__(self, most: int, patience_seconds: float) -> None:
        self._places = asyncio.Semaphore(most)
        self._patience = patience_seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Held as long as the file is; raises Unavailable when none comes free."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unavailable("too many files arrive at once: try again later") from error
        try:
            yield
        finally:
            self._places.release()


async def one_file(request: Request, limit: int) -> OneFile:
    """Raises LimitExceeded beyond ``limit`` bytes, MalformedInput when nothing or not all of it arrives."""
    form = _BOUNDARY.match(request.headers.get("content-type", ""))
    most = limit + (_MAX_AROUND if form else 0)
    if int(request.headers.get("content-length", 0)) > most:
        raise LimitExceeded("the file is too long", limit_bytes=limit)
    body = await _body(request, most, limit)
    found = OneFile(body, None) if form is None else file_of_form(body, form[1].encode("ascii"))
    if not found.content:
        raise MalformedInput("no file arrived")
    if len(found.content) > limit:
        raise LimitExceeded("the file is too long", limit_bytes=limit)
    return found


def file_of_form(body: bytes, boundary: bytes) -> OneFile:
    """The first part that is a file (RFC 7578); raises MalformedInput when there is none, or its end is missing."""
    mark = b"--" + boundary
    # Never more pieces than that: a body of nothing but marks would be millions of them.
    parts = (b"\r\n" + body).split(b"\r\n" + mark, _MAX_PARTS)
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise MalformedInput("the form did not arrive whole")
    for part in parts[1:-1]:
        head, gap, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head[:_MAX_AROUND])
        if gap and name is not None:
            return OneFile(content, name[1].decode("utf-8", "replace") or None)
    raise MalformedInput("the form holds no file")


async def _body(request: Request, most: int, limit: int) -> bytes:
    """All of it, unless it comes slower than anybody's telephone sends."""
    found, started = bytearray(), asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(_GRACE_SECONDS) as deadline:
            async for piece in request.stream():
                found += piece
                if len(found) > most:
                    raise LimitExceeded("the file is too long", limit_bytes=limit)
                deadline.reschedule(started + _GRACE_SECONDS + len(found) / _SLOWEST)
    except TimeoutError as error:
        raise MalformedInput("the file did not arrive in time") from error
    return bytes(found)
