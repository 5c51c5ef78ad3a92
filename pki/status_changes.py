"""Which certificates changed their status, in the order in which that became durable.

Whoever keeps statuses in memory asks at short intervals for what is new since the revision it knows. The rows are
written by orm.py with every change of a certificate's row, whoever makes it.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pki.orm import EVERY_SERIAL, StatusChangeRow

MAX_CHANGES = 1000


def newest_revision(session: Session) -> int:
    """0 as long as nothing has changed."""
    return session.scalar(select(func.max(StatusChangeRow.revision))) or 0


def changes_since(session: Session, revision: int) -> tuple[int, frozenset[int] | None]:
    """The newest revision, and the serial numbers that changed after ``revision``; None stands for all."""
    query = select(StatusChangeRow.revision, StatusChangeRow.serial)
    found = session.execute(
        query.where(StatusChangeRow.revision > revision)
        .order_by(StatusChangeRow.revision)
        .limit(MAX_CHANGES + 1)
    ).all()
    if not found:
        return revision, frozenset()
    if len(found) > MAX_CHANGES:
        return newest_revision(session), None
    newest = found[-1].revision
    if any(row.serial == EVERY_SERIAL for row in found):
        return newest, None
    return newest, frozenset(int(row.serial, 16) for row in found)
