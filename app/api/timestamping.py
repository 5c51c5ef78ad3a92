"""Time stamps (RFC 3161 over HTTP): ``/tsa``, and by the kind of key ``/tsa/ec`` and ``/tsa/rsa``."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.desk import CurrentContainer
from app.api.problems import documented
from kernel.errors import LimitExceeded, NotFound
from pki.timestamp import MAX_REQUEST_BYTES as MAX_TIMESTAMP_REQUEST_BYTES
from pki.timestamp import TimeStampAuthority

router = APIRouter(tags=["pki"])

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {QUERY_TYPE: _BINARY}}}
_REPLY: dict[int | str, dict[str, Any]] = {200: {"content": {REPLY_TYPE: _BINARY}}}


@router.post(
    "/tsa",
    operation_id="timestamp",
    responses={**documented(413, 503), **_REPLY},
    openapi_extra=_BODY,
    response_class=Response,
)
async def post_timestamp(request: Request, container: CurrentContainer) -> Response:
    """Stamp a digest with the time (RFC 3161 §3.4); refusals are inside the reply, as the protocol has it."""
    return await _stamp(request, container.tsa)


@router.post(
    "/tsa/{kind}",
    operation_id="timestampBy",
    responses={**documented(404, 413, 422, 503), **_REPLY},
    openapi_extra=_BODY,
    response_class=Response,
)
async def post_timestamp_by(
    kind: Literal["ec", "rsa"], request: Request, container: CurrentContainer
) -> Response:
    """The same, signed by a key of that kind, if the installation has one."""
    if kind not in container.stampers:
        raise NotFound("no time stamps are signed here by such a key", kind=kind)
    return await _stamp(request, container.stampers[kind])


async def _stamp(request: Request, stamper: TimeStampAuthority) -> Response:
    query = bytearray()
    async for part in request.stream():
        query += part
        if len(query) > MAX_TIMESTAMP_REQUEST_BYTES:
            raise LimitExceeded("a query is short", limit_bytes=MAX_TIMESTAMP_REQUEST_BYTES)
    reply = await run_in_threadpool(stamper.respond, bytes(query))
    return Response(reply, media_type=REPLY_TYPE)
