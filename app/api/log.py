"""The transparency log for everybody: checkpoints, proofs, entries."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from app.api.desk import CurrentContainer
from app.api.problems import documented
from kernel.canonical import to_base64
from kernel.database import read_only
from kernel.errors import NotFound
from transparency.log_store import MAX_ENTRIES_PER_READ, entries

router = APIRouter(prefix="/log", tags=["log"])

Size = Annotated[int, Query(ge=0, le=2**53 - 1)]
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
}


class ProofAnswer(BaseModel):
    """``mohr/proof/v1``: index and inclusion path under a checkpoint that the witness cosigned."""

    type: str
    leaf_hash: str
    index: int
    inclusion: list[str]
    checkpoint: str


class ConsistencyAnswer(BaseModel):
    """The RFC 6962 proof (hex) that the second tree extends the first."""

    first: int
    second: int
    consistency: list[str]


class EntriesAnswer(BaseModel):
    """Entries in base64, from ``start`` on; fewer than asked for where the log ends."""

    start: int
    entries: list[str]


@router.get("/proof", operation_id="proveEntry", responses=documented(404, 422, 503))
def get_proof(
    leaf_hash: Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")], container: CurrentContainer
) -> ProofAnswer:
    """That an entry is in the log; not found until it has its place under a cosigned checkpoint."""
    proof = container.sequencer.proof_for(leaf_hash)
    if proof is None:
        raise NotFound("no such entry under a cosigned checkpoint yet", leaf_hash=leaf_hash)
    return ProofAnswer(**proof)


@router.get(
    "/checkpoint",
    operation_id="showCheckpoint",
    responses={**documented(404, 503), **_TEXT},
    response_class=Response,
)
def get_checkpoint(container: CurrentContainer) -> Response:
    """The newest cosigned checkpoint, a signed note (C2SP tlog-checkpoint)."""
    return Response(container.sequencer.latest_checkpoint(), media_type="text/plain; charset=utf-8")


@router.get("/consistency", operation_id="proveConsistency", responses=documented(422, 503))
def get_consistency(first: Size, second: Size, container: CurrentContainer) -> ConsistencyAnswer:
    """That the log only grew between two sizes."""
    steps = container.sequencer.consistency(first, second)
    return ConsistencyAnswer(first=first, second=second, consistency=steps)


@router.get("/entries", operation_id="listEntries", responses=documented(413, 422, 503))
def get_entries(start: Size, end: Size, container: CurrentContainer) -> EntriesAnswer:
    """The entries with indexes from ``start`` up to, not including, ``end``; at most 1,000 at once."""
    with read_only(container.sessions) as session:
        found = entries(session, start, min(end, start + MAX_ENTRIES_PER_READ) if end > start else end)
    return EntriesAnswer(start=start, entries=[to_base64(entry) for entry in found])
