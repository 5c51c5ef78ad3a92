"""Certificates: requests and issuing."""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.bodies import Strict
from app.api.desk import CurrentActor, CurrentContainer
from app.api.problems import documented
from app.container import Container
from kernel.database import read_only
from pki.registry import CertificateRequest, EnterRequest, enter_request, find_request, issue_request

router = APIRouter(tags=["pki"])

RequestId = Annotated[str, Path(max_length=36, description="identifier of the certificate request")]
QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"


class RequestBody(Strict):
    """A PKCS #10 request in PEM, and the profile asked for."""

    profile: Annotated[str, Field(max_length=32)]
    csr: Annotated[str, Field(max_length=16 << 10)]


class RequestAnswer(BaseModel):
    id: str
    state: str


class RequestState(RequestAnswer):
    """With the certificate and the chain above it (PEM, without the root) once it was issued."""

    certificate: str | None
    chain: list[str]


class IssueBody(Strict):
    """The subject as the registrar established it."""

    party: Annotated[str, Field(min_length=1, max_length=64)]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    organization: Annotated[str | None, Field(max_length=64)] = None


class IssueAnswer(BaseModel):
    certificate: str
    chain: list[str]
    fingerprint: str


@router.post(
    "/pki/requests",
    status_code=201,
    operation_id="enterCertificateRequest",
    responses=documented(403, 413, 422, 503),
)
def post_request(body: RequestBody, container: CurrentContainer) -> RequestAnswer:
    """Hand in a request with proof of possession; a registrar sees to it."""
    command = EnterRequest(body.profile, body.csr.encode("utf-8"))
    entered = enter_request(command, unit_of_work=container.unit_of_work, clock=container.clock)
    return RequestAnswer(id=entered.id, state=entered.state)


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
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_issue(
    request_id: RequestId, body: IssueBody, actor: CurrentActor, container: CurrentContainer
) -> IssueAnswer:
    """Certify the requested key for the subject named here (registrar)."""
    issued = issue_request(
        request_id,
        body.party,
        body.name,
        body.organization,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    return IssueAnswer(
        certificate=pem_text(issued.certificate), chain=chain_of(container), fingerprint=issued.fingerprint
    )


def _state(request: CertificateRequest, container: Container) -> RequestState:
    issued = request.certificate is not None
    return RequestState(
        id=request.id,
        state=request.state,
        certificate=pem_text(request.certificate) if request.certificate is not None else None,
        chain=chain_of(container) if issued else [],
    )


def chain_of(container: Container) -> list[str]:
    """The intermediates of every answer, in PEM."""
    return [pem_text(each) for each in container.authority.chain]


def pem_text(certificate: x509.Certificate) -> str:
    """In PEM."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")
