"""The file that proves a registration, for whoever may see what is registered."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.asking import Asker, Counter, CurrentCounter, ask_by_identifier
from app.api.bounded_work import BoundedWork
from app.api.desk import CurrentContainer
from app.api.document_answers import Typed
from app.api.problems import documented
from app.kept_pictures import KeptPictures
from app.registration_proofs import registration_proof_of
from authenticity.errors import DocumentUnknown
from authenticity.record import Registration

router = APIRouter(prefix="/documents", tags=["documents"])

MEDIA_TYPE = "application/pkcs7-mime"
_KEPT_BYTES = 16 << 20


class Prover:
    """A few proofs at a time in each process, and those made lately: each takes two time stamps."""

    def __init__(self, container: CurrentContainer) -> None:
        settings = container.settings
        patience = settings.signing.verification_patience_seconds
        documents = settings.documents
        self.work = BoundedWork(documents.examinations, patience, documents.examination_seconds)
        self.kept = KeptPictures(_KEPT_BYTES)


def prover_of(request: Request, container: CurrentContainer) -> Prover:
    """The one of this process."""
    state = request.app.state
    if not hasattr(state, "prover"):
        state.prover = Prover(container)
    return cast(Prover, state.prover)


CurrentProver = Annotated[Prover, Depends(prover_of)]


@router.get(
    "/{identifier}/proof",
    operation_id="proveRegistration",
    responses={
        **documented(404, 422, 429, 503),
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=Response,
)
async def get_proof(
    identifier: Typed,
    asker: Asker,
    counter: CurrentCounter,
    container: CurrentContainer,
    prover: CurrentProver,
    digest: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file: of a withheld document it is needed"
        ),
    ] = None,
) -> Response:
    """``mohr/registration-proof/v1`` in a CAdES signature (B-LTA), which ``mohr verify`` checks offline for decades."""

    def work() -> bytes:
        found = _allowed(identifier, digest, asker, counter, container)
        day = container.clock.now().date().isoformat()
        key = (f"{found.record.identifier} {day}", len(found.changes))
        return prover.kept.get(key, lambda: registration_proof_of(container, found))

    proof = await prover.work.run(work)
    headers = {
        "Content-Disposition": 'attachment; filename="registration-proof.p7m"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(proof, media_type=MEDIA_TYPE, headers=headers)


def _allowed(
    typed: str, digest: str | None, asker: str, counter: Counter, container: CurrentContainer
) -> Registration:
    """A proof discloses the whole record: of a withheld document only to who shows that he holds its bytes."""
    found = ask_by_identifier(typed, asker, counter, container).registration
    if found is None:
        raise DocumentUnknown("no document is registered under this identifier")
    if digest is None and found.record.disclosure == "public":
        return found
    if digest != found.record.digest:
        raise DocumentUnknown("no such file is registered under this identifier: name its digest")
    return found
