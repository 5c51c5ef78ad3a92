"""Revocation of certificates, suspension and its end."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.bodies import Strict
from app.api.desk import CurrentActor, CurrentContainer
from app.api.problems import documented
from app.container import Container
from kernel.canonical import to_base64
from kernel.clock import parse_utc
from kernel.database import read_only
from pki.registry import require_registrar
from pki.revocation import (
    Change,
    Verdict,
    resume_certificate,
    revoke_certificates,
    revoke_party,
    suspend_certificate,
)
from pki.revocation_proposals import (
    Proposal,
    confirm_revocation,
    open_proposals,
    propose_revocation,
    withdraw_proposal,
)

router = APIRouter(tags=["pki"])

Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the certificate's DER")]
ProposalId = Annotated[str, Path(max_length=36, description="identifier of the proposal")]
PartyId = Annotated[str, Path(max_length=64, description="identifier of the party")]


class RevokeBody(Strict):
    """A reason of RFC 5280 §5.3.1, such as ``keyCompromise``, and for that since when (§5.3.2)."""

    reason: Annotated[str, Field(max_length=32)]
    invalid_since: Annotated[str | None, Field(max_length=40)] = None

    @property
    def verdict(self) -> Verdict:
        since = self.invalid_since
        return Verdict(self.reason, None if since is None else parse_utc(since))


class RevokeAnswer(BaseModel):
    """``crl``: a list (base64 DER) in force from now on that shows it: the full one, or for a long one its delta."""

    fingerprint: str
    state: str
    crl: str


class PartyRevoked(BaseModel):
    """``crls``: the lists (base64 DER) in force from now on that show it."""

    party: str
    fingerprints: list[str]
    crls: list[str]


class ProposalAnswer(BaseModel):
    id: str
    fingerprint: str
    reason: str
    invalid_since: str | None
    state: str
    proposed_by: str
    proposed_at: str


class ProposalsAnswer(BaseModel):
    proposals: list[ProposalAnswer]


@router.post(
    "/pki/certificates/{fingerprint}/revoke",
    operation_id="revokeCertificate",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_revoke(
    fingerprint: Fingerprint, body: RevokeBody, actor: CurrentActor, container: CurrentContainer
) -> RevokeAnswer:
    """Revoke a certificate; it counts no more from this answer on (registrar, or its holder)."""
    change = revoke_certificates(
        [fingerprint],
        body.verdict,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    return _told(container, change, "revoked")


@router.post(
    "/pki/certificates/{fingerprint}/suspend",
    operation_id="suspendCertificate",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_suspend(fingerprint: Fingerprint, actor: CurrentActor, container: CurrentContainer) -> RevokeAnswer:
    """Put a certificate on hold; it is refused from this answer on, until it is resumed (registrar, or its holder)."""
    change = suspend_certificate(
        fingerprint,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    return _told(container, change, "suspended")


@router.post(
    "/pki/certificates/{fingerprint}/resume",
    operation_id="resumeCertificate",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_resume(fingerprint: Fingerprint, actor: CurrentActor, container: CurrentContainer) -> RevokeAnswer:
    """Lift a hold: the certificate is judged as if it had never been on hold (registrar)."""
    change = resume_certificate(
        fingerprint,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    return _told(container, change, "issued")


@router.post(
    "/pki/parties/{party}/revoke",
    operation_id="revokeParty",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_revoke_party(
    party: PartyId, body: RevokeBody, actor: CurrentActor, container: CurrentContainer
) -> PartyRevoked:
    """Revoke every certificate of a party in one go (registrar)."""
    change = revoke_party(
        party,
        body.verdict,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    lists = _taken(container, change)
    return PartyRevoked(party=party, fingerprints=list(change.fingerprints), crls=lists)


@router.post(
    "/pki/certificates/{fingerprint}/revocation-proposals",
    status_code=201,
    operation_id="proposeRevocation",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_proposal(
    fingerprint: Fingerprint, body: RevokeBody, actor: CurrentActor, container: CurrentContainer
) -> ProposalAnswer:
    """Propose the revocation of an authority's or a service's certificate (registrar)."""
    proposal = propose_revocation(
        fingerprint,
        body.verdict,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
    )
    return _proposal(proposal)


@router.get(
    "/pki/revocation-proposals",
    operation_id="listRevocationProposals",
    responses=documented(401, 403, 503),
)
def get_proposals(actor: CurrentActor, container: CurrentContainer) -> ProposalsAnswer:
    """What waits for a second registrar (registrar)."""
    require_registrar(actor)
    with read_only(container.sessions) as session:
        return ProposalsAnswer(proposals=[_proposal(each) for each in open_proposals(session)])


@router.post(
    "/pki/revocation-proposals/{proposal}/confirm",
    operation_id="confirmRevocation",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_confirm(proposal: ProposalId, actor: CurrentActor, container: CurrentContainer) -> RevokeAnswer:
    """Revoke what another registrar proposed; it counts no more from this answer on (registrar)."""
    change = confirm_revocation(
        proposal,
        actor=actor,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    return _told(container, change, "revoked")


@router.post(
    "/pki/revocation-proposals/{proposal}/withdraw",
    operation_id="withdrawRevocation",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_withdraw(proposal: ProposalId, actor: CurrentActor, container: CurrentContainer) -> ProposalAnswer:
    """Take a proposal back (registrar)."""
    withdrawn = withdraw_proposal(
        proposal, actor=actor, unit_of_work=container.unit_of_work, clock=container.clock
    )
    return _proposal(withdrawn)


def _told(container: Container, change: Change, state: str) -> RevokeAnswer:
    return RevokeAnswer(fingerprint=change.fingerprints[0], state=state, crl=_taken(container, change)[0])


def _taken(container: Container, change: Change) -> list[str]:
    """Take the lists into use here at once; other processes find them before their next request."""
    for der in change.lists:
        container.trust.add_crl(der)
    return [to_base64(der) for der in change.lists]


def _proposal(proposal: Proposal) -> ProposalAnswer:
    return ProposalAnswer(
        id=proposal.id,
        fingerprint=proposal.fingerprint,
        reason=proposal.reason,
        invalid_since=proposal.invalid_since,
        state=proposal.state,
        proposed_by=proposal.proposed_by,
        proposed_at=proposal.proposed_at,
    )
