"""Applications for certificates: entered by one registrar, decided by another, both with signed papers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from app.api.bodies import SignedDocumentBody
from app.api.desk import CurrentActor, CurrentContainer
from app.api.pki import chain_of, issue_all, pem_text
from app.api.problems import documented
from kernel.canonical import from_base64, to_base64
from kernel.database import read_only
from pki.papers import MAX_PAPER_BYTES, Paper
from pki.registration import (
    RecordedApplication,
    applications_in,
    apply_for,
    decide,
    find_application,
    requests_in_application,
)
from pki.registry import require_registrar
from pki.signed_data import MAX_BYTES

router = APIRouter(tags=["pki"])

ApplicationDigest = Annotated[
    str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the application's document")
]


class DecisionBody(SignedDocumentBody):
    """``issue``: certify at once what is approved."""

    issue: bool = False


class ApplicationEntry(BaseModel):
    """``state``: ``applied``, ``approved`` or ``rejected``."""

    application: str
    state: str
    party: str
    entered_by: str
    requests: list[str]


class ApplicationAnswer(ApplicationEntry):
    """With the papers as they were signed; the decision once there is one."""

    paper: SignedDocumentBody
    decision: SignedDocumentBody | None


class Applications(BaseModel):
    applications: list[ApplicationEntry]


class DecidedRequest(BaseModel):
    id: str
    state: str
    certificate: str | None


class DecisionAnswer(BaseModel):
    application: str
    state: str
    requests: list[DecidedRequest]
    chain: list[str]


@router.post(
    "/pki/applications",
    status_code=201,
    operation_id="enterApplication",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_application(
    body: SignedDocumentBody, actor: CurrentActor, container: CurrentContainer
) -> ApplicationEntry:
    """Enter what was established about the subject of requests: ``mohr/certificate-application/v1`` (registrar)."""
    return _entry(
        apply_for(
            _paper(body),
            actor=actor,
            unit_of_work=container.unit_of_work,
            clock=container.clock,
            papers=container.papers,
        )
    )


@router.get("/pki/applications", operation_id="listApplications", responses=documented(401, 403, 422, 503))
def get_applications(
    actor: CurrentActor,
    container: CurrentContainer,
    state: Annotated[
        Literal["applied", "approved", "rejected"], Query(description="their state")
    ] = "applied",
) -> Applications:
    """The oldest hundred applications in a state (registrar)."""
    require_registrar(actor)
    with read_only(container.sessions) as session:
        return Applications(applications=[_entry(each) for each in applications_in(session, state)])


@router.get(
    "/pki/applications/{digest}",
    operation_id="showApplication",
    responses=documented(401, 403, 404, 422, 503),
)
def get_application(
    digest: ApplicationDigest, actor: CurrentActor, container: CurrentContainer
) -> ApplicationAnswer:
    """An application with its papers, as another registrar reads it before he decides (registrar)."""
    require_registrar(actor)
    with read_only(container.sessions) as session:
        found = find_application(session, digest)
    return ApplicationAnswer(
        **_entry(found).model_dump(),
        paper=_body(found.paper),
        decision=None if found.decision is None else _body(found.decision),
    )


@router.post(
    "/pki/decisions",
    operation_id="decideApplication",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_decision(body: DecisionBody, actor: CurrentActor, container: CurrentContainer) -> DecisionAnswer:
    """Approve or reject what another registrar entered: ``mohr/certificate-decision/v1`` (registrar)."""
    decided = decide(
        _paper(body),
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        papers=container.papers,
    )
    with read_only(container.sessions) as session:
        requests = requests_in_application(session, decided.digest)
    states = {each.id: (each.state, each.certificate) for each in requests}
    waiting = [each.id for each in requests if each.state == "approved"]
    if body.issue and waiting:
        issued = issue_all(waiting, actor, container)
        for request, one in zip(waiting, issued, strict=True):
            states[request] = ("issued", one.certificate)
    return DecisionAnswer(
        application=decided.digest,
        state=decided.state,
        requests=[
            DecidedRequest(id=each, state=state, certificate=None if found is None else pem_text(found))
            for each, (state, found) in states.items()
        ],
        chain=chain_of(container) if any(found for _state, found in states.values()) else [],
    )


def _paper(body: SignedDocumentBody) -> Paper:
    document = from_base64(body.document, max_bytes=MAX_PAPER_BYTES)
    return Paper(document, from_base64(body.signature, max_bytes=MAX_BYTES))


def _body(paper: Paper) -> SignedDocumentBody:
    return SignedDocumentBody(document=to_base64(paper.document), signature=to_base64(paper.signature))


def _entry(found: RecordedApplication) -> ApplicationEntry:
    return ApplicationEntry(
        application=found.digest,
        state=found.state,
        party=found.party,
        entered_by=found.entered_by,
        requests=list(found.requests),
    )
