"""The public check for programs: signed answers by identifier and by digest; file and pictures of public documents.

Included after the other routes below /documents, whose names an identifier would otherwise be taken for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from app.answering import signed
from app.api.asking import Asker, CurrentCounter, ask_by_digest, ask_by_identifier
from app.api.bodies import SignedDocumentBody
from app.api.desk import CurrentContainer
from app.api.problems import documented
from app.api.published import published
from app.container import Container
from authenticity.answers import Answer
from authenticity.errors import DocumentUnknown
from authenticity.pdf_pictures import page_picture
from authenticity.record import Registration
from signing.documents import to_wire

router = APIRouter(prefix="/documents", tags=["documents"])

PDF_TYPE, PNG_TYPE = "application/pdf", "image/png"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_WIDTH = 1_000
_MAX_PAGE = 500
_CHUNK = 1 << 18
_SECONDS = 300

Typed = Annotated[
    str, Path(max_length=200, description="20 digits in any figures, with or without separators")
]
PageNumber = Annotated[int, Path(ge=1, le=_MAX_PAGE)]


@router.get("/by-digest/{digest}", operation_id="checkDocumentByDigest", responses=documented(422, 429, 503))
def get_by_digest(
    digest: str, asker: Asker, counter: CurrentCounter, container: CurrentContainer, response: Response
) -> SignedDocumentBody:
    """What is said of the file with this SHA-256: ``mohr/document-answer/v1``, signed; ``unknown`` is an answer too."""
    return _signed(ask_by_digest(digest, asker, counter, container), container, response)


@router.get("/{identifier}", operation_id="checkDocumentByIdentifier", responses=documented(422, 429, 503))
def get_by_identifier(
    identifier: Typed, asker: Asker, counter: CurrentCounter, container: CurrentContainer, response: Response
) -> SignedDocumentBody:
    """What is registered under an identifier, to compare, and its state: ``mohr/document-answer/v1``, signed."""
    return _signed(ask_by_identifier(identifier, asker, counter, container), container, response)


@router.get(
    "/{identifier}/file",
    operation_id="downloadPublicDocument",
    responses={**documented(404, 422, 429, 503), 200: {"content": {"application/octet-stream": _BINARY}}},
    response_class=Response,
)
def get_file(
    identifier: Typed, asker: Asker, counter: CurrentCounter, container: CurrentContainer
) -> Response:
    """The registered file of a public document, whatever its state; handed over to be saved, never shown as a page."""
    found = _public(ask_by_identifier(identifier, asker, counter, container))
    record = found.record
    is_pdf = record.media_type == PDF_TYPE
    opened = counter.files.open(record.digest)

    def pieces() -> Iterator[bytes]:
        with opened:
            while piece := opened.read(_CHUNK):
                yield piece

    name = f"{record.identifier}.pdf" if is_pdf else record.identifier
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(record.size),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        pieces(), media_type=PDF_TYPE if is_pdf else "application/octet-stream", headers=headers
    )


@router.get(
    "/{identifier}/pages/{number}.png",
    operation_id="showPublicDocumentPage",
    responses={**documented(404, 413, 422, 429, 503), 200: {"content": {PNG_TYPE: _BINARY}}},
    response_class=Response,
)
async def get_page(
    request: Request,
    identifier: Typed,
    number: PageNumber,
    asker: Asker,
    counter: CurrentCounter,
    container: CurrentContainer,
) -> Response:
    """A page of a public PDF as a picture, to compare with a paper."""

    def work() -> bytes:
        record = _public(ask_by_identifier(identifier, asker, counter, container)).record
        if record.media_type != PDF_TYPE:
            raise DocumentUnknown("only pages of a PDF are drawn", media_type=record.media_type)
        return counter.pictures.get(
            (record.digest, number), lambda: page_picture(counter.files.read(record.digest), number, _WIDTH)
        )

    picture = await counter.drawing.run(work)
    answer = published(request, picture, PNG_TYPE, _SECONDS)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _signed(answer: Answer, container: Container, response: Response) -> SignedDocumentBody:
    # A document may be revoked the next moment.
    response.headers["Cache-Control"] = "no-store"
    return SignedDocumentBody(**to_wire(signed(container, answer)))


def _public(answer: Answer) -> Registration:
    found = answer.registration
    if found is None:
        raise DocumentUnknown("no document is registered under this identifier")
    if found.record.disclosure != "public":
        raise DocumentUnknown("this document is not published", disclosure=found.record.disclosure)
    return found
