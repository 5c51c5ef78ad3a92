"""What there is to trust, and the certificates of the authorities."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from app.api.desk import CurrentContainer
from app.api.pki import chain_of, pem_text
from app.api.problems import documented
from kernel.canonical import to_base64
from pki.algorithms import der_of

router = APIRouter(tags=["pki"])

AuthorityName = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,15}$", description="the authority")]


class TrustAnswer(BaseModel):
    """What there is to trust; what to pin of it is decided elsewhere, by ``mohr/anchors/v1``."""

    root: str
    intermediates: list[str]
    crls: list[str]
    log: str
    witnesses: list[str]
    custodian: str
    demo: bool


@router.get("/pki/trust", operation_id="showTrust", responses=documented(503))
def get_trust(container: CurrentContainer) -> TrustAnswer:
    """Root, intermediates, current revocation lists, and the keys of log, witness and custodian."""
    settings = container.settings
    return TrustAnswer(
        root=pem_text(container.authority.root.certificate),
        intermediates=chain_of(container),
        crls=[to_base64(crl) for crl in container.trust.crls()],
        log=container.sequencer.vkey,
        witnesses=[settings.witness.vkey],
        custodian=settings.custodian.vkey,
        demo=settings.demo,
    )


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
