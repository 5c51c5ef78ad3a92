"""The relay to a bus: sends unpublished outbox rows, in order per subject, and marks what the bus acknowledged.

At any moment at most one row of a subject is on its way, so no row can arrive before an earlier one of its subject,
whatever is refused, lost or repeated. A row that was acknowledged but not marked when the process died is sent
again; the inbox turns that into nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.orm import Session, sessionmaker

from events.backoff import Backoff
from events.bus import BusUnavailable, Outcome, Sender
from events.cloudevents import Topics, message_of
from events.lead import ALONE, Lead
from events.outbox import Recorded, mark_published, unpublished
from events.passes import repeat_passes
from events.watch import RELAY, Reporter
from kernel.clock import Clock, format_utc
from kernel.database import read_only
from kernel.failpoints import reach

_LOG = logging.getLogger(__name__)
_BATCH = 500
_BUS = "bus"
_MAX_BUS_PAUSE_SECONDS = 5.0


class BusRelay:
    """A subject whose next row the bus refuses blocks itself alone; a bus that does not answer stops all of them.

    Either is tried again after growing pauses, up to 30 s for a subject and 5 s for the bus.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        sender: Sender,
        topics: Topics,
        source: str,
        clock: Clock,
        *,
        lead: Lead = ALONE,
        interval_seconds: float = 0.1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._sender = sender
        self._topics = topics
        self._known = frozenset(topics.all())
        self._source = source
        self._clock = clock
        self._lead = lead
        self._leading = False
        self._interval = interval_seconds
        self._reporter = Reporter(sessions, RELAY, clock, monotonic=monotonic)
        self._blocked = Backoff[str](monotonic=monotonic)
        self._bus = Backoff[str](max_seconds=_MAX_BUS_PAUSE_SECONDS, monotonic=monotonic)
        self._problem: str | None = None

    def run_once(self) -> int:
        """Send one batch; returns how many rows are marked. Nothing while another relay leads or the bus rests."""
        self._leading = self._lead.hold()
        if not self._leading or self._bus.resting():
            return 0
        with read_only(self._sessions) as session:
            rows = unpublished(session, limit=_BATCH, without=self._blocked.resting())
        done: list[int] = []
        failed: set[str] = set()
        try:
            for wave in waves(rows):
                done += self._send([row for row in wave if row.subject not in failed], failed)
        except BusUnavailable as unavailable:
            self._rest(unavailable)
        finally:
            self._mark(done)
        return len(done)

    def run_until(self, stop: threading.Event) -> None:
        """Send batches until ``stop``; a database that does not answer is tried again."""
        repeat_passes(self.run_once, self._report, stop, self._interval)
        self._sender.close()
        self._lead.release()

    def blocked_subjects(self) -> list[str]:
        """The subjects whose next row the bus has refused so far."""
        return sorted(self._blocked.failed())

    def problem(self) -> str | None:
        """Why nothing can be sent at present."""
        return self._problem

    def _report(self) -> None:
        # One that does not lead has nothing to say.
        if self._leading:
            self._reporter.tell({"problem": self.problem(), "blocked": len(self._blocked.failed())})

    def _send(self, wave: Sequence[Recorded], failed: set[str]) -> list[int]:
        """Returns the numbers of the acknowledged rows, and adds to ``failed`` the subjects whose row was refused.

        Raises BusUnavailable when the fate of a row is unknown; what was acknowledged is marked before that.
        """
        sendable = []
        for row in wave:
            if self._topics.topic(row.aggregatetype) in self._known:
                sendable.append(row)
            else:
                failed.add(row.subject)
                self._block(row, "no topic is for its domain")
        messages = [message_of(row, self._topics, self._source) for row in sendable]
        outcomes = self._sender.send(messages) if messages else []
        acknowledged = []
        for row, outcome in zip(sendable, outcomes, strict=True):
            if outcome is Outcome.ACKNOWLEDGED:
                self._blocked.clear(row.subject)
                acknowledged.append(row.seq)
            elif outcome is Outcome.REFUSED:
                failed.add(row.subject)
                self._block(row, "the bus refuses it")
        if Outcome.UNANSWERED in outcomes:
            self._mark(acknowledged)
            raise BusUnavailable("the broker did not acknowledge in time")
        if messages:
            self._recover()
        return acknowledged

    def _block(self, row: Recorded, why: str) -> None:
        failures = self._blocked.fail(row.subject)
        _LOG.error("event %s of %s waits, %d times by now: %s", row.id, row.subject, failures, why)

    def _rest(self, unavailable: BusUnavailable) -> None:
        self._bus.fail(_BUS)
        if self._problem != unavailable.detail:
            _LOG.error("events wait in the outbox: %s %s", unavailable.detail, unavailable.fields)
        self._problem = unavailable.detail

    def _recover(self) -> None:
        self._bus.clear(_BUS)
        if self._problem is not None:
            _LOG.warning("the bus takes events again")
            self._problem = None

    def _mark(self, numbers: Sequence[int]) -> None:
        if numbers:
            reach("relay.delivered")
            with self._sessions.begin() as session:
                mark_published(session, numbers, format_utc(self._clock.now()))


def waves(rows: Iterable[Recorded]) -> list[list[Recorded]]:
    """The rows in as few groups as can be, each with one row of a subject at most, subjects in their order."""
    found: list[list[Recorded]] = []
    turn: dict[str, int] = {}
    for row in rows:
        number = turn.get(row.subject, 0)
        turn[row.subject] = number + 1
        if number == len(found):
            found.append([])
        found[number].append(row)
    return found
