"""Time stamps (RFC 3161 over HTTP)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.desk import CurrentContainer
from app.api.measured import CurrentMeters
from app.api.problems import documented
from kernel.errors import LimitExceeded
from pki.errors import TimestampInvalid
from pki.timestamp import MAX_REQUEST_BYTES as MAX_TIMESTAMP_REQUEST_BYTES
from pki.timestamp import token_of_response

router = APIRouter(tags=["pki"])

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"


@router.post(
    "/tsa",
    operation_id="timestamp",
    responses={
        **documented(413, 503),
        200: {"content": {REPLY_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {QUERY_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    response_class=Response,
)
async def post_timestamp(request: Request, container: CurrentContainer, meters: CurrentMeters) -> Response:
    """Stamp a digest with the time (RFC 3161 §3.4); refusals are inside the reply, as the protocol has it."""
    query = bytearray()
    async for part in request.stream():
        query += part
        if len(query) > MAX_TIMESTAMP_REQUEST_BYTES:
            raise LimitExceeded("a query is short", limit_bytes=MAX_TIMESTAMP_REQUEST_BYTES)
    reply = await run_in_threadpool(container.tsa.respond, bytes(query))
    meters.timestamp(granted=is_granted(reply))
    return Response(reply, media_type=REPLY_TYPE)


def is_granted(reply: bytes) -> bool:
    """Whether a reply holds a token."""
    try:
        token_of_response(reply)
    except TimestampInvalid:
        return False
    return True
