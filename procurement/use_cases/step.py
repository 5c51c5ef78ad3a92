"""The one way a use case moves a tender: decide, emit, evolve."""

from __future__ import annotations

from datetime import datetime

from kernel.errors import Forbidden
from kernel.unit_of_work import UnitOfWork
from procurement.ports import Actor
from procurement.rules.tender import Command, Tender, decide, evolve


def take(tender: Tender, command: Command, now: datetime, uow: UnitOfWork) -> Tender:
    """Decide ``command``, record each resulting event publicly, and return the tender as it is then."""
    for event in decide(tender, command, now):
        uow.emit(event.type, tender.id, event.data)
        tender = evolve(tender, event)
    return tender


def require_role(actor: Actor, *roles: str) -> None:
    """Raises Forbidden unless the actor holds one of the roles."""
    if not set(roles) & set(actor.roles):
        raise Forbidden("this step belongs to another role", role=" or ".join(roles))
