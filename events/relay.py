"""The relay in this process: hands each outbox row to each consumer, in order per subject."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from events.backoff import Backoff
from events.consumer import Consumer
from events.inbox import first_time
from events.lead import ALONE, Lead
from events.outbox import Recorded, mark_published, unpublished
from events.passes import repeat_passes
from events.watch import RELAY, Reporter
from kernel.canonical import parse_json
from kernel.clock import Clock, format_utc
from kernel.database import read_only
from kernel.failpoints import reach

_LOG = logging.getLogger(__name__)
_BATCH = 200


class Relay:
    """Each consumer has its own transaction with its inbox row, and the row is marked when all are through.

    A crash between the two hands the row over again, and the inbox turns that into nothing. A consumer that
    raises blocks the subject of its event, with growing pauses up to 30 s, and no other subject.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        consumers: Sequence[Consumer],
        clock: Clock,
        *,
        lead: Lead = ALONE,
        interval_seconds: float = 0.1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._consumers = tuple(consumers)
        self._clock = clock
        self._lead = lead
        self._leading = False
        self._interval = interval_seconds
        self._reporter = Reporter(sessions, RELAY, clock, monotonic=monotonic)
        self._blocked = Backoff[str](monotonic=monotonic)

    def run_once(self) -> int:
        """Hand on one batch; returns how many rows every consumer has had. Nothing while another relay leads."""
        self._leading = self._lead.hold()
        if not self._leading:
            return 0
        with read_only(self._sessions) as session:
            rows = unpublished(session, limit=_BATCH, without=self._blocked.resting())
        done: list[int] = []
        failed: set[str] = set()
        for row in rows:
            if row.subject in failed:
                continue
            if self._hand_on(row):
                done.append(row.seq)
            else:
                failed.add(row.subject)
        if done:
            reach("relay.delivered")
            with self._sessions.begin() as session:
                mark_published(session, done, format_utc(self._clock.now()))
        return len(done)

    def run_until(self, stop: threading.Event) -> None:
        """Hand on batches until ``stop``; a database that does not answer is tried again."""
        repeat_passes(self.run_once, self._report, stop, self._interval)
        self._lead.release()

    def blocked_subjects(self) -> list[str]:
        """The subjects whose next event some consumer has refused so far."""
        return sorted(self._blocked.failed())

    def problem(self) -> str | None:
        """There is nothing between this relay and its consumers that could fail."""
        return None

    def _report(self) -> None:
        # One that does not lead has nothing to say.
        if self._leading:
            self._reporter.tell({"problem": self.problem(), "blocked": len(self._blocked.failed())})

    def _hand_on(self, row: Recorded) -> bool:
        event = parse_json(row.payload)
        for consumer in self._consumers:
            if row.confidential and not consumer.reads_confidential:
                continue
            try:
                self._deliver(consumer, event)
            except Exception:
                failures = self._blocked.fail(row.subject)
                _LOG.exception("%s refused event %s, %d times by now", consumer.name, row.id, failures)
                return False
        self._blocked.clear(row.subject)
        return True

    def _deliver(self, consumer: Consumer, event: dict[str, Any]) -> None:
        with self._sessions.begin() as session:
            if first_time(session, consumer.name, event["id"], format_utc(self._clock.now())):
                consumer.handle(session, event)
