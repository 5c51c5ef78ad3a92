"""Parties: people and organisations by their national identifier, and the roles they hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from identity.errors import OwnRoles, RoleMissing
from kernel.errors import Conflict, MalformedInput
from pki.names import is_party

ROLES = frozenset({"registrar", "buyer", "approver", "member", "bidder", "auditor", "sealer", "secretary"})
KINDS = frozenset({"person", "organisation"})
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a party that proved its certificate (``fingerprint``) in this session."""

    party: str
    roles: frozenset[str]
    fingerprint: str

    def require(self, role: str) -> None:
        """Raises RoleMissing unless the role is held."""
        if role not in self.roles:
            raise RoleMissing("this step belongs to another role", role=role)


@dataclass(frozen=True, slots=True)
class Party:
    """A registered person or organisation."""

    party: str
    name: str
    kind: str
    roles: frozenset[str]
    registered_at: str
    registered_by: str


def new_party(
    party: str, name: str, kind: str, roles: Iterable[str], *, at: str, registered_by: str
) -> Party:
    """A party as it is first entered; raises MalformedInput, or OwnRoles for the registrar himself."""
    held = frozenset(roles)
    if not is_party(party):
        raise MalformedInput("a party is named by 1 to 64 letters, digits, dots, dashes")
    if kind not in KINDS:
        raise MalformedInput("a party is a person or an organisation", kind=str(kind)[:32])
    if not 0 < len(name) <= MAX_NAME or name != name.strip() or not _is_printable(name):
        raise MalformedInput("a name has 1 to 64 printable characters")
    for role in held:
        _check_role(role)
    if party == registered_by:
        raise OwnRoles("nobody registers himself")
    return Party(party, name, kind, held, at, registered_by)


def grant(party: Party, role: str, *, actor: str) -> Party:
    """The party with one more role; raises OwnRoles, MalformedInput, or Conflict if it is held already."""
    _check_change(party, role, actor)
    if role in party.roles:
        raise Conflict("the party holds that role already", role=role)
    return replace(party, roles=party.roles | {role})


def withdraw(party: Party, role: str, *, actor: str) -> Party:
    """The party without a role; raises OwnRoles, MalformedInput, or Conflict if it is not held."""
    _check_change(party, role, actor)
    if role not in party.roles:
        raise Conflict("the party does not hold that role", role=role)
    return replace(party, roles=party.roles - {role})


def _check_change(party: Party, role: str, actor: str) -> None:
    _check_role(role)
    if party.party == actor:
        raise OwnRoles("nobody changes his own roles")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise MalformedInput("no such role", role=str(role)[:32], roles=sorted(ROLES))


def _is_printable(name: str) -> bool:
    # Persian names are joined with the zero-width non-joiner.
    return name.replace("\u200c", "").isprintable()
