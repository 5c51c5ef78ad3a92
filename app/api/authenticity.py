"""The public check for people: one page in Persian or English, by identifier, QR code or file; no session."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from app.answering import signed
from app.api.asking import Asker, Counter, CurrentCounter, ask_by_digest, ask_by_identifier
from app.api.bodies import SignedDocumentBody
from app.api.desk import CurrentContainer
from app.api.one_file import one_file
from app.api.problem_table import PROBLEMS
from app.api.problems import documented
from app.api.published import published
from app.authenticity_page.answer_view import answer_section
from app.authenticity_page.assets import assets
from app.authenticity_page.facts import Shown
from app.authenticity_page.page import PLACE, POLICY, Frame, render
from app.authenticity_page.refusals import refused, typed_wrong
from app.authenticity_page.words import Voice
from app.container import Container
from app.examining import examine_file, judge_file
from authenticity.answers import Answer
from authenticity.rule import DatedRule
from kernel.errors import DomainError, NotFound, Unavailable
from signing.documents import to_wire
from signing.validation.report_html import POLICY as REPORT_POLICY
from signing.validation.report_html import report_html
from signing.validation.report_words import Language

router = APIRouter(tags=["documents"])

HTML_TYPE = "text/html; charset=utf-8"
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}},
}
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
# An answer is of its moment, and where somebody looked is told to nobody.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Whatever is shorter is answered in words.
_MAX_ASKED = 2_000
_ASSET_SECONDS = 600
_RULE = "/documents/rule"
_LANGUAGES = re.compile(r"(?:^|,)\s*(fa|en)\b")

Lang = Annotated[Language | None, Query(description="fa or en; otherwise what the browser prefers")]
Typed = Annotated[str, Path(max_length=_MAX_ASKED)]


@router.get(
    PLACE,
    operation_id="showDocumentCheck",
    responses={**documented(422, 429, 503), **_PAGE},
    response_class=Response,
)
def get_page(
    request: Request,
    asker: Asker,
    counter: CurrentCounter,
    container: CurrentContainer,
    lang: Lang = None,
    identifier: Annotated[
        str | None, Query(max_length=_MAX_ASKED, description="20 digits in any figures")
    ] = None,
    digest: Annotated[
        str | None, Query(max_length=_MAX_ASKED, description="SHA-256 of a file, hexadecimal")
    ] = None,
) -> Response:
    """The page of the public check; with an identifier or a digest, and the answer to it."""
    voice = _voice(request, lang)
    if identifier is not None:
        frame = _frame(container, asked=(("identifier", identifier),), typed=identifier)
        return _answered(voice, frame, lambda: ask_by_identifier(identifier, asker, counter, container))
    if digest is not None:
        frame = _frame(container, asked=(("digest", digest),))
        return _answered(voice, frame, lambda: ask_by_digest(digest, asker, counter, container))
    return _page(render(voice, _frame(container)))


@router.get(
    "/d/{identifier}",
    operation_id="showRegisteredDocument",
    responses={**documented(422, 429, 503), **_PAGE},
    response_class=Response,
)
def get_document_page(
    request: Request,
    identifier: Typed,
    asker: Asker,
    counter: CurrentCounter,
    container: CurrentContainer,
    lang: Lang = None,
) -> Response:
    """Where the QR code on a document leads: what is registered under its identifier, to compare (HTML)."""
    frame = _frame(container, asked=(("identifier", identifier),), typed=identifier)
    return _answered(
        _voice(request, lang),
        frame,
        lambda: ask_by_identifier(identifier, asker, counter, container),
    )


@router.get(
    f"{PLACE}/assets/{{name:path}}",
    operation_id="showDocumentCheckAsset",
    responses={**documented(404), 200: {"content": {"*/*": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def get_asset(request: Request, name: str) -> Response:
    """Style, code and fonts of the page."""
    found = assets().get(name)
    if found is None:
        raise NotFound("the page has no such part")
    answer = published(request, *found, _ASSET_SECONDS)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@router.post(
    "/documents/examinations",
    operation_id="examineDocument",
    response_model=SignedDocumentBody,
    responses={
        **documented(413, 422, 429, 503),
        200: {"description": "The answer", "content": {"text/html": {"schema": {"type": "string"}}}},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The file itself, or a form with it; it is not kept.",
            "content": {
                "application/octet-stream": _BINARY,
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": _BINARY["schema"]},
                    }
                },
            },
        }
    },
)
async def post_examination(
    request: Request,
    asker: Asker,
    counter: CurrentCounter,
    container: CurrentContainer,
    lang: Lang = None,
    name: Annotated[str | None, Query(max_length=255, description="how the visitor calls the file")] = None,
    report: Annotated[
        Literal["answer", "signatures"], Query(description="the answer, or the report on its signatures")
    ] = "answer",
) -> Response:
    """Look into a whole file: what it is, and what was changed in it since which signature.

    Answers ``mohr/document-answer/v1``, signed; with Accept: text/html a page.
    """
    as_page = report == "signatures" or _wants_page(request)
    voice, frame = _voice(request, lang), _frame(container)
    try:
        async with counter.arrivals.place():
            given = await one_file(request, container.settings.documents.max_document_bytes)
            called = given.name or name

            def work() -> Response:
                if report == "signatures":
                    return _signatures(container, counter, given.content, called, voice)
                return _examined(container, counter, given.content, asker, as_page, voice)

            return await counter.examining.run(work)
    except DomainError as error:
        if not as_page:
            raise
        return _refused(voice, frame, error)


def _examined(
    container: Container,
    counter: Counter,
    content: bytes,
    asker: str,
    as_page: bool,
    voice: Voice,
) -> Response:
    def ask(identifier: str) -> Answer:
        return ask_by_identifier(identifier, asker, counter, container)

    found = examine_file(container, counter.trust, counter.files, content, ask)
    if as_page:
        section = answer_section(voice, found.answer, _shown(voice), found.signatures, handed_in=True)
        return _page(render(voice, _frame(container), section))
    body = SignedDocumentBody(**to_wire(signed(container, found.answer)))
    return Response(body.model_dump_json(), media_type="application/json", headers=_HEADERS)


def _signatures(
    container: Container, counter: Counter, content: bytes, name: str | None, voice: Voice
) -> Response:
    judged = judge_file(container, counter.trust, content, name)
    headers = {"Content-Security-Policy": REPORT_POLICY, **_HEADERS}
    return Response(report_html(judged, voice.language), media_type=HTML_TYPE, headers=headers)


def _answered(voice: Voice, frame: Frame, ask: Callable[[], Answer]) -> Response:
    """The page with the answer, or with what was refused, in the status of the refusal."""
    try:
        answer = ask()
    except DomainError as error:
        return _refused(voice, frame, error)
    return _page(render(voice, frame, answer_section(voice, answer, _shown(voice))))


def _refused(voice: Voice, frame: Frame, error: DomainError) -> Response:
    kind = PROBLEMS[error.code]
    if kind.status >= 500 and not isinstance(error, Unavailable):
        raise error  # a defect, logged and answered as such
    wrong = typed_wrong(voice, error)
    shown = frame if wrong is None else replace(frame, typed_wrong=wrong)
    answer = _page(render(voice, shown, refused(voice, error)), kind.status)
    wait = error.fields.get("retry_after_seconds", 5 if kind.status == 503 else None)
    if wait is not None:
        answer.headers["Retry-After"] = str(wait)
    if kind.status == 413:
        answer.headers["Connection"] = "close"  # what was sent is not read to its end
    return answer


def _page(content: bytes, status: int = 200) -> Response:
    headers = {"Content-Security-Policy": POLICY, "Vary": "Accept-Language", **_HEADERS}
    return Response(content, status, media_type=HTML_TYPE, headers=headers)


def _frame(container: Container, asked: tuple[tuple[str, str], ...] = (), typed: str = "") -> Frame:
    settings = container.settings
    return Frame(
        organisation=settings.publisher.name,
        demo=settings.demo,
        base_url=settings.api.base_url,
        max_file_bytes=settings.documents.max_document_bytes,
        asked=asked,
        typed=typed,
        rule=_RULE,
    )


def _shown(voice: Voice) -> Shown:
    return Shown(kinds=_kinds(voice.language), pictures=True, proof=True)


@lru_cache(maxsize=2)
def _kinds(language: Language) -> Mapping[str, str]:
    """Names of all kinds that any version of the rule knows; the newest name counts."""
    return {
        kind: getattr(rule.name, language)
        for version in DatedRule.default().versions
        for kind, rule in version.kinds.items()
    }


def _voice(request: Request, lang: Language | None) -> Voice:
    """The first of both that the browser names, which puts the preferred ones first; else Persian."""
    if lang is not None:
        return Voice(lang)
    preferred = _LANGUAGES.findall(request.headers.get("accept-language", "").lower())
    return Voice("en" if preferred[:1] == ["en"] else "fa")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
