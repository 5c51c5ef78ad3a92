"""One file as a body: raw, or as the single field of a form that a browser sends without a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from kernel.errors import LimitExceeded, MalformedInput, Unavailable

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# What a form may say beside its file.
FORM_BYTES = 8 << 10
_MAX_PARTS = 20


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
    """The body, which ``Limits`` bounds in length and time as it arrives.

    Raises LimitExceeded beyond ``limit`` bytes, MalformedInput when nothing or not all of it arrives.
    """
    kind = request.headers.get("content-type", "")
    form = kind.lower().startswith("multipart/form-data")
    if int(request.headers.get("content-length", 0)) > limit + (FORM_BYTES if form else 0):
        raise LimitExceeded("the file is too long", limit_bytes=limit)
    body = await request.body()
    # Reading a form takes a second for one that is made for that.
    found = await asyncio.to_thread(_of_form, body, kind) if form else OneFile(body, None)
    if not found.content:
        raise MalformedInput("no file arrived")
    if len(found.content) > limit:
        raise LimitExceeded("the file is too long", limit_bytes=limit)
    return found


def _of_form(body: bytes, content_type: str) -> OneFile:
    """The one file of a form (RFC 7578)."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    parts = _Parts()
    try:
        if boundary is not None:
            parser = MultipartParser(boundary, parts.callbacks())
            parser.write(body)
            parser.finalize()
    except FormParserError as error:
        raise MalformedInput("the form cannot be read") from error
    if len(parts.files) != 1:
        raise MalformedInput("the form holds not exactly one whole file", files=len(parts.files))
    return parts.files[0]


class _Parts:
    """Takes what the parser finds, part by part; one that never ends is none."""

    def __init__(self) -> None:
        self.files: list[OneFile] = []
        self._left = _MAX_PARTS
        self._clear()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self._content.extend(data[start:end]),
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._left -= 1
        if self._left < 0:  # a body of nothing but marks would be millions of them
            raise FormParserError("more parts than a form has")
        self._clear()

    def _clear(self) -> None:
        self._field, self._value, self._content = bytearray(), bytearray(), bytearray()
        self._name: str | None = None

    def _header(self) -> None:
        if self._field.lower() == b"content-disposition":
            name = parse_options_header(bytes(self._value))[1].get(b"filename")
            self._name = None if name is None else name.decode("utf-8", "replace")
        self._field, self._value = bytearray(), bytearray()

    def _end(self) -> None:
        if self._name is not None:
            self.files.append(OneFile(bytes(self._content), self._name or None))
