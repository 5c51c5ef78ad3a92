"""Tenders from draft to notice, and what everybody may see of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from app.api.bodies import (
    DocumentAnswer,
    DraftAnswer,
    DraftBody,
    EndingBody,
    ExtensionBody,
    KeySetAnswer,
    ManySigned,
    MissingParties,
    ReasonBody,
    SignatureBody,
    SignedDocumentBody,
    TenderAnswer,
    TenderList,
    WithProof,
)
from app.api.desk import CurrentActor, CurrentDesk, TenderId
from app.api.problems import documented
from kernel.canonical import from_base64, to_base64
from kernel.clock import parse_utc
from procurement.use_cases import ask, close_tender, end_tender, prepare_tender

router = APIRouter(tags=["tenders"])


@router.get("/tenders", operation_id="listTenders", responses=documented(422))
def list_tenders(
    desk: CurrentDesk,
    after: Annotated[str, Query(max_length=64, description="identifier of the last one seen")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> TenderList:
    """Published calls, oldest first, a page at a time."""
    tenders = ask.published_tenders(desk, after=after, limit=limit)
    return TenderList(tenders=[TenderAnswer(**ask.status_of(each)) for each in tenders])


@router.post(
    "/tenders", status_code=201, operation_id="draftTender", responses=documented(401, 403, 409, 413, 422)
)
def draft_tender(body: DraftBody, actor: CurrentActor, desk: CurrentDesk) -> TenderAnswer:
    """Enter a draft (buyer)."""
    tender = prepare_tender.draft(body.model_dump(exclude_unset=True), actor=actor, desk=desk)
    return TenderAnswer(**ask.status_of(tender))


@router.get("/tenders/{tender_id}", operation_id="showTender", responses=documented(404))
def show_tender(tender_id: TenderId, desk: CurrentDesk) -> TenderAnswer:
    """Where a published call stands: the status that every participant can follow."""
    return TenderAnswer(**ask.status_of(ask.published_tender(tender_id, desk)))


@router.get("/tenders/{tender_id}/draft", operation_id="showDraft", responses=documented(401, 403, 404))
def show_draft(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> DraftAnswer:
    """A call as it is prepared, with its terms (buyer, approver, auditor, its commission)."""
    tender, terms = ask.draft_of(tender_id, actor=actor, desk=desk)
    return DraftAnswer(**ask.status_of(tender), terms=terms)


@router.post(
    "/tenders/{tender_id}/submit-for-approval",
    operation_id="submitForApproval",
    responses=documented(401, 403, 404, 409, 422),
)
def submit_for_approval(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> TenderAnswer:
    """Hand the draft to an approver (buyer)."""
    return TenderAnswer(
        **ask.status_of(prepare_tender.submit_for_approval(tender_id, actor=actor, desk=desk))
    )


@router.post(
    "/tenders/{tender_id}/approve",
    operation_id="approveTender",
    responses=documented(401, 403, 404, 409, 422),
)
def approve(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> TenderAnswer:
    """Approve (approver; never the one who drafted)."""
    return TenderAnswer(**ask.status_of(prepare_tender.approve(tender_id, actor=actor, desk=desk)))


@router.post(
    "/tenders/{tender_id}/return-to-draft",
    operation_id="returnToDraft",
    responses=documented(401, 403, 404, 409, 413, 422),
)
def return_to_draft(
    tender_id: TenderId, body: ReasonBody, actor: CurrentActor, desk: CurrentDesk
) -> TenderAnswer:
    """Send it back with a reason (approver)."""
    tender = prepare_tender.return_to_draft(tender_id, body.reason, actor=actor, desk=desk)
    return TenderAnswer(**ask.status_of(tender))


@router.post(
    "/tenders/{tender_id}/key-set",
    status_code=201,
    operation_id="composeKeySet",
    responses=documented(401, 403, 404, 409, 422, 503),
)
def compose_key_set(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> ManySigned:
    """Put members' and custodian's keys together, to be countersigned (buyer)."""
    return ManySigned(**prepare_tender.compose_key_set(tender_id, actor=actor, desk=desk))


@router.get("/tenders/{tender_id}/key-set", operation_id="showKeySet", responses=documented(404))
def show_key_set(tender_id: TenderId, desk: CurrentDesk) -> KeySetAnswer:
    """The key set with its countersignatures and its proof in the log."""
    return KeySetAnswer(**ask.key_set(tender_id, desk))


@router.post(
    "/tenders/{tender_id}/key-set/countersignatures",
    status_code=201,
    operation_id="countersignKeySet",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def countersign_key_set(
    tender_id: TenderId, body: SignatureBody, actor: CurrentActor, desk: CurrentDesk
) -> MissingParties:
    """Countersign the key set (member); the custodian signs after the last member."""
    missing = prepare_tender.countersign_key_set(
        tender_id, from_base64(body.signature), actor=actor, desk=desk
    )
    return MissingParties(missing=missing)


@router.get(
    "/tenders/{tender_id}/notice/draft",
    operation_id="draftNotice",
    responses=documented(401, 403, 404, 409),
)
def draft_notice(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> DocumentAnswer:
    """The notice as it would be signed now (buyer)."""
    return DocumentAnswer(document=to_base64(prepare_tender.draft_notice(tender_id, actor=actor, desk=desk)))


@router.post(
    "/tenders/{tender_id}/publish",
    operation_id="publishNotice",
    responses=documented(401, 403, 404, 409, 413, 422),
)
def publish_notice(
    tender_id: TenderId, body: SignedDocumentBody, actor: CurrentActor, desk: CurrentDesk
) -> TenderAnswer:
    """Publish the signed notice (buyer)."""
    tender = prepare_tender.publish_notice(
        tender_id, from_base64(body.document), from_base64(body.signature), actor=actor, desk=desk
    )
    return TenderAnswer(**ask.status_of(tender))


@router.get("/tenders/{tender_id}/notice", operation_id="showNotice", responses=documented(404))
def show_notice(tender_id: TenderId, desk: CurrentDesk) -> WithProof:
    """The signed notice with its event and proof."""
    return WithProof(**ask.proven_document(tender_id, "notice", desk))


@router.get(
    "/tenders/{tender_id}/documents/{digest}",
    operation_id="showPublicDocument",
    responses=documented(404, 422),
)
def show_public_document(
    tender_id: TenderId, digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")], desk: CurrentDesk
) -> ManySigned:
    """A signed document that a public event names, by its digest."""
    return ManySigned(**ask.public_document(tender_id, digest, desk))


@router.get("/tenders/{tender_id}/closing-list", operation_id="showClosingList", responses=documented(404))
def show_closing_list(tender_id: TenderId, desk: CurrentDesk) -> WithProof:
    """The closing list, in which every bidder checks his own submission."""
    return WithProof(**ask.proven_document(tender_id, "closing-list", desk))


@router.post(
    "/tenders/{tender_id}/close",
    operation_id="closeTender",
    responses=documented(401, 403, 404, 409, 503),
)
def close(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> SignedDocumentBody:
    """Return what stayed closed and have the custodian destroy its keys (buyer)."""
    answer: dict[str, Any] = close_tender.close_tender(tender_id, actor=actor, desk=desk)
    return SignedDocumentBody(**answer)


@router.post(
    "/tenders/{tender_id}/cancel",
    operation_id="cancelTender",
    responses=documented(401, 403, 404, 409, 413, 422),
)
def cancel(tender_id: TenderId, body: EndingBody, actor: CurrentActor, desk: CurrentDesk) -> TenderAnswer:
    """Cancel the call on a ground of the law (buyer)."""
    tender = end_tender.cancel(tender_id, body.ground, body.reason, actor=actor, desk=desk)
    return TenderAnswer(**ask.status_of(tender))


@router.post(
    "/tenders/{tender_id}/declare-unsuccessful",
    operation_id="declareUnsuccessful",
    responses=documented(401, 403, 404, 409, 413, 422),
)
def declare_unsuccessful(
    tender_id: TenderId, body: EndingBody, actor: CurrentActor, desk: CurrentDesk
) -> TenderAnswer:
    """End the call without a winner on a ground that applies now (buyer)."""
    tender = end_tender.declare_unsuccessful(tender_id, body.ground, body.reason, actor=actor, desk=desk)
    return TenderAnswer(**ask.status_of(tender))


@router.post(
    "/tenders/{tender_id}/extend-price-opening",
    operation_id="extendPriceOpening",
    responses=documented(401, 403, 404, 409, 413, 422),
)
def extend_price_opening(
    tender_id: TenderId, body: ExtensionBody, actor: CurrentActor, desk: CurrentDesk
) -> TenderAnswer:
    """Put off the announced price opening of a two-stage call, once (buyer)."""
    tender = end_tender.extend_price_opening(
        tender_id, parse_utc(body.until), body.reason, actor=actor, desk=desk
    )
    return TenderAnswer(**ask.status_of(tender))
