"""Certificate requests: entered by anybody, issued once they are approved, handed over."""

from __future__ import annotations

from typing import Annotated, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from app.api.bodies import Strict
from app.api.desk import ActorIfAny, CurrentActor, CurrentContainer
from app.api.problems import documented
from app.container import Container
from kernel.database import read_only
from pki.issuance import MAX_BATCH, issue_batch
from pki.registration import (
    CertificateRequest,
    EnterRequest,
    enter_request,
    find_request,
    hand_over,
    requests_in,
)
from pki.registry import RecordedCertificate, require_registrar

router = APIRouter(tags=["pki"])

RequestId = Annotated[str, Path(max_length=36, description="identifier of the certificate request")]
RequestStateName = Literal["entered", "applied", "approved", "rejected", "issued", "handed-over"]


class RequestBody(Strict):
    """A PKCS #10 request in PEM, and the profile asked for."""

    profile: Annotated[str, Field(max_length=32)]
    csr: Annotated[str, Field(max_length=16 << 10)]


class RequestAnswer(BaseModel):
    """``csr``: SHA-256 of the request (DER), by which an application names it."""

    id: str
    state: str
    csr: str


class RequestState(RequestAnswer):
    """With the certificate and the chain above it (PEM, without the root) once it was issued; ``reason``: why not."""

    reason: str | None
    certificate: str | None
    chain: list[str]


class WaitingRequest(RequestAnswer):
    """What registrars see of a request; ``application``: its digest, once one was entered."""

    profile: str
    party: str | None
    application: str | None


class WaitingRequests(BaseModel):
    requests: list[WaitingRequest]


class IssueAnswer(BaseModel):
    certificate: str
    chain: list[str]
    fingerprint: str


class BatchBody(Strict):
    """Approved requests; all of them are issued, or none."""

    requests: Annotated[list[Annotated[str, Field(max_length=36)]], Field(min_length=1, max_length=MAX_BATCH)]


class IssuedCertificate(BaseModel):
    fingerprint: str
    certificate: str


class BatchAnswer(BaseModel):
    """In the order of the requests; the chain is above each of them."""

    issued: list[IssuedCertificate]
    chain: list[str]


@router.post(
    "/pki/requests",
    status_code=201,
    operation_id="enterCertificateRequest",
    openapi_extra={"security": [{}]},
    responses=documented(401, 403, 413, 422, 503),
)
def post_request(body: RequestBody, container: CurrentContainer, actor: ActorIfAny) -> RequestAnswer:
    """Hand in a request with proof of possession; registrars see to it, and may enter it for a visitor."""
    command = EnterRequest(body.profile, body.csr.encode("utf-8"))
    entered = enter_request(command, unit_of_work=container.unit_of_work, clock=container.clock, actor=actor)
    return RequestAnswer(id=entered.id, state=entered.state, csr=entered.digest)


@router.get("/pki/requests", operation_id="listCertificateRequests", responses=documented(401, 403, 422, 503))
def get_requests(
    actor: CurrentActor,
    container: CurrentContainer,
    state: Annotated[RequestStateName, Query(description="the state they are in")] = "entered",
) -> WaitingRequests:
    """The oldest hundred requests in a state (registrar)."""
    require_registrar(actor)
    with read_only(container.sessions) as session:
        found = requests_in(session, state)
    return WaitingRequests(requests=[_waiting(each) for each in found])


@router.get(
    "/pki/requests/{request_id}",
    operation_id="showCertificateRequest",
    responses=documented(404, 422, 503),
)
def get_request(request_id: RequestId, container: CurrentContainer) -> RequestState:
    """Where a request stands, with the certificate once there is one."""
    with read_only(container.sessions) as session:
        return _state(find_request(session, request_id), container)


@router.post(
    "/pki/requests/{request_id}/issue",
    operation_id="issueCertificate",
    responses=documented(401, 403, 404, 409, 422, 503),
)
def post_issue(request_id: RequestId, actor: CurrentActor, container: CurrentContainer) -> IssueAnswer:
    """Certify the key of an approved request for the subject that was approved (registrar)."""
    (issued,) = issue_all([request_id], actor, container)
    return IssueAnswer(
        certificate=pem_text(issued.certificate), chain=chain_of(container), fingerprint=issued.fingerprint
    )


@router.post(
    "/pki/issue", operation_id="issueCertificates", responses=documented(401, 403, 404, 409, 413, 422, 503)
)
def post_batch(body: BatchBody, actor: CurrentActor, container: CurrentContainer) -> BatchAnswer:
    """Certify the keys of many approved requests at once, all or none (registrar)."""
    issued = issue_all(body.requests, actor, container)
    return BatchAnswer(
        issued=[
            IssuedCertificate(fingerprint=each.fingerprint, certificate=pem_text(each.certificate))
            for each in issued
        ],
        chain=chain_of(container),
    )


@router.post(
    "/pki/requests/{request_id}/hand-over",
    status_code=204,
    operation_id="handOverCertificate",
    responses=documented(401, 403, 404, 409, 422, 503),
)
def post_hand_over(request_id: RequestId, actor: CurrentActor, container: CurrentContainer) -> None:
    """Record that the holder has his certificate (registrar, or the holder himself)."""
    hand_over(request_id, actor=actor, unit_of_work=container.unit_of_work, clock=container.clock)


def issue_all(request_ids: list[str], actor: CurrentActor, container: Container) -> list[RecordedCertificate]:
    """The use case with what the container has."""
    return issue_batch(
        request_ids,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )


def chain_of(container: Container) -> list[str]:
    """The intermediates of every answer, in PEM."""
    return [pem_text(each) for each in container.authority.chain]


def pem_text(certificate: x509.Certificate) -> str:
    """In PEM."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _state(request: CertificateRequest, container: Container) -> RequestState:
    issued = request.certificate is not None
    return RequestState(
        id=request.id,
        state=request.state,
        csr=request.digest,
        reason=request.reason,
        certificate=pem_text(request.certificate) if request.certificate is not None else None,
        chain=chain_of(container) if issued else [],
    )


def _waiting(request: CertificateRequest) -> WaitingRequest:
    return WaitingRequest(
        id=request.id,
        state=request.state,
        csr=request.digest,
        profile=request.profile,
        party=request.party,
        application=request.application,
    )
