"""OCSP over HTTP (RFC 6960 appendix A), with what RFC 5019 §6 asks of caches.

Every answer of the protocol is status 200; what can't be read is ``malformedRequest``. The two routes pass by the
solving of dependencies and the building of responses: an answer that is ready is a look into memory and two messages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, cast

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.api.problems import documented
from app.container import Container
from pki.ocsp import MALFORMED, OcspResponder
from pki.ocsp_request import MAX_REQUEST_BYTES
from pki.ocsp_signing import Answer, Period

REQUEST_TYPE = "application/ocsp-request"
RESPONSE_TYPE = "application/ocsp-response"
_PATH = "/pki/ocsp"
_MAX_BASE64 = -(-MAX_REQUEST_BYTES // 3) * 4
_TYPE = (b"content-type", RESPONSE_TYPE.encode("ascii"))
_NEVER_KEPT = (b"cache-control", b"no-store")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **documented(413),
    200: {"description": "OCSPResponse", "content": {RESPONSE_TYPE: _BINARY}},
}


class OcspRoute(APIRoute):
    """A documented route that is answered without the framework between server and responder."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        container = cast(Container, scope["app"].state.container)
        if scope["method"] == "POST":
            request, whole = await _body(receive)
            headers = [_TYPE, _NEVER_KEPT] if whole else [_TYPE, _NEVER_KEPT, (b"connection", b"close")]
            answer = await _answer(container.ocsp, request)
            await _send(send, 200, headers, answer.body)
        else:
            answer = await _answer(container.ocsp, _from_path(scope["path"]))
            await _send_kept(scope, send, answer, container)
        # After the answer has left, whoever waits for nothing pays for the next batch.
        if container.ocsp.is_renewal_due():
            await run_in_threadpool(container.ocsp.renew)


router = APIRouter(tags=["pki"], route_class=OcspRoute)


@router.post(
    _PATH,
    operation_id="askOcsp",
    responses=_ANSWERS,
    openapi_extra={"requestBody": {"required": True, "content": {REQUEST_TYPE: _BINARY}}},
    response_class=Response,
)
def post_ocsp() -> None:
    """Whether certificates are good, revoked or unknown (RFC 6960); refusals are inside the answer."""


@router.get(
    _PATH + "/{request:path}",
    operation_id="askOcspByAddress",
    responses={**_ANSWERS, 304: {"description": "Not Modified"}},
    openapi_extra={
        "parameters": [
            {
                "name": "request",
                "in": "path",
                "required": True,
                "description": "base64 of the OCSPRequest; slashes may stand as they are",
                "schema": {"type": "string", "maxLength": _MAX_BASE64},
            }
        ]
    },
    response_class=Response,
)
def get_ocsp() -> None:
    """The same by GET (RFC 6960 appendix A.1), so that caches may keep the answer (RFC 5019 §6)."""


async def _answer(ocsp: OcspResponder, request: bytes | None) -> Answer:
    if request is None:
        return MALFORMED
    ready = ocsp.at_once(request)
    return ready if ready is not None else await run_in_threadpool(ocsp.respond, request)


async def _body(receive: Receive) -> tuple[bytes | None, bool]:
    """What was sent and whether that is all; None when it is too long, or the client went away."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None, False
        more = message.get("more_body", False)
        body += message.get("body", b"")
        if len(body) > MAX_REQUEST_BYTES:
            return None, not more
        if not more:
            return body, True


def _from_path(path: str) -> bytes | None:
    text = path[len(_PATH) + 1 :]
    if len(text) > _MAX_BASE64:
        return None
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None


async def _send_kept(scope: Scope, send: Send, answer: Answer, container: Container) -> None:
    if answer.period is None:
        await _send(send, 200, [_TYPE, _NEVER_KEPT], answer.body)
        return
    body = answer.body
    tag = b'"' + hashlib.sha256(body).hexdigest().encode("ascii") + b'"'
    left = int((answer.period.next_update - container.clock.now()).total_seconds())
    age = max(0, min(container.settings.ocsp.cache_seconds, left - 1))
    headers = [
        _TYPE,
        (b"cache-control", b"max-age=%d, public, no-transform, must-revalidate" % age),
        (b"etag", tag),
        *_dates(answer.period),
    ]
    if any(name == b"if-none-match" and tag in value for name, value in scope["headers"]):
        await _send(send, 304, headers[1:], b"")
        return
    await _send(send, 200, headers, body)


@lru_cache(maxsize=1024)
def _dates(period: Period) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    return (
        (b"last-modified", _http_date(period.this_update)),
        (b"expires", _http_date(period.next_update)),
    )


def _http_date(instant: datetime) -> bytes:
    return format_datetime(instant, usegmt=True).encode("ascii")


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    if status == 200:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
