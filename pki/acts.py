"""The chain of acts in the database: rows are appended at the end of the transaction whose events they record.

One writer after the other, from the first row of a transaction until its commit; the lock is taken last, so nobody
waits for a second one while holding it. Many events of one transaction are one statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from sqlalchemy import String, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, BigNumber, lock_scope
from pki.act_chain import FIRST, Act, act_of

CHAIN_ANCHORED = "ir.tehran.pki.chain-anchored.v1"
CHAIN = "pki-acts"
ANCHOR_EVERY = 64
"""After so many acts at most the head stands in the log, as an event of its own."""


class ActRow(Base):
    """Fields as in ``act_chain.Act``; nothing of a row ever changes."""

    __tablename__ = "pki_acts"

    number: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=False)
    event: Mapped[str] = mapped_column(String(36), unique=True)
    type: Mapped[str] = mapped_column(String(128))
    actor: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(64))
    time: Mapped[str] = mapped_column(String(27))
    digest: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


_FIELDS = (
    ActRow.number,
    ActRow.event,
    ActRow.type,
    ActRow.actor,
    ActRow.subject,
    ActRow.time,
    ActRow.digest,
    ActRow.previous,
    ActRow.hash,
)
_PER_READ = 1000


def append_acts(session: Session, events: Sequence[bytes]) -> Act:
    """Record events in the caller's transaction, in their order; the answer is the new head."""
    lock_scope(session, CHAIN)
    number, previous = _head(session)
    acts = []
    for event in events:
        act = act_of(event, number + 1, previous)
        number, previous = act.number, act.hash
        acts.append(act)
    session.execute(insert(ActRow), [asdict(act) for act in acts])
    return acts[-1]


def anchor_is_due(head: Act, added: int) -> bool:
    """Whether the last ``added`` acts have crossed a multiple of ``ANCHOR_EVERY``."""
    return head.number // ANCHOR_EVERY > (head.number - added) // ANCHOR_EVERY


def recorded_acts(session: Session) -> Iterator[Act]:
    """Every row, by number."""
    for row in session.execute(
        select(*_FIELDS).order_by(ActRow.number).execution_options(yield_per=_PER_READ)
    ):
        yield Act(*row)


def _head(session: Session) -> tuple[int, str]:
    row = session.execute(select(ActRow.number, ActRow.hash).order_by(ActRow.number.desc()).limit(1)).first()
    return (0, FIRST) if row is None else (row[0], row[1])
