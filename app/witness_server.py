"""The witness over HTTP (C2SP tlog-witness): POST /add-checkpoint and GET /health."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kernel.errors import DomainError
from transparency.errors import CheckpointStale
from transparency.witness import MAX_REQUEST_BYTES, Witness
from transparency.witness_client import SIZE_TYPE

_STATUSES = {
    "malformed-input": 400,
    "checkpoint-unsigned": 403,
    "log-unknown": 404,
    "checkpoint-inconsistent": 422,
    "unavailable": 503,
}
_LOG = logging.getLogger(__name__)


def create_witness_app(witness: Witness) -> ASGIApp:
    """An ASGI application around one witness. Bodies beyond the limit are refused before they are read."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            body = await _read_body(request)
            if body is None:
                return PlainTextResponse("the request is too long\n", 413)
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return PlainTextResponse("the request is not UTF-8\n", 400)
        except ClientDisconnect:
            return PlainTextResponse("the request broke off\n", 400)
        return await run_in_threadpool(_answer, witness, text)

    def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "vkey": witness.vkey})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
        ]
    )


def _answer(witness: Witness, text: str) -> Response:
    try:
        return PlainTextResponse(witness.add_checkpoint(text))
    except CheckpointStale as stale:
        return Response(f"{stale.size}\n", 409, media_type=SIZE_TYPE)
    except DomainError as error:
        _LOG.warning("refused a checkpoint: %s", error.detail)
        return PlainTextResponse(f"{error.detail}\n", _STATUSES.get(error.code, 400))


async def _read_body(request: Request) -> bytes | None:
    """The body, or None as soon as it is known to exceed the limit."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > MAX_REQUEST_BYTES:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_REQUEST_BYTES:
            return None
    return bytes(body)
