"""Identifiers are given out before the document is signed, because they stand on it; unused ones lapse.

An identifier is given out once for ever: one that lapsed may stand on a paper already, and is not known again.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from authenticity.identifier import new_identifier
from documents.register.desk import Actor, RegisterDesk, require_secretary
from documents.register.orm import RegisteredDocumentRow, ReservedIdentifierRow
from kernel.clock import format_utc
from kernel.database import lock_scope
from kernel.errors import LimitExceeded

MAX_AT_ONCE = 1_000
_LAPSE_AT_ONCE = 1_000


def reserve(count: int, *, actor: Actor, desk: RegisterDesk) -> list[str]:
    """So many fresh identifiers for this officer, good for ``limits.reserved_for``.

    Raises Forbidden, or LimitExceeded for too many at once or waiting.
    """
    require_secretary(actor)
    if not 0 < count <= MAX_AT_ONCE:
        raise LimitExceeded("1 to 1,000 identifiers are given out at once", limit=MAX_AT_ONCE)
    now = desk.clock.now()
    with desk.unit_of_work() as uow:
        lock_scope(uow.session, f"documents.reserved.{actor.party}")
        lapsed = format_utc(now - desk.limits.reserved_for)
        waiting = select(func.count()).select_from(ReservedIdentifierRow)
        mine = waiting.where(
            ReservedIdentifierRow.party == actor.party, ReservedIdentifierRow.reserved_at > lapsed
        )
        if (uow.session.scalar(mine) or 0) + count > desk.limits.reserved:
            raise LimitExceeded(
                "too many identifiers of this officer wait for a document", limit=desk.limits.reserved
            )
        given = _fresh(uow.session, count)
        at = format_utc(now)
        uow.session.add_all(
            ReservedIdentifierRow(identifier=each, party=actor.party, reserved_at=at) for each in given
        )
        uow.commit()
    return given


def lapsing_is_due(desk: RegisterDesk) -> bool:
    """Whether ``lapse_identifiers`` would do anything, asked without the writer's lock."""
    query = select(ReservedIdentifierRow.identifier).where(ReservedIdentifierRow.reserved_at <= _lapsed(desk))
    with desk.reading() as session:
        return session.scalar(query.limit(1)) is not None


def lapse_identifiers(desk: RegisterDesk) -> int:
    """Take back what no document was registered with in time; returns how many. Safe to repeat."""
    with desk.unit_of_work() as uow:
        old = (
            select(ReservedIdentifierRow.identifier)
            .where(ReservedIdentifierRow.reserved_at <= _lapsed(desk))
            .order_by(ReservedIdentifierRow.identifier)
            .limit(_LAPSE_AT_ONCE)
        )
        identifiers = uow.session.scalars(old.with_for_update(skip_locked=True)).all()
        if identifiers:
            forget_reservations(uow.session, identifiers)
        uow.commit()
    return len(identifiers)


def forget_reservations(session: Session, identifiers: Sequence[str]) -> None:
    """They are on a document now, or nobody's."""
    session.execute(delete(ReservedIdentifierRow).where(ReservedIdentifierRow.identifier.in_(identifiers)))


def _fresh(session: Session, count: int) -> list[str]:
    """Identifiers that nobody has; that one comes twice out of 10^18 is not expected, and looked at all the same."""
    given: set[str] = set()
    while len(given) < count:
        wanted = {new_identifier() for _ in range(count - len(given))} - given
        taken: set[str] = set()
        for column in (RegisteredDocumentRow.identifier, ReservedIdentifierRow.identifier):
            taken |= set(session.scalars(select(column).where(column.in_(wanted))))
        given |= wanted - taken
    return sorted(given)


def _lapsed(desk: RegisterDesk) -> str:
    return format_utc(desk.clock.now() - desk.limits.reserved_for)
