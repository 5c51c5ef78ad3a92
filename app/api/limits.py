"""Limits on a request before anything reads it: header fields, announced length, and bytes as they arrive."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problem_table import PROBLEMS
from app.api.problems import problem_of, respond
from app.settings import DocumentSettings, LimitSettings
from kernel.errors import DomainError, LimitExceeded, MalformedInput

_EXAMINATIONS = "/documents/examinations"
# What a form says beside the file in it.
_FORM_BYTES = 8 << 10
_BLOB = re.compile(r"/submissions/[^/]+/blobs/[^/]+")
_DIGITS = re.compile(rb"[0-9]{1,18}")


class HeadersTooLarge(DomainError):
    """More header fields, or longer ones, than a request may bring."""

    code = "headers-too-large"


class BodyTooLarge(HTTPException):
    """Raised out of the stream, where only HTTP exceptions pass through the reading of a body unchanged."""

    def __init__(self, limit: int) -> None:
        super().__init__(PROBLEMS[LimitExceeded.code].status)
        self.limit = limit


@dataclass(frozen=True)
class Limits:
    """ASGI middleware. The body is counted while it streams, whatever length was announced.

    ``document_bytes``: of one document of the register.
    """

    app: ASGIApp
    limits: LimitSettings
    document_bytes: int = DocumentSettings().max_document_bytes

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
            # The unread body makes the connection useless for a next request.
            await respond(problem_of(refusal), {"Connection": "close"})(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise BodyTooLarge(limit)
            return message

        await self.app(scope, counted, send)

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
        if scope["method"] == "PUT" and _BLOB.fullmatch(scope["path"]):
            return self.limits.max_blob_bytes
        if scope["method"] == "POST" and scope["path"] == _EXAMINATIONS:
            return self.document_bytes + _FORM_BYTES
        return self.limits.max_body_bytes


def _check_address(scope: Scope) -> None:
    # No name has one, and PostgreSQL cannot even be asked for it.
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise MalformedInput("an address holds no NUL")


def _check_announced(scope: Scope, limit: int) -> None:
    announced = [value for name, value in scope["headers"] if name == b"content-length"]
    if len(announced) > 1 or (announced and _DIGITS.fullmatch(announced[0]) is None):
        raise MalformedInput("the announced length is not one number")
    if announced and int(announced[0]) > limit:
        raise LimitExceeded("the request is too long", limit_bytes=limit)
