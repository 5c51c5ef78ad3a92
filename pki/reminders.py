"""A timed step: certificates that end soon are announced at 60, 30 and 7 days before, each of these once.

Whoever was late announces the nearest mark only. A certificate that was renewed is not announced any more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from kernel.clock import Clock, format_utc, parse_utc
from kernel.database import locked
from kernel.unit_of_work import UnitOfWork
from pki.orm import CertificateRequestRow, CertificateRow

CERTIFICATE_EXPIRING = "ir.tehran.pki.certificate-expiring.v1"
REMINDER_DAYS = (60, 30, 7)
_AT_ONCE = 500


def reminders_are_due(session: Session, now: datetime) -> bool:
    """Whether ``remind_expiring`` would announce anything, to be asked without the writer's lock."""
    return session.scalars(_due(now).limit(1)).first() is not None


def remind_expiring(*, unit_of_work: Callable[[], UnitOfWork], clock: Clock) -> int:
    """Announce up to 500 certificates that passed a mark; returns how many. Safe to repeat."""
    now = clock.now()
    with unit_of_work() as uow:
        query = locked(uow.session, _due(now).order_by(CertificateRow.serial).limit(_AT_ONCE))
        rows = uow.session.scalars(query).all()
        for row in rows:
            row.reminded = _mark(parse_utc(row.not_after or ""), now)
        uow.session.flush()
        uow.emit_many(
            CERTIFICATE_EXPIRING,
            [
                (
                    row.fingerprint or "",
                    {
                        "fingerprint": row.fingerprint,
                        "serial": row.serial,
                        "profile": row.profile,
                        "party": row.party,
                        "not_after": row.not_after,
                        "days": row.reminded,
                    },
                )
                for row in rows
            ],
        )
        uow.commit()
    return len(rows)


def _mark(ends: datetime, now: datetime) -> int:
    """The fewest of the days that are left or fewer."""
    return min(days for days in REMINDER_DAYS if ends <= now + timedelta(days=days))


def _due(now: datetime) -> Select[CertificateRow]:
    renewed = aliased(CertificateRequestRow)
    return (
        select(CertificateRow)
        .where(
            CertificateRow.state == "issued",
            CertificateRow.not_after > format_utc(now),
            CertificateRow.not_after <= format_utc(now + timedelta(days=max(REMINDER_DAYS))),
            or_(*(_unannounced(now, days) for days in REMINDER_DAYS)),
        )
        .where(
            ~select(renewed.id)
            .where(renewed.renews == CertificateRow.fingerprint, renewed.fingerprint.is_not(None))
            .exists()
        )
    )


def _unannounced(now: datetime, days: int) -> ColumnElement[bool]:
    return and_(
        CertificateRow.not_after <= format_utc(now + timedelta(days=days)),
        or_(CertificateRow.reminded.is_(None), CertificateRow.reminded > days),
    )
