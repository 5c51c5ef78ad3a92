"""A consumer with an effect that shows when it happens twice, and that can be told to fail."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, String, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base


class TallyRow(Base):
    __tablename__ = "test_tally"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    times: Mapped[int] = mapped_column(Integer)


class CountingConsumer:
    """Counts each event in the database, and remembers the order in which events were handed over."""

    def __init__(self, name: str = "counting", *, reads_confidential: bool = False) -> None:
        self.name = name
        self.reads_confidential = reads_confidential
        self.handed: list[tuple[str, Any]] = []
        self.refused: set[str] = set()

    def handle(self, session: Session, event: dict[str, Any]) -> None:
        self.handed.append((event["subject"], event["data"].get("number")))
        session.execute(
            text(
                "INSERT INTO test_tally (name, times) VALUES (:name, 1) "
                "ON CONFLICT (name) DO UPDATE SET times = test_tally.times + 1"
            ),
            {"name": f"{self.name} {event['id']}"},
        )
        if event["subject"] in self.refused:
            raise ValueError("this subject is refused")


def tally(session: Session) -> list[int]:
    """How often each effect has happened."""
    return list(session.execute(text("SELECT times FROM test_tally")).scalars())
