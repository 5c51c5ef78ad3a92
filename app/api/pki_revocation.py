"""Revocation of certificates, and the lists that tell of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from app.api.bodies import Strict
from app.api.desk import CurrentActor, CurrentContainer
from app.api.problems import documented
from kernel.canonical import to_base64
from kernel.database import read_only
from pki.issuers import ISSUER_NAME
from pki.revocation import current_crl, revoke_certificate

router = APIRouter(tags=["pki"])

AuthorityName = Annotated[str, Path(pattern=f"^{ISSUER_NAME}$", description="the authority")]
Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the certificate's DER")]


class RevokeBody(Strict):
    """A reason of RFC 5280 §5.3.1, such as ``keyCompromise``."""

    reason: Annotated[str, Field(max_length=32)]


class RevokeAnswer(BaseModel):
    """``crl``: the issuer's new revocation list (base64 DER), in force from now on."""

    fingerprint: str
    state: str
    crl: str


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
