"""A body on its way to the disk: what it announces, and its bytes, without ever making the event loop wait."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from kernel.errors import LimitExceeded, MalformedInput
from procurement.ports import Upload
from procurement.uploads import UploadBroken

_WRITTEN_AT_ONCE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class AnnouncedPart:
    """Where in the blob the body begins, and the length of the whole blob if the request tells it."""

    offset: int
    total: int | None


def announced_part(content_length: str | None, content_range: str | None) -> AnnouncedPart:
    """Read Content-Length and Content-Range (RFC 9110 §14.4, §14.5); a part reaches to the end of the blob.

    Raises MalformedInput.
    """
    length = int(content_length) if content_length is not None and content_length.isdecimal() else None
    if content_range is None:
        return AnnouncedPart(0, length)
    found = _RANGE.fullmatch(content_range)
    if found is None:
        raise MalformedInput("Content-Range is bytes FIRST-LAST/TOTAL")
    first, last, total = (int(number) for number in found.groups())
    if not first <= last == total - 1 or length not in (None, total - first):
        raise MalformedInput("a part goes from its offset to the end of the blob, and is as long as it says")
    return AnnouncedPart(first, total)


async def receive_into(upload: Upload, request: Request, limit: int, stall_seconds: float) -> None:
    """Write the body as it comes; never more than ``limit`` bytes of the blob in all.

    Raises UploadBroken, after writing what had arrived, LimitExceeded, or StorageFull.
    """
    waiting = bytearray()
    try:
        async for piece in _pieces(request, stall_seconds):
            if upload.length + len(waiting) + len(piece) > limit:
                upload.drop()
                raise LimitExceeded("the blob is longer than its header says", limit_bytes=limit)
            waiting += piece
            if len(waiting) >= _WRITTEN_AT_ONCE_BYTES:
                await run_in_threadpool(upload.write, bytes(waiting))
                waiting.clear()
    except UploadBroken:
        await run_in_threadpool(upload.write, bytes(waiting))
        raise
    await run_in_threadpool(upload.write, bytes(waiting))


async def _pieces(request: Request, stall_seconds: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(stall_seconds):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except (TimeoutError, ClientDisconnect) as error:
            raise UploadBroken("the body broke off before its end") from error
        yield piece
