"""Verifying signed documents of anybody, for anybody: no session, little time, and never in the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ValidationError

from app.api.bounded_work import BoundedWork
from app.api.desk import CurrentContainer
from app.api.problems import documented
from app.api.signing_bodies import VerificationBody
from app.container import Container
from app.verification_processes import PROCESSES
from app.verifying import InstallationTrust
from kernel.canonical import from_base64, to_base64
from kernel.clock import parse_utc
from kernel.errors import LimitExceeded, MalformedInput
from signing.validation.report import ValidationReport
from signing.validation.report_html import POLICY, report_html
from signing.validation.report_json import sign_report
from signing.validation.report_words import Language
from signing.validation.report_xml import report_xml

router = APIRouter(prefix="/signing", tags=["signing"])

JSON_TYPE, XML_TYPE, HTML_TYPE = "application/json", "application/xml", "text/html"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TEXT = {"schema": {"type": "string"}}


class VerificationAnswer(BaseModel):
    """``indication``: TOTAL-PASSED, INDETERMINATE or TOTAL-FAILED. ``report``: base64 of the canonical JSON report, and
    ``signature`` the detached CAdES signature of this service over it.
    """

    indication: str
    report: str
    signature: str


class Verifier:
    """What one process verifies with: a bounded number at a time, and trust that is made once."""

    def __init__(self, container: Container) -> None:
        settings = container.settings.signing
        self.work = BoundedWork(
            settings.verifications, settings.verification_patience_seconds, settings.verification_seconds
        )
        self.trust = InstallationTrust(container)


def verifier_of(request: Request, container: CurrentContainer) -> Verifier:
    """The one of this process."""
    state = request.app.state
    if not hasattr(state, "verifier"):
        state.verifier = Verifier(container)
    return cast(Verifier, state.verifier)


CurrentVerifier = Annotated[Verifier, Depends(verifier_of)]


@router.post(
    "/verifications",
    operation_id="verifyDocument",
    response_model=VerificationAnswer,
    responses={
        **documented(413, 422, 503),
        200: {"description": "The report", "content": {XML_TYPE: _TEXT, HTML_TYPE: _TEXT}},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The signed document itself; as JSON with the file beside it for a detached signature.",
            "content": {
                "application/octet-stream": _BINARY,
                JSON_TYPE: {"schema": VerificationBody.model_json_schema()},
            },
        }
    },
)
async def post_verification(
    request: Request,
    container: CurrentContainer,
    verifier: CurrentVerifier,
    at: Annotated[
        str | None, Query(max_length=40, description="as of when (RFC 3339); now otherwise")
    ] = None,
    name: Annotated[
        str | None, Query(max_length=255, description="how the report calls the document")
    ] = None,
) -> Response:
    """Judge every signature of a document (EN 319 102-1), trusting this installation's anchors.

    Answers a signed JSON report; with Accept: application/xml the report of TS 119 102-2, with text/html a page.
    """
    moment = None if at is None else parse_utc(at)
    limit = container.settings.signing.max_document_bytes
    body, is_json = await _body(request, limit), _is_json(request)
    form, language = _form(request), _language(request)

    def work() -> Response:
        given = _given(body, is_json, limit)
        now = container.clock.now()
        report = PROCESSES.verify(
            given.document,
            verifier.trust.current(),
            content=given.content,
            name=name or given.name,
            seconds=container.settings.signing.verification_seconds,
            evidence=verifier.trust.evidence,
            at=moment,
            now=container.clock.now,
        )
        return _answer(report, form, language, container, now)

    return await verifier.work.run(work)


@dataclass(frozen=True, slots=True)
class _Given:
    document: bytes
    content: bytes | None = None
    name: str | None = None


def _answer(
    report: ValidationReport, form: str, language: Language, container: Container, now: datetime
) -> Response:
    seal = container.receipt_signer
    if form == XML_TYPE:
        return Response(report_xml(report, seal.certificate), media_type=XML_TYPE)
    if form == HTML_TYPE:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(report_html(report, language), media_type=HTML_TYPE, headers=headers)
    signed = sign_report(report, seal, now)
    answer = VerificationAnswer(
        indication=str(report.indication),
        report=to_base64(signed.document),
        signature=to_base64(signed.signature),
    )
    return Response(answer.model_dump_json(), media_type=JSON_TYPE)


async def _body(request: Request, limit: int) -> bytes:
    """All of it; base64 in JSON may be longer by a third, twice. Raises LimitExceeded."""
    most = limit * 3 if _is_json(request) else limit
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > most:
            raise LimitExceeded("the document is too long", limit_bytes=limit)
    return bytes(found)


def _given(body: bytes, is_json: bool, limit: int) -> _Given:
    if not is_json:
        return _Given(body)
    try:
        found = VerificationBody.model_validate_json(body)
    except ValidationError as error:
        raise MalformedInput("the body is not a document with its content, as JSON") from error
    content = None if found.content is None else from_base64(found.content, max_bytes=limit)
    return _Given(from_base64(found.document, max_bytes=limit), content, found.name)


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON_TYPE


def _form(request: Request) -> str:
    """The first form that is accepted by its name; JSON for whoever names none of ours."""
    for part in request.headers.get("accept", "").split(","):
        named = part.partition(";")[0].strip().lower()
        if named in (JSON_TYPE, XML_TYPE, HTML_TYPE):
            return named
    return JSON_TYPE


def _language(request: Request) -> Language:
    return "en" if request.headers.get("accept-language", "").strip().lower().startswith("en") else "fa"
