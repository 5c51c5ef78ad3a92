"""The published lists as they are found again: the newest of each authority and scope.

A scope is ``full``, ``delta`` or a shard such as ``16-5``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from kernel.clock import parse_utc
from kernel.errors import NotFound
from pki.orm import RevocationListRow

FULL, DELTA = "full", "delta"


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a newest list without reading it."""

    issuer: str
    scope: str
    number: int
    entries: int
    digest: str
    this_update: datetime
    next_update: datetime


def newest_lists(session: Session, issuer: str | None = None) -> list[Head]:
    """The newest list of each issuer and scope, without their bytes."""
    query = _newest_of().order_by(RevocationListRow.issuer, RevocationListRow.scope)
    if issuer is not None:
        query = query.where(RevocationListRow.issuer == issuer)
    return [_head(row) for row in session.execute(query)]


def current_crls(session: Session) -> list[bytes]:
    """The newest full list and the newest delta of each authority, which together show every revocation."""
    query = select(RevocationListRow.der).where(
        RevocationListRow.scope.in_((FULL, DELTA)), RevocationListRow.der.is_not(None)
    )
    return [der for der in session.scalars(query.order_by(RevocationListRow.issuer)) if der is not None]


def current_crl(session: Session, issuer: str, scope: str = FULL) -> bytes:
    """The newest list of an authority and scope; raises NotFound."""
    return list_of(session, current_head(session, issuer, scope))


def current_head(session: Session, issuer: str, scope: str = FULL) -> Head:
    """What is known of it; raises NotFound."""
    row = session.execute(
        _newest_of().where(RevocationListRow.issuer == issuer, RevocationListRow.scope == scope)
    ).first()
    if row is None:
        raise NotFound("no such revocation list", name=issuer[:64], scope=scope[:16])
    return _head(row)


def list_of(session: Session, head: Head) -> bytes:
    """The bytes (DER); raises NotFound when a newer one has taken its place meanwhile."""
    row = session.get(RevocationListRow, (head.issuer, head.scope, head.number))
    if row is None or row.der is None:
        raise NotFound("no such revocation list", name=head.issuer, scope=head.scope)
    return row.der


_HEAD = (
    RevocationListRow.issuer,
    RevocationListRow.scope,
    RevocationListRow.number,
    RevocationListRow.entries,
    RevocationListRow.digest,
    RevocationListRow.this_update,
    RevocationListRow.next_update,
)


def _newest_of() -> Select[str, str, int, int, str, str, str]:
    return select(*_HEAD).where(RevocationListRow.der.is_not(None))


def _head(row: Iterable[object]) -> Head:
    issuer, scope, number, entries, digest, this_update, next_update = row
    return Head(
        str(issuer),
        str(scope),
        int(str(number)),
        int(str(entries)),
        str(digest),
        parse_utc(str(this_update)),
        parse_utc(str(next_update)),
    )


def heads_of(session: Session, issuer: str) -> dict[str, Head]:
    """The newest lists of one issuer by scope."""
    return {head.scope: head for head in newest_lists(session, issuer)}
