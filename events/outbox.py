"""The outbox: every event, written in the transaction of the state it reports.

Columns are named as Debezium's outbox event router expects them (``id``, ``aggregatetype``, ``aggregateid``,
``type``, ``payload``), so that it can take the relay's place. ``payload`` is made once, as canonical bytes.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, LargeBinary, String, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, BigNumber
from kernel.held_writes import Insertion, write, write_many


class OutboxRow(Base):
    """``names_digest`` is the document that a public event names, so that the event can be found by it."""

    __tablename__ = "outbox"

    seq: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    aggregatetype: Mapped[str] = mapped_column(String(64))
    aggregateid: Mapped[str] = mapped_column(String(64), index=True)
    type: Mapped[str] = mapped_column(String(128))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    confidential: Mapped[bool] = mapped_column(Boolean)
    names_digest: Mapped[str | None] = mapped_column(String(64), index=True)
    created_at: Mapped[str] = mapped_column(String(27))
    published_at: Mapped[str | None] = mapped_column(String(27), index=True)


class SequenceRow(Base):
    """Gapless numbers: a rolled back transaction gives its number back."""

    __tablename__ = "event_sequences"

    scope: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    last: Mapped[int] = mapped_column(BigNumber)


_APPEND = Insertion(
    "outbox",
    (
        "id",
        "aggregatetype",
        "aggregateid",
        "type",
        "payload",
        "confidential",
        "names_digest",
        "created_at",
    ),
)
_NEXT_NUMBER = {
    dialect: f"INSERT INTO event_sequences (scope, name, last) VALUES ({values}, 1) "
    "ON CONFLICT (scope, name) DO UPDATE SET last = event_sequences.last + 1 RETURNING last"
    for dialect, values in (("sqlite", ":scope, :name"), ("postgresql", "%(scope)s, %(name)s"))
}
# One statement for many names: their list as JSON, or as arrays.
_NEXT_NUMBERS = {
    dialect: f"INSERT INTO event_sequences (scope, name, last) {wanted} ON CONFLICT (scope, name) "
    "DO UPDATE SET last = event_sequences.last + excluded.last RETURNING name, last"
    for dialect, wanted in (
        ("sqlite", "SELECT :scope, key, value FROM json_each(:wanted) WHERE true"),
        (
            "postgresql",
            "SELECT %(scope)s, name, wanted FROM unnest(%(names)s::text[], %(wanted)s::bigint[]) "
            "AS given (name, wanted) ORDER BY name",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event to be appended. ``aggregatetype`` chooses the topic, ``aggregateid`` the order within it."""

    id: str
    aggregatetype: str
    aggregateid: str
    type: str
    payload: bytes
    created_at: str
    confidential: bool = False
    names_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row as it was recorded; nothing of it ever changes. ``subject`` is the column ``aggregateid``."""

    seq: int
    id: str
    aggregatetype: str
    subject: str
    type: str
    payload: bytes
    confidential: bool
    created_at: str


_RECORDED = (
    OutboxRow.seq,
    OutboxRow.id,
    OutboxRow.aggregatetype,
    OutboxRow.aggregateid,
    OutboxRow.type,
    OutboxRow.payload,
    OutboxRow.confidential,
    OutboxRow.created_at,
)


@dataclass(frozen=True, slots=True)
class Lag:
    """What the relay has still to hand on, and since when."""

    waiting: int
    oldest: str | None


def next_number(session: Session, scope: str, name: str) -> int:
    """The next number from 1 in the caller's transaction; the row stays locked until it ends."""
    connection = session.connection()
    statement = _NEXT_NUMBER[connection.dialect.name]
    return int(connection.exec_driver_sql(statement, {"scope": scope, "name": name}).scalar_one())


def next_numbers(session: Session, scope: str, names: Sequence[str]) -> list[int]:
    """As ``next_number`` for each of ``names`` in turn; a name may be there more than once.

    Rows are taken in the order of their names, so that two who take the same ones wait for each other only.
    """
    wanted, connection = Counter(names), session.connection()
    values: dict[str, Any] = {"scope": scope, "names": list(wanted), "wanted": list(wanted.values())}
    if connection.dialect.name == "sqlite":
        values = {"scope": scope, "wanted": json.dumps(wanted)}
    found = connection.exec_driver_sql(_NEXT_NUMBERS[connection.dialect.name], values)
    upto = {name: int(last) for name, last in found}
    following = {name: itertools.count(upto[name] - count + 1) for name, count in wanted.items()}
    return [next(following[name]) for name in names]


def append(session: Session, event: OutboxEvent) -> None:
    """Write an event in the caller's transaction."""
    write(session, _APPEND, _values(event))


def append_many(session: Session, events: Sequence[OutboxEvent]) -> None:
    """Write events in their order."""
    write_many(session, _APPEND, [_values(event) for event in events])


def unpublished(session: Session, *, limit: int, without: Collection[str] = ()) -> list[Recorded]:
    """The oldest rows nobody has marked yet, leaving out the subjects in ``without``.

    Order of numbers is not order of commits under concurrent writers, so nothing is skipped by number.
    """
    query = select(*_RECORDED).where(OutboxRow.published_at.is_(None)).order_by(OutboxRow.seq).limit(limit)
    if without:
        query = query.where(OutboxRow.aggregateid.not_in(without))
    return [Recorded(*row) for row in session.execute(query)]


def recorded(session: Session, event_id: str) -> Recorded | None:
    """The row of that event, published or not."""
    row = session.execute(select(*_RECORDED).where(OutboxRow.id == event_id)).one_or_none()
    return Recorded(*row) if row is not None else None


def mark_published(session: Session, numbers: Iterable[int], at: str) -> None:
    """Note that these rows were handed on: every consumer has had them, or the bus has acknowledged them."""
    rows = [{"seq": number, "published_at": at} for number in numbers]
    if rows:
        session.execute(update(OutboxRow), rows)


def lag(session: Session) -> Lag:
    """How many rows wait for the relay, and how old the oldest is."""
    query = select(func.count(), func.min(OutboxRow.created_at)).where(OutboxRow.published_at.is_(None))
    waiting, oldest = session.execute(query).one()
    return Lag(int(waiting), oldest)


def public_event_waits(session: Session) -> bool:
    """Whether a public event has still to be handed on."""
    query = select(OutboxRow.seq).where(OutboxRow.published_at.is_(None), OutboxRow.confidential.is_(False))
    return session.scalar(query.limit(1)) is not None


def event_naming(session: Session, subject: str, digest: str) -> bytes | None:
    """The bytes of the first public event of ``subject`` whose data names that document's digest."""
    query = (
        select(OutboxRow.payload)
        .where(
            OutboxRow.names_digest == digest,
            OutboxRow.aggregateid == subject,
            OutboxRow.confidential.is_(False),
        )
        .order_by(OutboxRow.seq)
        .limit(1)
    )
    return session.scalar(query)


def public_events(session: Session, subject: str) -> list[bytes]:
    """The public events of ``subject``, oldest first."""
    query = (
        select(OutboxRow.payload)
        .where(OutboxRow.aggregateid == subject, OutboxRow.confidential.is_(False))
        .order_by(OutboxRow.seq)
    )
    return list(session.scalars(query))


def _values(event: OutboxEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _APPEND.columns}
