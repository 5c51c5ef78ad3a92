"""What the lists say of each certificate: read from the database as lines of a list.

Only columns are read, in one statement, because a list may have hundreds of thousands of lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from kernel.clock import format_utc, parse_utc
from pki.orm import RevocationListRow, RevocationRow
from pki.published_lists import FULL
from pki.revocation_lists import LIFTED, Revoked

# What changed longer ago than so many changes is no longer in the delta, but in the full list it rests on.
MAX_DELTA = 2_000
Line = Row[str, str, str, str | None, str]
_COLUMNS = (
    RevocationRow.serial,
    RevocationRow.revoked_at,
    RevocationRow.reason,
    RevocationRow.invalid_since,
    RevocationRow.state,
)


def lines_of(issuer: str, shard: str | None = None) -> Select[str, str, str, str | None, str]:
    query = select(*_COLUMNS).where(RevocationRow.issuer == issuer, RevocationRow.state != "resumed")
    if shard is not None:
        size, _, index = shard.partition("-")
        query = query.where(RevocationRow.tail.in_([f"{n:02x}" for n in range(int(index), 256, int(size))]))
    return query.order_by(RevocationRow.serial)


def changed_since(issuer: str, base: int) -> Select[str, str, str, str | None, str]:
    changed = select(*_COLUMNS).where(RevocationRow.issuer == issuer, RevocationRow.changed_in > base)
    return changed.order_by(RevocationRow.serial)


def lines(rows: Iterable[Line]) -> Iterable[Revoked]:
    """Serial, time, reason, invalidity date and state as stored -> lines of a list."""
    for serial, revoked_at, reason, invalid_since, state in rows:
        yield Revoked(
            int(serial, 16),
            parse_utc(revoked_at),
            LIFTED if state == "resumed" else reason,
            None if invalid_since is None else parse_utc(invalid_since),
        )


def changes_since(session: Session, issuer: str, number: int) -> int:
    query = select(func.count()).where(RevocationRow.issuer == issuer, RevocationRow.changed_in > number)
    return session.scalars(query).one()


def base_of_delta(session: Session, issuer: str, number: int, now: datetime) -> int:
    """The oldest full list still in force from which no more than MAX_DELTA changes lead to now, or the newest.

    So whoever holds a full list that is in force can complete it with the newest delta.
    """
    fulls = select(RevocationListRow.number).where(
        RevocationListRow.issuer == issuer, RevocationListRow.scope == FULL
    )
    changes = select(RevocationRow.changed_in).where(RevocationRow.issuer == issuer)
    beyond = session.scalar(changes.order_by(RevocationRow.changed_in.desc()).offset(MAX_DELTA).limit(1)) or 0
    in_force = fulls.where(
        RevocationListRow.next_update > format_utc(now),
        RevocationListRow.number >= beyond,
    )
    oldest = session.scalar(in_force.order_by(RevocationListRow.number).limit(1))
    newest = session.scalar(fulls.order_by(RevocationListRow.number.desc()).limit(1))
    return oldest or newest or number
