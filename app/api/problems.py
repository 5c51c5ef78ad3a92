"""The one table from error codes to HTTP: status and title of each, as problem documents (RFC 9457).

A refusal keeps its code, sentence, article and typed fields. Whatever is not in the table is a defect: it is
logged here and answered by a bare 500 that tells nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from app.api.problem_table import INTERNAL, PROBLEMS, ProblemKind
from kernel.errors import DomainError, Unavailable, with_cause

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger(__name__)
_RESERVED = frozenset({"type", "title", "status", "detail", "code", "article", "instance"})
_HTTP_CODES = {
    400: "malformed-input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-too-slow",
    413: "limit-exceeded",
    422: "malformed-input",
    431: "headers-too-large",
    503: "unavailable",
}
_MAX_LISTED_ERRORS = 20
_RETRY_AFTER_SECONDS = 5


class Problem(BaseModel):
    """A refusal (RFC 9457). ``code`` is stable; fields of the refusal stand beside these members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    article: str | None = None


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that refuses with these statuses; every route may also fail with 500."""
    return {
        status: {"model": Problem, "description": f"Refused: {HTTPStatus(status).phrase}"}
        for status in sorted({*statuses, 500})
    }


def problem_of(error: DomainError) -> dict[str, Any]:
    """The problem document of a refusal; that of a code that is not in the table says nothing at all."""
    kind = PROBLEMS.get(error.code)
    if kind is None or kind is INTERNAL:
        return internal_problem()
    fields = {name: _plain(value) for name, value in error.fields.items() if name not in _RESERVED}
    return {**fields, **_members(error.code, kind, error.detail, error.article)}


def internal_problem() -> dict[str, Any]:
    """The bare answer to a defect."""
    return _members("internal", INTERNAL, "The request could not be carried out.", None)


def respond(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The HTTP answer for a problem document."""
    sent = dict(headers or {})
    if problem["status"] in (503, 507):
        sent.setdefault("Retry-After", str(_RETRY_AFTER_SECONDS))
    if "retry_after_seconds" in problem:
        sent.setdefault("Retry-After", str(problem["retry_after_seconds"]))
    if problem["status"] == 401:
        sent.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(dict(problem), status_code=problem["status"], headers=sent, media_type=MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Answer every refusal and every failure of ``app`` with a problem document."""
    app.add_exception_handler(DomainError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_defect)


def _on_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)
    problem = problem_of(error)
    if problem["status"] >= 500:
        # What does not answer is no defect of ours: one line is enough.
        defect = None if isinstance(error, Unavailable) else error
        line = f"{error.code}: {with_cause(error)}"
        _LOG.error("%s %s: %s", request.method, request.url.path, line, exc_info=defect)
    return respond(problem)


def _on_validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The offending value is not repeated: it may be large, or a secret in the wrong place.
    found = [
        {"at": "/".join(str(part)[:64] for part in each["loc"]), "message": str(each["msg"])[:300]}
        for each in error.errors()[:_MAX_LISTED_ERRORS]
    ]
    kind = PROBLEMS["malformed-input"]
    members = _members("malformed-input", kind, "The request does not have the promised form.", None)
    return respond({"errors": found, **members})


def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code)
    if code is None:
        return respond(internal_problem())
    kind = PROBLEMS[code]
    return respond(_members(code, kind, f"{kind.title}.", None), error.headers)


def _on_defect(request: Request, error: Exception) -> JSONResponse:
    # Starlette passes the error on to the server afterwards, which logs it with its traceback.
    _LOG.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return respond(internal_problem())


def _members(code: str, kind: ProblemKind, detail: str, article: str | None) -> dict[str, Any]:
    members: dict[str, Any] = {
        "type": f"urn:mohr:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": code,
    }
    if article is not None:
        members["article"] = article
    return members


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return str(value)
