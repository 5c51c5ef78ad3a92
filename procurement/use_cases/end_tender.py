"""The ways out of a call: cancelled, declared unsuccessful, or its price opening extended (Art. 18 and 24)."""

from __future__ import annotations

from datetime import datetime

from procurement.ports import Actor, Desk
from procurement.rules.tender import (
    Cancel,
    Command,
    DeclareUnsuccessful,
    ExtendPriceOpening,
    Tender,
)
from procurement.use_cases.step import require_role, take


def cancel(tender_id: str, ground: str, reason: str, *, actor: Actor, desk: Desk) -> Tender:
    """End the call on a ground of the rule ``cancellation-grounds``; raises GroundUnknown or WrongState."""
    return _take(tender_id, Cancel(ground=ground, reason=reason, by=actor.party), actor, desk)


def declare_unsuccessful(tender_id: str, ground: str, reason: str, *, actor: Actor, desk: Desk) -> Tender:
    """End the call on a ground of the rule ``renewal-grounds`` that applies now."""
    command = DeclareUnsuccessful(ground=ground, reason=reason, by=actor.party)
    return _take(tender_id, command, actor, desk)


def extend_price_opening(tender_id: str, until: datetime, reason: str, *, actor: Actor, desk: Desk) -> Tender:
    """Announce a later price opening, once, while the bids are valid; raises ExtensionRefused."""
    return _take(tender_id, ExtendPriceOpening(until=until, by=actor.party, reason=reason), actor, desk)


def _take(tender_id: str, command: Command, actor: Actor, desk: Desk) -> Tender:
    require_role(actor, "buyer")
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = take(repositories.tenders.load(tender_id), command, desk.clock.now(), uow)
        repositories.tenders.save(tender)
        uow.commit()
    return tender
