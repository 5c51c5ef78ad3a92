"""What relay and subscriptions say about themselves, as rows: they run in one process, and any may be asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import LargeBinary, String, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import Clock, format_utc
from kernel.database import Base

_LOG = logging.getLogger(__name__)
_SOONEST_SECONDS = 1.0
_LATEST_SECONDS = 10.0
RELAY = "relay"
# Changes by itself; a state that differs in nothing else has not changed.
MEASURED_AT = "measured_at"


class EventBusStateRow(Base):
    """The newest state of the relay, or of a consumer's subscription."""

    __tablename__ = "event_bus_states"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[bytes] = mapped_column(LargeBinary)
    reported_at: Mapped[str] = mapped_column(String(27))


@dataclass(frozen=True, slots=True)
class Report:
    """A state and when it was told."""

    state: dict[str, Any]
    reported_at: str


class Reporter:
    """Writes what changed, once a second at most, and every 10 s also what did not; used by one thread."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        name: str,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._name = name
        self._clock = clock
        self._monotonic = monotonic
        self._told: dict[str, Any] | None = None
        self._told_at = 0.0

    def tell(self, state: dict[str, Any]) -> None:
        """Write it if it is time to. A database that does not take it is no reason to stop work."""
        since = self._monotonic() - self._told_at
        said = {name: value for name, value in state.items() if name != MEASURED_AT}
        if self._told is not None and since < (_LATEST_SECONDS if said == self._told else _SOONEST_SECONDS):
            return
        self._told, self._told_at = said, self._monotonic()
        try:
            with self._sessions.begin() as session:
                _write(session, self._name, state, format_utc(self._clock.now()))
        except Exception as error:
            _LOG.warning("the state of %s could not be written: %s", self._name, error)


def _write(session: Session, name: str, state: dict[str, Any], at: str) -> None:
    statement = text(
        "INSERT INTO event_bus_states (name, state, reported_at) VALUES (:name, :state, :at) "
        "ON CONFLICT (name) DO UPDATE SET state = excluded.state, reported_at = excluded.reported_at"
    )
    session.execute(statement, {"name": name, "state": canonical_bytes(state), "at": at})


def reports(session: Session) -> dict[str, Report]:
    """The newest report of each, by name."""
    rows = session.execute(
        select(EventBusStateRow.name, EventBusStateRow.state, EventBusStateRow.reported_at)
    )
    return {name: Report(parse_json(state), at) for name, state, at in rows}
