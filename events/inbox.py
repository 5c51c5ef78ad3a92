"""The inbox: which consumer has had which event, noted in the consumer's own transaction."""

from __future__ import annotations

from sqlalchemy import String, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base


class InboxRow(Base):
    __tablename__ = "inbox"

    consumer: Mapped[str] = mapped_column(String(64), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    handled_at: Mapped[str] = mapped_column(String(27))


def first_time(session: Session, consumer: str, event_id: str, at: str) -> bool:
    """Note the event for this consumer; False when it was noted before, so that its effect happens once."""
    statement = text(
        "INSERT INTO inbox (consumer, event_id, handled_at) VALUES (:consumer, :event_id, :at) "
        "ON CONFLICT (consumer, event_id) DO NOTHING RETURNING 1"
    )
    values = {"consumer": consumer, "event_id": event_id, "at": at}
    return session.execute(statement, values).scalar() is not None


def was_handled(session: Session, consumer: str, event_id: str) -> bool:
    """Whether this consumer has had the event."""
    return session.get(InboxRow, (consumer, event_id)) is not None
