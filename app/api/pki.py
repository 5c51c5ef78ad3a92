"""Certificates: requests, issuing, revocation, what to trust, and time stamps (RFC 3161 over HTTP)."""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.api.bodies import Strict
from app.api.desk import CurrentActor, CurrentContainer
from app.api.problems import documented
from app.container import Container
from kernel.canonical import to_base64
from kernel.database import read_only
from kernel.errors import LimitExceeded
from pki.algorithms import der_of
from pki.registry import CertificateRequest, EnterRequest, enter_request, find_request, issue_request
from pki.revocation import current_crl, revoke_certificate
from pki.timestamp import MAX_REQUEST_BYTES as MAX_TIMESTAMP_REQUEST_BYTES

router = APIRouter(tags=["pki"])

RequestId = Annotated[str, Path(max_length=36, description="identifier of the certificate request")]
AuthorityName = Annotated[str, Path(pattern="^(root|intermediate)$", description="the authority")]
Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the certificate's DER")]
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


class RevokeBody(Strict):
    """A reason of RFC 5280 §5.3.1, such as ``keyCompromise``."""

    reason: Annotated[str, Field(max_length=32)]


class RevokeAnswer(BaseModel):
    """``crl``: the issuer's new revocation list (base64 DER), in force from now on."""

    fingerprint: str
    state: str
    crl: str


class TrustAnswer(BaseModel):
    """What there is to trust; what to pin of it is decided elsewhere, by ``mohr/anchors/v1``."""

    root: str
    intermediates: list[str]
    crls: list[str]
    log: str
    witnesses: list[str]
    custodian: str
    demo: bool


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
        certificate=_pem(issued.certificate), chain=_chain(container), fingerprint=issued.fingerprint
    )


@router.post(
    "/pki/certificates/{fingerprint}/revoke",
    operation_id="revokeCertificate",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_revoke(
    fingerprint: Fingerprint, body: RevokeBody, actor: CurrentActor, container: CurrentContainer
) -> RevokeAnswer:
    """Revoke a certificate; it counts no more from this answer on (registrar)."""
    crl = revoke_certificate(
        fingerprint,
        body.reason,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    container.trust.add_crl(crl)
    return RevokeAnswer(fingerprint=fingerprint, state="revoked", crl=to_base64(crl))


@router.get("/pki/trust", operation_id="showTrust", responses=documented(503))
def get_trust(container: CurrentContainer) -> TrustAnswer:
    """Root, intermediates, current revocation lists, and the keys of log, witness and custodian."""
    settings = container.settings
    return TrustAnswer(
        root=_pem(container.authority.root.certificate),
        intermediates=_chain(container),
        crls=[to_base64(crl) for crl in container.trust.crls()],
        log=container.sequencer.vkey,
        witnesses=[settings.witness.vkey],
        custodian=settings.custodian.vkey,
        demo=settings.demo,
    )


@router.get(
    "/pki/crl/{name}.crl",
    operation_id="fetchCrl",
    responses={
        **documented(404, 422, 503),
        200: {"content": {"application/pkix-crl": {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=Response,
)
def get_crl(name: AuthorityName, container: CurrentContainer) -> Response:
    """The newest revocation list of an authority (DER), where certificates say it is."""
    with read_only(container.sessions) as session:
        return Response(current_crl(session, name), media_type="application/pkix-crl")


@router.get(
    "/pki/ca/{name}.crt",
    operation_id="fetchAuthorityCertificate",
    responses={
        **documented(404, 422, 503),
        200: {"content": {"application/pkix-cert": {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=Response,
)
def get_ca(name: AuthorityName, container: CurrentContainer) -> Response:
    """An authority's certificate (DER), where certificates say it is."""
    return Response(der_of(container.authority.issuer(name).certificate), media_type="application/pkix-cert")


@router.post(
    "/tsa",
    operation_id="timestamp",
    responses={
        **documented(413, 503),
        200: {"content": {REPLY_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {QUERY_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    response_class=Response,
)
async def post_timestamp(request: Request, container: CurrentContainer) -> Response:
    """Stamp a digest with the time (RFC 3161 §3.4); refusals are inside the reply, as the protocol has it."""
    query = bytearray()
    async for part in request.stream():
        query += part
        if len(query) > MAX_TIMESTAMP_REQUEST_BYTES:
            raise LimitExceeded("a query is short", limit_bytes=MAX_TIMESTAMP_REQUEST_BYTES)
    reply = await run_in_threadpool(container.tsa.respond, bytes(query))
    return Response(reply, media_type=REPLY_TYPE)


def _state(request: CertificateRequest, container: Container) -> RequestState:
    issued = request.certificate is not None
    return RequestState(
        id=request.id,
        state=request.state,
        certificate=_pem(request.certificate) if request.certificate is not None else None,
        chain=_chain(container) if issued else [],
    )


def _chain(container: Container) -> list[str]:
    return [_pem(each) for each in container.authority.chain]


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")
