"""Files that were delivered and never registered go; those that a killed process left behind are moved on."""

from __future__ import annotations

from itertools import islice

from sqlalchemy import select

from documents.register.desk import RegisterDesk, take_register
from documents.register.orm import RegisteredDocumentRow

_AT_ONCE = 500


def tidy_files(desk: RegisterDesk) -> int:
    """Look at files that have waited as long as an identifier does; returns how many were removed. Safe to repeat.

    Under the register's lock, so that none goes while a registration counts on it.
    """
    desk.files.sweep_staging()
    before = desk.clock.now() - desk.limits.reserved_for
    waiting = list(islice(desk.files.delivered_before(before), _AT_ONCE))
    if not waiting:
        return 0
    with desk.unit_of_work() as uow:
        take_register(uow.session)
        query = select(RegisteredDocumentRow.digest).where(RegisteredDocumentRow.digest.in_(waiting))
        registered = set(uow.session.scalars(query))
        gone = [each for each in waiting if each not in registered and desk.files.forget(each, before)]
        uow.commit()
    desk.files.keep(registered)
    return len(gone)
