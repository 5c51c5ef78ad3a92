"""Minutes of the openings and of the final decision: shown as PDF, prepared and signed in two steps."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from app.api.bodies import (
    ManySigned,
    MinutesAnswer,
    MinutesSignatureBody,
    MissingParties,
    PreparedMinutesAnswer,
)
from app.api.desk import CurrentActor, CurrentDesk, TenderId
from app.api.problems import documented
from kernel.canonical import from_base64, sha256_hex, to_base64
from procurement.use_cases import minutes

router = APIRouter(prefix="/tenders/{tender_id}/minutes/{stage}", tags=["minutes"])

Stage = Annotated[
    str, Path(pattern="^(A|B|C|decision)$", description="an opened stage, or the final decision")
]
_REFUSALS = documented(401, 403, 404, 409, 413, 422, 503)
_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("", operation_id="showMinutes", responses=_REFUSALS)
def show(tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk) -> MinutesAnswer:
    """Who has signed the minutes, and who of those present has not (commission, auditor)."""
    shown = minutes.show_minutes(tender_id, stage, actor=actor, desk=desk)
    return MinutesAnswer(digest=sha256_hex(shown.pdf), signed=shown.signed, missing=shown.missing)


@router.get(
    "/document",
    operation_id="downloadMinutes",
    response_class=Response,
    responses={**_REFUSALS, **_PDF},
)
def download(tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk) -> Response:
    """The minutes with every signature so far, as PDF (commission, auditor)."""
    shown = minutes.show_minutes(tender_id, stage, actor=actor, desk=desk)
    return Response(shown.pdf, media_type="application/pdf")


@router.get("/prepared", operation_id="prepareMinutes", responses=_REFUSALS)
def prepare(
    tender_id: TenderId, stage: Stage, actor: CurrentActor, desk: CurrentDesk
) -> PreparedMinutesAnswer:
    """The next revision with room for one's signature; nothing is kept of it (member present)."""
    made = minutes.prepare_minutes(tender_id, stage, actor=actor, desk=desk)
    return PreparedMinutesAnswer(
        pdf=to_base64(made.pdf),
        revision=made.revision,
        signed_at=made.signed_at,
        decided=ManySigned(**made.decided) if made.decided else None,
    )


@router.post("/signatures", status_code=201, operation_id="signMinutes", responses=_REFUSALS)
def sign(
    tender_id: TenderId, stage: Stage, body: MinutesSignatureBody, actor: CurrentActor, desk: CurrentDesk
) -> MissingParties:
    """Put one's signature into the minutes; stale when another member signed meanwhile (member present)."""
    missing = minutes.sign_minutes(
        tender_id,
        stage,
        body.revision,
        body.signed_at,
        from_base64(body.signature),
        actor=actor,
        desk=desk,
    )
    return MissingParties(missing=missing)
