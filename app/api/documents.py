"""The secretary's way into the register: identifiers, files, and signed papers that register or take out of force."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from app.api.bodies import SignedDocumentBody, Strict
from app.api.desk import CurrentContainer, require
from app.api.problems import documented
from app.api.uploads import announced_part, receive_into
from app.register_desk import register_desk
from authenticity.papers import MAX_PAPER_BYTES
from authenticity.record import Change, Registration, Signatory
from documents.register.delivering import accept_file, expect_file
from documents.register.desk import RegisterDesk, require_own_unit
from documents.register.lookup import MAX_PAGE, of_unit
from documents.register.registering import register
from documents.register.reserving import MAX_AT_ONCE, reserve
from documents.register.state_changes import change_state
from kernel.canonical import from_base64
from pki.papers import Paper
from pki.signed_data import MAX_BYTES
from procurement.ports import Actor

router = APIRouter(prefix="/documents", tags=["documents"])

Secretary = Annotated[Actor, Depends(require("secretary"))]
FileDigest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file")]


class ReservationBody(Strict):
    count: Annotated[int, Field(ge=1, le=MAX_AT_ONCE, strict=True)]


class IdentifiersAnswer(BaseModel):
    """Each 20 digits, to be put on a document before it is signed."""

    identifiers: list[str]


class SignatoryAnswer(BaseModel):
    name: str
    organization: str | None
    level: str
    indication: str
    at: str | None


class ChangeAnswer(BaseModel):
    act: str
    at: str
    reason: str
    successor: str | None
    paper: str


class RegistrationAnswer(BaseModel):
    """A registered document as its own unit sees it; ``paper`` is the digest of what its officer signed."""

    document: str
    identifier: str
    digest: str
    size: int
    media_type: str
    kind: str
    title: str
    unit: str
    unit_name: str
    issued_on: str
    valid_until: str | None
    disclosure: str
    rule: str
    state: str
    registered_at: str
    signatories: list[SignatoryAnswer]
    paper: str
    leaf_hash: str
    changes: list[ChangeAnswer]


class RegistrationsAnswer(BaseModel):
    registrations: list[RegistrationAnswer]


def desk_of(request: Request, container: CurrentContainer) -> RegisterDesk:
    """The one of this process."""
    state = request.app.state
    if not hasattr(state, "register_desk"):
        state.register_desk = register_desk(container)
    return cast(RegisterDesk, state.register_desk)


CurrentRegister = Annotated[RegisterDesk, Depends(desk_of)]


@router.post(
    "/identifiers",
    status_code=201,
    operation_id="reserveIdentifiers",
    responses=documented(401, 403, 413, 422, 503, 507),
)
def post_identifiers(body: ReservationBody, actor: Secretary, desk: CurrentRegister) -> IdentifiersAnswer:
    """Give out identifiers for documents that are about to be issued (secretary)."""
    return IdentifiersAnswer(identifiers=reserve(body.count, actor=actor, desk=desk))


@router.put(
    "/files/{digest}",
    status_code=204,
    operation_id="deliverDocument",
    response_class=Response,
    responses=documented(401, 403, 408, 413, 422, 503, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def put_file(
    digest: FileDigest,
    request: Request,
    actor: Secretary,
    container: CurrentContainer,
    desk: CurrentRegister,
) -> None:
    """Stream the whole file that is to be registered; delivering it again is harmless (secretary)."""
    length = announced_part(request.headers.get("content-length"), None).total
    if await run_in_threadpool(expect_file, digest, length, actor=actor, desk=desk):
        return
    arriving = await run_in_threadpool(desk.files.begin)
    try:
        stall_seconds = container.settings.limits.upload_stall_seconds
        await receive_into(arriving, request, desk.limits.document_bytes, stall_seconds)
        await run_in_threadpool(accept_file, digest, arriving)
    finally:
        await run_in_threadpool(arriving.close)


@router.post(
    "/registrations",
    status_code=201,
    operation_id="registerDocuments",
    responses=documented(401, 403, 409, 413, 422, 503, 507),
)
def post_registrations(
    body: SignedDocumentBody, actor: Secretary, desk: CurrentRegister
) -> RegistrationsAnswer:
    """Register 1 to 500 delivered documents by ``mohr/document-registration/v1`` (secretary of their unit)."""
    found = register(_paper(body), actor=actor, desk=desk)
    return RegistrationsAnswer(registrations=[registration_answer(each) for each in found])


@router.post(
    "/changes",
    status_code=201,
    operation_id="changeDocumentState",
    responses=documented(401, 403, 404, 409, 413, 422, 503, 507),
)
def post_change(body: SignedDocumentBody, actor: Secretary, desk: CurrentRegister) -> RegistrationAnswer:
    """Supersede, correct or revoke a document by ``mohr/document-state-change/v1`` (secretary of its unit)."""
    return registration_answer(change_state(_paper(body), actor=actor, desk=desk))


@router.get("/registrations", operation_id="listRegistrations", responses=documented(401, 403, 413, 422, 503))
def get_registrations(
    actor: Secretary,
    desk: CurrentRegister,
    unit: Annotated[str, Query(max_length=64, description="the own unit")],
    after: Annotated[
        str | None, Query(max_length=36, description="the document where the page before ended")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> RegistrationsAnswer:
    """The documents of one's own unit in the order of their registration (secretary of that unit)."""
    with desk.reading() as session:
        require_own_unit(session, unit, actor=actor, desk=desk)
        found = of_unit(session, unit, after, limit)
    return RegistrationsAnswer(registrations=[registration_answer(each) for each in found])


def registration_answer(found: Registration) -> RegistrationAnswer:
    """As its own unit sees it."""
    values: dict[str, Any] = found.record.to_json()
    return RegistrationAnswer(
        **values,
        state=found.state,
        registered_at=found.registered_at,
        signatories=[_signatory(each) for each in found.signatories],
        paper=found.paper,
        leaf_hash=found.leaf_hash,
        changes=[_change(each) for each in found.changes],
    )


def _signatory(found: Signatory) -> SignatoryAnswer:
    return SignatoryAnswer(
        name=found.name,
        organization=found.organization,
        level=found.level,
        indication=found.indication,
        at=found.at,
    )


def _change(found: Change) -> ChangeAnswer:
    return ChangeAnswer(
        act=found.act, at=found.at, reason=found.reason, successor=found.successor, paper=found.paper
    )


def _paper(body: SignedDocumentBody) -> Paper:
    document = from_base64(body.document, max_bytes=MAX_PAPER_BYTES)
    return Paper(document, from_base64(body.signature, max_bytes=MAX_BYTES))
