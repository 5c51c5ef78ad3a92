"""The custodian over HTTP, for the server alone: a bearer token, bounded bodies, problem documents (RFC 9457)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from custodian.custodian import Custodian
from kernel.canonical import from_base64, parse_json, to_base64
from kernel.errors import DomainError, LimitExceeded, MalformedInput, Unauthenticated, Unavailable
from pki.algorithms import fingerprint_of
from signing.documents import to_wire

_LOG = logging.getLogger(__name__)
DEFAULT_MAX_BODY_BYTES = 64 << 20
MAX_BODY_DEPTH = 8
_STATUS = {
    "malformed-input": 422,
    "limit-exceeded": 413,
    "unauthenticated": 401,
    "not-found": 404,
    "custodian-keys-unknown": 404,
    "custodian-keys-destroyed": 409,
    "release-conflict": 409,
    "wrong-state": 409,
    "conflict": 409,
    "package-refused": 409,
    "key-set-refused": 409,
    "batches-missing": 409,
    "tender-end-not-proven": 409,
    "unavailable": 503,
    "journal-not-cosigned": 503,
    "journal-stopped": 503,
    "journal-damaged": 500,
    "custodian-folder-unfit": 500,
    "key-unavailable": 500,
}
_DEFAULT_STATUS = 422

Handler = Callable[[Request], Awaitable[Response]]


def create_custodian_app(
    custodian: Custodian, token: str, *, max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
) -> Starlette:
    """The ASGI application; every route but /health asks for the token."""
    routes = _Routes(custodian, token, max_body_bytes)
    return Starlette(
        routes=[
            Route("/health", routes.health, methods=["GET"]),
            Route("/keys", routes.guarded(routes.keys), methods=["POST"]),
            Route("/countersign", routes.guarded(routes.countersign), methods=["POST"]),
            Route("/release", routes.guarded(routes.release), methods=["POST"]),
            Route("/destroy", routes.guarded(routes.destroy), methods=["POST"]),
            Route("/journal/checkpoint", routes.guarded(routes.checkpoint), methods=["GET"]),
            Route("/journal/entries", routes.guarded(routes.entries), methods=["GET"]),
        ]
    )


class _Routes:
    def __init__(self, custodian: Custodian, token: str, max_body_bytes: int) -> None:
        if len(token) < 16:
            raise MalformedInput("the access token is too short to keep anybody out")
        self._custodian = custodian
        self._token = token.encode()
        self._max_body_bytes = max_body_bytes

    def guarded(self, handler: Handler) -> Handler:
        """Ask for the token before anything is read, and turn refusals into problem documents."""

        async def guarded(request: Request) -> Response:
            try:
                self._require_token(request)
                return await handler(request)
            except DomainError as refusal:
                return _problem(refusal)
            except Exception:
                _LOG.exception("an unexpected error in the custodian")
                return _problem_document("internal-error", 500, "the custodian failed", {})

        return guarded

    async def health(self, request: Request) -> Response:
        return JSONResponse({"party": self._custodian.party, "journal_size": self._custodian.journal.size})

    async def keys(self, request: Request) -> Response:
        body = await self._body(request, {"tender"})
        keys = await run_in_threadpool(self._custodian.create_keys, body["tender"])
        signer = self._custodian.signer
        return JSONResponse(
            {
                "party": self._custodian.party,
                "signing_certificate_digest": fingerprint_of(signer.certificate),
                "signing_certificate": signer.certificate.public_bytes(Encoding.PEM).decode("ascii"),
                "chain": [each.public_bytes(Encoding.PEM).decode("ascii") for each in signer.chain],
                "keys": {kind: to_base64(key) for kind, key in keys.items()},
            },
            status_code=201,
        )

    async def countersign(self, request: Request) -> Response:
        body = await self._body(request, {"key_set"})
        wire = body["key_set"]
        if not isinstance(wire, dict) or not isinstance(wire.get("signatures"), dict):
            raise MalformedInput("a key set has a document and signatures by party")
        document = from_base64(wire.get("document", ""))
        signatures = {party: from_base64(each) for party, each in wire["signatures"].items()}

        def sign() -> bytes:
            return self._custodian.countersign(document, signatures, crls=body.get("crls", ()))

        return JSONResponse({"signature": to_base64(await run_in_threadpool(sign))})

    async def release(self, request: Request) -> Response:
        body = await self._body(request, {"package"})
        if not isinstance(body["package"], dict):
            raise MalformedInput("the package is an object")
        return JSONResponse(to_wire(await run_in_threadpool(self._custodian.release, body["package"])))

    async def destroy(self, request: Request) -> Response:
        body = await self._body(request, {"tender", "notice", "key_set"})
        return JSONResponse(to_wire(await run_in_threadpool(self._custodian.destroy, body)))

    async def checkpoint(self, request: Request) -> Response:
        journal = self._custodian.journal
        # Acts that wait for no witness leave a head that nobody else has seen; who takes it home wants it seen.
        with suppress(Unavailable):
            await run_in_threadpool(journal.cosign)
        return PlainTextResponse(journal.checkpoint())

    async def entries(self, request: Request) -> Response:
        return PlainTextResponse(self._custodian.journal.lines())

    def _require_token(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), self._token):
            raise Unauthenticated("the access token is missing or wrong")

    async def _body(self, request: Request, needed: set[str]) -> dict[str, Any]:
        """The JSON object of a request; it is read no further than the limit."""
        received = bytearray()
        async for part in request.stream():
            received += part
            if len(received) > self._max_body_bytes:
                raise LimitExceeded("the request is too long", limit_bytes=self._max_body_bytes)
        body = parse_json(bytes(received), max_bytes=self._max_body_bytes, max_depth=MAX_BODY_DEPTH)
        missing = sorted(needed - set(body))
        if missing:
            raise MalformedInput("the request lacks a field", missing=missing)
        return body


def _problem(refusal: DomainError) -> Response:
    status = _STATUS.get(refusal.code, _DEFAULT_STATUS)
    return _problem_document(refusal.code, status, refusal.detail, refusal.fields)


def _problem_document(code: str, status: int, detail: str, fields: dict[str, Any]) -> Response:
    document = {
        **fields,
        "type": f"urn:mohr:problem:{code}",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
        "code": code,
    }
    return JSONResponse(document, status_code=status, media_type="application/problem+json")
