"""The registrar enters people and organisations, and grants and withdraws their roles.

Events name a party by its identifier and, for organisations only, its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from identity.errors import RoleMissing
from identity.party import Actor, Party, grant, new_party, withdraw
from identity.ports import Office
from kernel.clock import format_utc
from kernel.unit_of_work import UnitOfWork

PARTY_REGISTERED = "ir.tehran.identity.party-registered.v1"
ROLE_GRANTED = "ir.tehran.identity.role-granted.v1"
ROLE_WITHDRAWN = "ir.tehran.identity.role-withdrawn.v1"
INSTALLER = "installation"
_READERS = frozenset({"registrar", "auditor", "buyer", "approver"})


@dataclass(frozen=True, slots=True)
class RegisterParty:
    """``kind``: ``person`` or ``organisation``."""

    party: str
    name: str
    kind: str
    roles: frozenset[str]


def register_party(command: RegisterParty, *, actor: Actor, office: Office) -> Party:
    """Enter a party with its first roles. Raises RoleMissing, OwnRoles, PartyKnown or MalformedInput."""
    actor.require("registrar")
    return _register(command, actor.party, office)


def register_first_registrar(party: str, name: str, *, office: Office) -> Party:
    """The one registrar whom nobody could enter: called when an installation is made; raises PartyKnown."""
    return _register(RegisterParty(party, name, "person", frozenset({"registrar"})), INSTALLER, office)


def grant_role(party: str, role: str, *, actor: Actor, office: Office) -> Party:
    """Give a role from now on. Raises RoleMissing, OwnRoles, NotFound, Conflict or MalformedInput."""
    actor.require("registrar")
    with office.unit_of_work() as uow:
        parties = office.repositories(uow.session).parties
        changed = grant(parties.get(party), role, actor=actor.party)
        parties.grant(party, role, at=format_utc(office.clock.now()), by=actor.party)
        uow.emit(ROLE_GRANTED, party, {"party": party, "role": role, "by": actor.party})
        uow.commit()
    return changed


def withdraw_role(party: str, role: str, *, actor: Actor, office: Office) -> Party:
    """Take a role away; sessions that are open lose it with their next request. Raises as ``grant_role``."""
    actor.require("registrar")
    with office.unit_of_work() as uow:
        parties = office.repositories(uow.session).parties
        changed = withdraw(parties.get(party), role, actor=actor.party)
        parties.withdraw(party, role)
        uow.emit(ROLE_WITHDRAWN, party, {"party": party, "role": role, "by": actor.party})
        uow.commit()
    return changed


def show_party(party: str, *, actor: Actor, office: Office) -> Party:
    """A registered party: oneself, or anybody for those who prepare, approve, register or audit."""
    if actor.party != party and not actor.roles & _READERS:
        raise RoleMissing("others are shown to officers and auditors only", role=sorted(_READERS))
    with office.reading() as session:
        return office.repositories(session).parties.get(party)


def _register(command: RegisterParty, registered_by: str, office: Office) -> Party:
    party = new_party(
        command.party,
        command.name,
        command.kind,
        command.roles,
        at=format_utc(office.clock.now()),
        registered_by=registered_by,
    )
    with office.unit_of_work() as uow:
        office.repositories(uow.session).parties.add(party)
        _announce(party, uow)
        uow.commit()
    return party


def _announce(party: Party, uow: UnitOfWork) -> None:
    uow.emit(
        PARTY_REGISTERED,
        party.party,
        {
            "party": party.party,
            "kind": party.kind,
            "name": party.name if party.kind == "organisation" else None,
            "roles": sorted(party.roles),
        },
    )
