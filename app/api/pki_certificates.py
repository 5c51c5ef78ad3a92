"""The record of certificates over HTTP: list, search, show; and a holder's renewal."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from app.api.bodies import SignedDocumentBody
from app.api.desk import CurrentActor, CurrentContainer
from app.api.pki import IssueAnswer, chain_of, pem_text
from app.api.problems import documented
from kernel.canonical import from_base64
from kernel.clock import format_utc
from kernel.database import read_only
from kernel.errors import Forbidden, NotFound
from pki.papers import MAX_PAPER_BYTES, Paper
from pki.registry import RecordedCertificate, Search, find_certificate, search_certificates, serial_text
from pki.renewal import renew
from pki.signed_data import MAX_BYTES
from procurement.ports import Actor

router = APIRouter(tags=["pki"])

Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the certificate's DER")]
_READERS = frozenset({"registrar", "auditor"})


class CertificateEntry(BaseModel):
    """``serial`` in 40 hexadecimal digits; ``state``: ``issued``, ``suspended`` or ``revoked``."""

    fingerprint: str
    serial: str
    issuer: str
    profile: str
    party: str
    name: str
    state: str
    not_before: str
    not_after: str
    revoked_at: str | None
    reason: str | None


class CertificateAnswer(CertificateEntry):
    """With the certificate and the chain above it (PEM)."""

    certificate: str
    chain: list[str]


class Certificates(BaseModel):
    """``next``: give it as ``after`` for the page that follows; null on the last one."""

    certificates: list[CertificateEntry]
    next: str | None


@router.get("/pki/certificates", operation_id="searchCertificates", responses=documented(401, 403, 422, 503))
def get_certificates(
    actor: CurrentActor,
    container: CurrentContainer,
    party: Annotated[str | None, Query(max_length=64)] = None,
    name: Annotated[
        str | None, Query(min_length=1, max_length=64, description="a part of the common name")
    ] = None,
    serial: Annotated[str | None, Query(pattern=r"^[0-9a-fA-F]{1,40}$")] = None,
    fingerprint: Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$")] = None,
    profile: Annotated[str | None, Query(max_length=32)] = None,
    state: Annotated[Literal["issued", "suspended", "revoked"] | None, Query()] = None,
    expiring_within: Annotated[int | None, Query(ge=1, le=36_500, description="days from now")] = None,
    after: Annotated[str | None, Query(pattern=r"^[0-9a-f]{40}$")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Certificates:
    """Certificates that fit all that is given: of everybody for registrars and auditors, else one's own."""
    now = container.clock.now()
    search = Search(
        party=_whose(actor, party),
        name=name,
        serial=serial,
        fingerprint=fingerprint,
        profile=profile,
        state=state,
        expires_until=None if expiring_within is None else now + timedelta(days=expiring_within),
        after=after,
        limit=limit,
    )
    with read_only(container.sessions) as session:
        found = search_certificates(session, search, now=now)
    ends = serial_text(found[-1].serial) if len(found) == limit else None
    return Certificates(certificates=[CertificateEntry(**entry_of(each)) for each in found], next=ends)


@router.get(
    "/pki/certificates/{fingerprint}",
    operation_id="showCertificate",
    responses=documented(401, 403, 404, 422, 503),
)
def get_certificate(
    fingerprint: Fingerprint, actor: CurrentActor, container: CurrentContainer
) -> CertificateAnswer:
    """A certificate with its state: any for registrars and auditors, else one's own."""
    with read_only(container.sessions) as session:
        found = find_certificate(session, fingerprint)
    if found is None:
        raise NotFound("no such certificate")
    _whose(actor, found.party)
    return CertificateAnswer(
        **entry_of(found), certificate=pem_text(found.certificate), chain=chain_of(container)
    )


@router.post(
    "/pki/renewals",
    operation_id="renewCertificate",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_renewal(body: SignedDocumentBody, actor: CurrentActor, container: CurrentContainer) -> IssueAnswer:
    """The next certificate for the holder of a present one: ``mohr/certificate-renewal/v1`` signed by him."""
    paper = Paper(
        from_base64(body.document, max_bytes=MAX_PAPER_BYTES),
        from_base64(body.signature, max_bytes=MAX_BYTES),
    )
    issued = renew(
        paper,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
        papers=container.papers,
        rules=container.settings.renewals.rules(),
    )
    return IssueAnswer(
        certificate=pem_text(issued.certificate), chain=chain_of(container), fingerprint=issued.fingerprint
    )


def entry_of(found: RecordedCertificate) -> dict[str, str | None]:
    """What is told of a certificate, over HTTP and at the command line."""
    return {
        "fingerprint": found.fingerprint,
        "serial": serial_text(found.serial),
        "issuer": found.issuer,
        "profile": found.profile,
        "party": found.party,
        "name": found.name,
        "state": found.state,
        "not_before": format_utc(found.certificate.not_valid_before_utc),
        "not_after": format_utc(found.certificate.not_valid_after_utc),
        "revoked_at": found.revoked_at,
        "reason": found.reason,
    }


def _whose(actor: Actor, party: str | None) -> str | None:
    """Whose certificates may be shown; raises Forbidden."""
    if actor.roles & _READERS:
        return party
    if party not in (None, actor.party):
        raise Forbidden("others' certificates are shown to registrars and auditors", role=sorted(_READERS))
    return actor.party
