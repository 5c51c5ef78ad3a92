"""Limits on a request before anything reads it: header fields, announced length, and bytes and time as they arrive."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.one_file import FORM_BYTES
from app.api.problem_table import PROBLEMS
from app.api.problems import problem_of, respond
from app.settings import DocumentSettings, LimitSettings
from kernel.errors import DomainError, LimitExceeded, MalformedInput, Unavailable

_EXAMINATIONS = "/documents/examinations"
_STREAMED = re.compile(r"/submissions/[^/]+/blobs/[^/]+|/documents/files/[^/]+")
_DIGITS = re.compile(rb"[0-9]{1,18}")
# The unread body makes the connection useless for a next request.
_CLOSE = {"Connection": "close"}


class HeadersTooLarge(DomainError):
    """More header fields, or longer ones, than a request may bring."""

    code = "headers-too-large"


class BodyTooLarge(HTTPException):
    """Raised out of the stream, where only HTTP exceptions pass through the reading of a body unchanged."""

    def __init__(self, limit: int) -> None:
        super().__init__(PROBLEMS[LimitExceeded.code].status)
        self.limit = limit


class RequestTooSlow(DomainError):
    """The body of the request did not arrive at the least pace that is asked for."""

    code = "request-too-slow"


@dataclass(slots=True)
class Held:
    """How many bytes of bodies are in memory, of all requests that are under way."""

    length: int = 0


@dataclass(frozen=True)
class Limits:
    """ASGI middleware. The body is counted while it streams, whatever length was announced, and so is its time.

    ``document_bytes``: of one document of the register.
    """

    app: ASGIApp
    limits: LimitSettings
    document_bytes: int = DocumentSettings().max_document_bytes
    held: Held = field(default_factory=Held)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            _check_address(scope)
            self._check_headers(scope)
            limit = self._body_limit(scope)
            _check_announced(scope, limit)
        except DomainError as refusal:
            await respond(problem_of(refusal), _CLOSE)(scope, receive, send)
            return
        if _goes_to_disk(scope):
            await self.app(scope, _Arriving(receive, limit).next, send)
            return
        body = _ArrivingInTime(receive, limit, limits=self.limits, held=self.held)
        try:
            await self.app(scope, body.next, send)
        finally:
            self.held.length -= body.received

    def _check_headers(self, scope: Scope) -> None:
        headers = scope["headers"]
        length = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > self.limits.max_headers or length > self.limits.max_header_bytes:
            raise HeadersTooLarge(
                "too many or too long header fields",
                limit=self.limits.max_headers,
                limit_bytes=self.limits.max_header_bytes,
            )

    def _body_limit(self, scope: Scope) -> int:
        if _goes_to_disk(scope):
            return self.limits.max_blob_bytes
        if scope["method"] == "POST" and scope["path"] == _EXAMINATIONS:
            return self.document_bytes + FORM_BYTES
        return self.limits.max_body_bytes


@dataclass
class _Arriving:
    """Messages of the server, with the bytes of the body counted."""

    receive: Receive
    limit: int
    received: int = 0

    async def next(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.count(len(message.get("body", b"")))
        return message

    def count(self, length: int) -> None:
        self.received += length
        if self.received > self.limit:
            raise BodyTooLarge(self.limit)


@dataclass
class _ArrivingInTime(_Arriving):
    """A body that is read into memory: none may hold a place there by sending a byte now and then.

    Whoever reads waits for a whole body, mostly before anybody knows who sent it.
    """

    limits: LimitSettings = field(default_factory=LimitSettings)
    held: Held = field(default_factory=Held)
    began: float = field(default_factory=time.monotonic)
    whole: bool = False

    async def next(self) -> Message:
        if self.whole:  # What comes then is the end of the connection, whenever it is.
            return await self.receive()
        limits = self.limits
        ends = self.began + limits.body_patience_seconds + self.received / limits.min_body_bytes_per_second
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                message = await super().next()
        except TimeoutError as error:
            raise HTTPException(PROBLEMS[RequestTooSlow.code].status, headers=_CLOSE) from error
        self.whole = not message.get("more_body", False)
        return message

    def count(self, length: int) -> None:
        self.held.length += length
        super().count(length)
        if self.held.length > self.limits.max_held_bytes:
            raise HTTPException(PROBLEMS[Unavailable.code].status, headers=_CLOSE)


def _goes_to_disk(scope: Scope) -> bool:
    return scope["method"] == "PUT" and _STREAMED.fullmatch(scope["path"]) is not None


def _check_address(scope: Scope) -> None:
    # No name has one, and PostgreSQL cannot even be asked for it.
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise MalformedInput("an address holds no NUL")


def _asks_for_page(scope: Scope) -> bool:
    """A browser without a script is told by the route, in words and without reading, what is too long."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return scope["method"] == "POST" and scope["path"] == _EXAMINATIONS and b"text/html" in accepted


def _check_announced(scope: Scope, limit: int) -> None:
    announced = [value for name, value in scope["headers"] if name == b"content-length"]
    if len(announced) > 1 or (announced and _DIGITS.fullmatch(announced[0]) is None):
        raise MalformedInput("the announced length is not one number")
    if announced and int(announced[0]) > limit and not _asks_for_page(scope):
        raise LimitExceeded("the request is too long", limit_bytes=limit)
