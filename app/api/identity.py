"""Parties and their roles."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.bodies import Strict
from app.api.desk import CurrentActor, CurrentContainer
from app.api.problems import documented
from identity import party as rules
from identity.use_cases.register_party import (
    RegisterParty,
    grant_role,
    register_party,
    show_party,
    withdraw_role,
)
from procurement.ports import Actor

router = APIRouter(prefix="/identity", tags=["identity"])

PartyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="the party")]
Role = Literal["registrar", "buyer", "approver", "member", "bidder", "auditor", "sealer", "secretary"]


class PartyBody(Strict):
    """A person or organisation by national identifier, with its first roles."""

    party: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    kind: Literal["person", "organisation"]
    roles: Annotated[list[Role], Field(max_length=6)]


class RoleBody(Strict):
    role: Role


class PartyAnswer(BaseModel):
    party: str
    name: str
    kind: str
    roles: list[str]
    registered_at: str


@router.post(
    "/parties",
    status_code=201,
    operation_id="registerParty",
    responses=documented(401, 403, 409, 413, 422, 503),
)
def post_party(body: PartyBody, actor: CurrentActor, container: CurrentContainer) -> PartyAnswer:
    """Register a party (registrar)."""
    command = RegisterParty(body.party, body.name, body.kind, frozenset(body.roles))
    return _answer(register_party(command, actor=_asking(actor), office=container.office))


@router.get("/parties/{party}", operation_id="showParty", responses=documented(401, 403, 404, 422, 503))
def get_party(party: PartyId, actor: CurrentActor, container: CurrentContainer) -> PartyAnswer:
    """Oneself, or any party for registrars, officers and auditors."""
    return _answer(show_party(party, actor=_asking(actor), office=container.office))


@router.post(
    "/parties/{party}/roles",
    status_code=201,
    operation_id="grantRole",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
)
def post_role(
    party: PartyId, body: RoleBody, actor: CurrentActor, container: CurrentContainer
) -> PartyAnswer:
    """Grant a role (registrar, never to himself)."""
    return _answer(grant_role(party, body.role, actor=_asking(actor), office=container.office))


@router.delete(
    "/parties/{party}/roles/{role}",
    operation_id="withdrawRole",
    responses=documented(401, 403, 404, 409, 422, 503),
)
def delete_role(party: PartyId, role: Role, actor: CurrentActor, container: CurrentContainer) -> PartyAnswer:
    """Withdraw a role (registrar); open sessions lose it with their next request."""
    return _answer(withdraw_role(party, role, actor=_asking(actor), office=container.office))


def _asking(actor: Actor) -> rules.Actor:
    return rules.Actor(actor.party, actor.roles, actor.fingerprint)


def _answer(party: rules.Party) -> PartyAnswer:
    return PartyAnswer(
        party=party.party,
        name=party.name,
        kind=party.kind,
        roles=sorted(party.roles),
        registered_at=party.registered_at,
    )
