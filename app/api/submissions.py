"""A bidder's way in: manifest first, then blobs, streamed to disk and checked before they count."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool

from app.api.bodies import (
    BlobStateAnswer,
    MissingBlobs,
    OwnSubmission,
    OwnSubmissions,
    ReceiptAnswer,
    SignedDocumentBody,
    SubmissionAnswer,
    SubmissionBody,
    SubmissionNumber,
)
from app.api.desk import CurrentActor, CurrentContainer, CurrentDesk, TenderId
from app.api.problems import documented
from app.api.uploads import announced_part, receive_into
from kernel.canonical import from_base64, to_base64
from procurement.ports import StoredSubmission
from procurement.use_cases import ask
from procurement.use_cases.receipts import Receipt
from procurement.use_cases.receive_blob import accept_blob, blob_state, expect_blob
from procurement.use_cases.submit_envelope import SubmitEnvelope, submit_envelope
from procurement.use_cases.withdraw_submission import WithdrawSubmission, withdraw_submission

router = APIRouter(tags=["submissions"])

BlobName = Annotated[
    str, PathParameter(max_length=32, pattern=r"^[ABC]\.(content\.(bin|der)|share-[0-9]{1,3}\.der)$")
]
SubmissionId = Annotated[str, PathParameter(max_length=36)]


@router.get(
    "/tenders/{tender_id}/submissions/next",
    operation_id="nextSubmissionNumber",
    responses=documented(401, 403, 404),
)
def next_number(
    tender_id: TenderId,
    lot: Annotated[str, Query(max_length=64)],
    actor: CurrentActor,
    desk: CurrentDesk,
) -> SubmissionNumber:
    """The number that the asking bidder's next submission for a lot must carry."""
    return SubmissionNumber(
        submission_number=ask.next_submission_number(tender_id, lot, actor=actor, desk=desk)
    )


@router.get(
    "/tenders/{tender_id}/submissions", operation_id="listOwnSubmissions", responses=documented(401, 403, 404)
)
def list_own(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> OwnSubmissions:
    """The asking bidder's own submissions, so that one whose answer was lost can go on."""
    stored = ask.own_submissions(tender_id, actor=actor, desk=desk)
    return OwnSubmissions(submissions=[_own(each) for each in stored])


@router.post(
    "/tenders/{tender_id}/submissions",
    status_code=201,
    operation_id="submitEnvelope",
    responses=documented(401, 403, 404, 409, 413, 422),
)
def submit(
    tender_id: TenderId, body: SubmissionBody, actor: CurrentActor, desk: CurrentDesk
) -> SubmissionAnswer:
    """Receive manifest, seal and headers; the receipt is the answer (bidder)."""
    command = SubmitEnvelope(
        tender=tender_id,
        manifest=from_base64(body.manifest),
        seal=from_base64(body.seal),
        headers={kind: from_base64(header) for kind, header in body.headers.items()},
    )
    received = submit_envelope(command, actor=actor, desk=desk)
    return SubmissionAnswer(id=received.id, receipt=_wire(received.receipt), missing=received.missing)


@router.get(
    "/submissions/{submission_id}", operation_id="showOwnSubmission", responses=documented(401, 403, 404)
)
def show_own(submission_id: SubmissionId, actor: CurrentActor, desk: CurrentDesk) -> OwnSubmission:
    """State of one's own submission and the blobs that have not arrived."""
    return _own(ask.own_submission(submission_id, actor=actor, desk=desk))


@router.get(
    "/submissions/{submission_id}/blobs/{name}",
    operation_id="showBlob",
    responses=documented(401, 403, 404, 422),
)
def show_blob(
    submission_id: SubmissionId, name: BlobName, actor: CurrentActor, desk: CurrentDesk
) -> BlobStateAnswer:
    """How far a declared blob has come; a broken upload goes on from ``staged`` (bidder)."""
    state = blob_state(submission_id, name, actor=actor, desk=desk)
    return BlobStateAnswer(
        length=state.length, staged=state.staged, received=state.received, missing=state.missing
    )


@router.put(
    "/submissions/{submission_id}/blobs/{name}",
    operation_id="uploadBlob",
    responses=documented(401, 403, 404, 408, 409, 413, 422, 429, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    submission_id: SubmissionId,
    name: BlobName,
    request: Request,
    actor: CurrentActor,
    container: CurrentContainer,
    content_range: Annotated[str | None, Header(max_length=64)] = None,
) -> MissingBlobs:
    """Stream one declared blob, or with Content-Range the rest of it from where it broke (bidder)."""
    desk = container.desk
    part = announced_part(request.headers.get("content-length"), content_range)
    expected = await run_in_threadpool(expect_blob, submission_id, name, part.total, actor=actor, desk=desk)
    if expected.received:
        own = await run_in_threadpool(ask.own_submission, submission_id, actor=actor, desk=desk)
        return MissingBlobs(missing=own.missing)
    arriving = await run_in_threadpool(desk.objects.begin, expected.place, part.offset)
    try:
        stall_seconds = container.settings.limits.upload_stall_seconds
        await receive_into(arriving, request, expected.length, stall_seconds)
        missing = await run_in_threadpool(accept_blob, expected, arriving, actor=actor, desk=desk)
    finally:
        await run_in_threadpool(arriving.close)
    return MissingBlobs(missing=missing)


@router.post(
    "/tenders/{tender_id}/withdrawals",
    status_code=201,
    operation_id="withdrawSubmission",
    responses=documented(401, 403, 404, 409, 413, 422),
)
def withdraw(
    tender_id: TenderId, body: SignedDocumentBody, actor: CurrentActor, desk: CurrentDesk
) -> ReceiptAnswer:
    """Withdraw a submission by a signed document that names its manifest (bidder)."""
    command = WithdrawSubmission(tender_id, from_base64(body.document), from_base64(body.signature))
    return ReceiptAnswer(receipt=_wire(withdraw_submission(command, actor=actor, desk=desk)))


def _wire(receipt: Receipt) -> SignedDocumentBody:
    return SignedDocumentBody(document=to_base64(receipt.document), signature=to_base64(receipt.signature))


def _own(stored: StoredSubmission) -> OwnSubmission:
    return OwnSubmission(
        id=stored.id,
        lot=stored.lot,
        submission_number=stored.submission_number,
        manifest_digest=stored.manifest_digest,
        state=stored.state,
        missing=stored.missing,
    )
