"""The chain of acts in the database: rows are appended at the end of the transaction whose events they record.

One writer after the other, from the first row of a transaction until its commit; the lock is taken last, so nobody
waits for a second one while holding it. Many events of one transaction are one statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, BigNumber, lock_scope_and_read
from kernel.held_writes import Insertion, write_many
from pki.act_chain import FIELDS, FIRST, Act, act_of, fields_of

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


_COLUMNS = tuple(getattr(ActRow, name) for name in FIELDS)
_APPEND = Insertion("pki_acts", FIELDS)
_HEAD = "SELECT number, hash FROM pki_acts ORDER BY number DESC LIMIT 1"
_PER_READ = 1000


def append_acts(session: Session, events: Sequence[bytes]) -> Act:
    """Record events in the caller's transaction, in their order; the answer is the new head."""
    number, previous = lock_scope_and_read(session, CHAIN, _HEAD) or (0, FIRST)
    acts = []
    for event in events:
        act = act_of(event, number + 1, previous)
        number, previous = act.number, act.hash
        acts.append(act)
    write_many(session, _APPEND, [fields_of(act) for act in acts])
    return acts[-1]


def anchor_is_due(head: Act, added: int) -> bool:
    """Whether the last ``added`` acts have crossed a multiple of ``ANCHOR_EVERY``."""
    return head.number // ANCHOR_EVERY > (head.number - added) // ANCHOR_EVERY


def recorded_acts(session: Session) -> Iterator[Act]:
    """Every row, by number."""
    for row in session.execute(
        select(*_COLUMNS).order_by(ActRow.number).execution_options(yield_per=_PER_READ)
    ):
        yield Act(*row)
