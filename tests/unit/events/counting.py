"""A consumer with an effect that shows when it happens twice, and that can be told to fail."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from kernel.database import Base


def create_tables(engine: Engine) -> None:
    """The tables of the project, and beside them the one that shows how often an effect happened."""
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE tally (name TEXT PRIMARY KEY, times INTEGER NOT NULL)"))


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
                "INSERT INTO tally (name, times) VALUES (:name, 1) "
                "ON CONFLICT (name) DO UPDATE SET times = tally.times + 1"
            ),
            {"name": f"{self.name} {event['id']}"},
        )
        if event["subject"] in self.refused:
            raise ValueError("this subject is refused")


def tally(session: Session) -> list[int]:
    """How often each effect has happened."""
    return list(session.execute(text("SELECT times FROM tally")).scalars())
