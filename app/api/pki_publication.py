"""What there is to trust, and the certificates of the authorities."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from app.api.desk import CurrentContainer
from app.api.pki import pem_text
from app.api.problems import documented
from app.api.published import CERTIFICATE_SECONDS, CERTIFICATE_TYPE, published
from kernel.canonical import to_base64
from pki.algorithms import der_of
from pki.issuers import ISSUER_NAME

router = APIRouter(tags=["pki"])

AuthorityName = Annotated[str, Path(pattern=f"^{ISSUER_NAME}$", description="the authority")]


class TrustAnswer(BaseModel):
    """What there is to trust; what to pin of it is decided elsewhere, by ``mohr/anchors/v1``."""

    root: str
    roots: list[str]
    intermediates: list[str]
    crls: list[str]
    log: str
    witnesses: list[str]
    custodian: str
    demo: bool


@router.get("/pki/trust", operation_id="showTrust", responses=documented(503))
def get_trust(container: CurrentContainer) -> TrustAnswer:
    """Roots, intermediates, current revocation lists, and the keys of log, witness and custodian.

    ``root`` is the one in the anchors; after a root has got a new key, ``roots`` has both, and among the intermediates
    are the certificates by which each speaks for the other.
    """
    settings, authority = container.settings, container.authority
    return TrustAnswer(
        root=pem_text(authority.anchor.certificate),
        roots=[pem_text(each.certificate) for each in authority.roots],
        intermediates=[pem_text(each) for each in (*authority.intermediates, *authority.crosses)],
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
        200: {"content": {CERTIFICATE_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=Response,
)
def get_ca(name: AuthorityName, request: Request, container: CurrentContainer) -> Response:
    """An authority's certificate (DER), where certificates say it is."""
    der = der_of(container.authority.issuer(name).certificate)
    return published(request, der, CERTIFICATE_TYPE, CERTIFICATE_SECONDS)
