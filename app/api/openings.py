"""The commission's sessions: attendance, openings by stage, decisions, the award."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from app.api.bodies import (
    BatchesAnswer,
    DocumentAnswer,
    InForce,
    ManySigned,
    MissingParties,
    OpenedBid,
    OpenedBids,
    RecordAnswer,
    ReturnsAnswer,
    SignatureBody,
    SignedDocumentBody,
)
from app.api.desk import CurrentActor, CurrentDesk, TenderId
from app.api.problems import documented
from kernel.canonical import canonical_bytes, from_base64, to_base64
from procurement.use_cases import ask, decide, hold_opening, open_envelopes

router = APIRouter(tags=["openings"])

Stage = Annotated[str, Path(pattern="^[ABC]$", description="the kind of envelope that is opened")]
DecidedStage = Annotated[str, Path(pattern="^[AB]$", description="the stage that is decided upon")]
_REFUSALS = documented(401, 403, 404, 409, 413, 422)


@router.post(
    "/tenders/{tender_id}/attendances",
    status_code=201,
    operation_id="recordAttendance",
    responses=_REFUSALS,
)
def attend(
    tender_id: TenderId, body: SignedDocumentBody, actor: CurrentActor, desk: CurrentDesk
) -> MissingParties:
    """Record signed attendance with the declaration on conflicts of interest (member)."""
    hold_opening.record_attendance(
        tender_id, from_base64(body.document), from_base64(body.signature), actor=actor, desk=desk
    )
    return MissingParties(missing=[])


@router.get("/tenders/{tender_id}/openings/{stage}/draft", operation_id="draftSession", responses=_REFUSALS)
def draft_session(
    tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk
) -> DocumentAnswer:
    """The session as the head would sign it now (member)."""
    document = hold_opening.draft_session(tender_id, stage, actor=actor, desk=desk)
    return DocumentAnswer(document=to_base64(canonical_bytes(document)))


@router.post(
    "/tenders/{tender_id}/openings/{stage}",
    status_code=201,
    operation_id="startOpening",
    responses=_REFUSALS,
)
def start(
    tender_id: TenderId, stage: Stage, body: SignedDocumentBody, actor: CurrentActor, desk: CurrentDesk
) -> MissingParties:
    """Open the session of a stage (head)."""
    hold_opening.start_opening(
        tender_id, stage, from_base64(body.document), from_base64(body.signature), actor=actor, desk=desk
    )
    return MissingParties(missing=[])


@router.get(
    "/tenders/{tender_id}/openings/{stage}/package", operation_id="openingPackage", responses=_REFUSALS
)
def package(tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk) -> dict[str, Any]:
    """Everything a member's client checks before it decrypts its shares (member)."""
    return ask.member_package(tender_id, stage, actor=actor, desk=desk)


@router.post(
    "/tenders/{tender_id}/openings/{stage}/batches",
    status_code=201,
    operation_id="handInBatch",
    responses=_REFUSALS,
)
def hand_in(
    tender_id: TenderId, stage: Stage, body: SignedDocumentBody, actor: CurrentActor, desk: CurrentDesk
) -> BatchesAnswer:
    """Hand in one signed batch of shares (member present)."""
    count, needed = hold_opening.hand_in_batch(
        tender_id, stage, from_base64(body.document), from_base64(body.signature), actor=actor, desk=desk
    )
    return BatchesAnswer(batches=count, needed=needed)


@router.post(
    "/tenders/{tender_id}/openings/{stage}/release",
    operation_id="openStage",
    responses=documented(401, 403, 404, 409, 422, 503, 507),
)
def release(tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk) -> RecordAnswer:
    """Have the custodian release and open every envelope of the stage (head). Safe to repeat."""
    ask.require_chair(tender_id, actor, desk)
    record = open_envelopes.open_stage(tender_id, stage, actor=actor, desk=desk)
    return RecordAnswer(record=ManySigned(**record))


@router.get("/tenders/{tender_id}/openings/{stage}/record", operation_id="showRecord", responses=_REFUSALS)
def record(tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk) -> ManySigned:
    """The opening record with its signatures (commission, auditor)."""
    return ManySigned(**ask.record_of(tender_id, stage, actor=actor, desk=desk))


@router.post(
    "/tenders/{tender_id}/openings/{stage}/record/signatures",
    status_code=201,
    operation_id="signRecord",
    responses=_REFUSALS,
)
def sign_record(
    tender_id: TenderId, stage: Stage, body: SignatureBody, actor: CurrentActor, desk: CurrentDesk
) -> MissingParties:
    """Sign the record of a session one was present at (member)."""
    missing = hold_opening.sign_record(tender_id, stage, from_base64(body.signature), actor=actor, desk=desk)
    return MissingParties(missing=missing)


@router.get("/tenders/{tender_id}/openings/{stage}/bids", operation_id="showBids", responses=_REFUSALS)
def bids(tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk) -> OpenedBids:
    """The opened bids of a stage, all at once (commission, auditor)."""
    opened = ask.bids_of(tender_id, stage, actor=actor, desk=desk)
    return OpenedBids(bids=[OpenedBid(**each) for each in opened])


@router.post(
    "/tenders/{tender_id}/decisions/{stage}",
    status_code=201,
    operation_id="decideStage",
    responses=_REFUSALS,
)
def decide_stage(
    tender_id: TenderId,
    stage: DecidedStage,
    body: SignedDocumentBody,
    actor: CurrentActor,
    desk: CurrentDesk,
) -> InForce:
    """Propose or sign the decision on A or B; in force with a majority (member)."""
    in_force = decide.decide_stage(
        tender_id, stage, from_base64(body.document), from_base64(body.signature), actor=actor, desk=desk
    )
    return InForce(in_force=in_force)


@router.get("/tenders/{tender_id}/award/draft", operation_id="draftAward", responses=_REFUSALS)
def draft_award(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> DocumentAnswer:
    """The award as it follows from the opened prices (member)."""
    document = decide.draft_award(tender_id, actor=actor, desk=desk)
    return DocumentAnswer(document=to_base64(canonical_bytes(document)))


@router.post("/tenders/{tender_id}/award", status_code=201, operation_id="decideAward", responses=_REFUSALS)
def award(tender_id: TenderId, body: SignedDocumentBody, actor: CurrentActor, desk: CurrentDesk) -> InForce:
    """Propose or sign the award; in force with a majority (member)."""
    in_force = decide.decide_award(
        tender_id, from_base64(body.document), from_base64(body.signature), actor=actor, desk=desk
    )
    return InForce(in_force=in_force)


@router.get("/tenders/{tender_id}/returns", operation_id="listReturns", responses=_REFUSALS)
def returns(tender_id: TenderId, actor: CurrentActor, desk: CurrentDesk) -> ReturnsAnswer:
    """Signed returns of unopened envelopes: a bidder's own, an auditor's all."""
    found = ask.returns_of(tender_id, actor=actor, desk=desk)
    return ReturnsAnswer(returns=[SignedDocumentBody(**each) for each in found])
