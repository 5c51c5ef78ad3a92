"""Rows of the log: entries as transactions wrote them, the indexes they were given, signed checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import LargeBinary, Select, String, Text, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, BigNumber
from kernel.errors import LimitExceeded, MalformedInput
from kernel.held_writes import Insertion, write, write_many
from transparency.commitment import is_commitment
from transparency.tree import leaf_hash

MAX_ENTRY_BYTES = 65_534
MAX_ENTRIES_PER_READ = 1_000


class LogEntryRow(Base):
    """``log_index`` is empty until the sequencer has given the entry its place."""

    __tablename__ = "log_entries"

    id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=True)
    log_index: Mapped[int | None] = mapped_column(BigNumber, unique=True)
    leaf_hash: Mapped[str] = mapped_column(String(64), index=True)
    entry: Mapped[bytes] = mapped_column(LargeBinary)


_APPEND = Insertion("log_entries", ("leaf_hash", "entry"))


class LogCheckpointRow(Base):
    """One signed tree per size. ``cosigned_note`` is empty until the witness has cosigned it."""

    __tablename__ = "log_checkpoints"

    size: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=False)
    root: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[str] = mapped_column(String(27))
    cosigned_note: Mapped[str | None] = mapped_column(Text)
    cosigned_at: Mapped[int | None] = mapped_column(BigNumber)


@dataclass(frozen=True, slots=True)
class SignedTree:
    """A stored checkpoint: ``root`` in hex, ``note`` as the log signed it, ``cosigned_note`` once it is."""

    size: int
    root: str
    note: str
    cosigned_note: str | None


def append_entry(session: Session, entry: bytes) -> str:
    """Stage an entry in the caller's transaction and return its leaf hash (hex).

    It has no index yet, and none at all unless the transaction commits. Raises LimitExceeded.
    """
    row = _staged(entry)
    write(session, _APPEND, row)
    return str(row["leaf_hash"])


def append_entries(session: Session, entries: Sequence[bytes]) -> list[str]:
    """Stage entries in their order, as ``append_entry`` does one; returns their leaf hashes (hex)."""
    rows = [_staged(entry) for entry in entries]
    write_many(session, _APPEND, rows)
    return [str(row["leaf_hash"]) for row in rows]


def entries(session: Session, start: int, end: int) -> list[bytes]:
    """The sequenced entries with indexes in [start, end), fewer where the log ends; raises on odd bounds."""
    if not 0 <= start <= end:
        raise MalformedInput("a range of entries has a start and an end not below it", start=start, end=end)
    if end - start > MAX_ENTRIES_PER_READ:
        raise LimitExceeded("too many entries at once", limit=MAX_ENTRIES_PER_READ)
    query = (
        select(LogEntryRow.entry)
        .where(LogEntryRow.log_index >= start, LogEntryRow.log_index < end)
        .order_by(LogEntryRow.log_index)
    )
    return list(session.scalars(query))


def only_commitments_beyond(session: Session, size: int) -> bool:
    """Whether every committed entry that is not in the tree of ``size`` is a commitment, which tells nothing yet."""
    query = select(LogEntryRow.entry).where(
        or_(LogEntryRow.log_index.is_(None), LogEntryRow.log_index >= size)
    )
    return all(is_commitment(entry) for entry in session.scalars(query))


def index_of(session: Session, leaf: str) -> int | None:
    """The first index of a leaf hash (hex), or None while it has none."""
    query = (
        select(LogEntryRow.log_index)
        .where(LogEntryRow.leaf_hash == leaf, LogEntryRow.log_index.is_not(None))
        .order_by(LogEntryRow.log_index)
        .limit(1)
    )
    return session.scalar(query)


def newest_checkpoint(session: Session) -> SignedTree | None:
    """The largest signed tree, cosigned or not."""
    return _first(session, _CHECKPOINTS)


def newest_cosigned(session: Session) -> SignedTree | None:
    """The largest tree that the witness has cosigned."""
    return _first(session, _CHECKPOINTS.where(LogCheckpointRow.cosigned_note.is_not(None)))


def pending_count(session: Session) -> int:
    """How many committed entries still wait for an index."""
    query = select(LogEntryRow.id).where(LogEntryRow.log_index.is_(None)).limit(MAX_ENTRIES_PER_READ)
    return len(session.scalars(query).all())


_CHECKPOINTS = select(
    LogCheckpointRow.size, LogCheckpointRow.root, LogCheckpointRow.note, LogCheckpointRow.cosigned_note
).order_by(LogCheckpointRow.size.desc())


def _staged(entry: bytes) -> dict[str, object]:
    if len(entry) > MAX_ENTRY_BYTES:
        raise LimitExceeded("a log entry is below 65,535 bytes", length_bytes=len(entry))
    return {"leaf_hash": leaf_hash(entry).hex(), "entry": entry}


def _first(session: Session, query: Select[int, str, str, str | None]) -> SignedTree | None:
    row = session.execute(query.limit(1)).first()
    return None if row is None else SignedTree(*row)
