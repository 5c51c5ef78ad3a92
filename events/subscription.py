"""A consumer at a bus: its own thread and group; the effect and its inbox row in one transaction, the offset after.

An event that the consumer refuses holds its partition, and is offered again after growing pauses up to 30 s; none is
skipped. The bus is not believed: an event is what the outbox holds under its id. A message that the outbox does not
know byte for byte, under that key and in that topic, is refused:

- *foreign*: no event of ours; it is logged, counted and passed over, and nothing of ours is lost by that;
- *altered*: it carries the id of an event that this consumer has not had, with another content; it holds its
  partition, because the event itself may be gone from the bus.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy.orm import Session, sessionmaker

from events.backoff import Backoff
from events.bus import BusUnavailable, Partition, Reader, Received
from events.cloudevents import ID_HEADER, Topics
from events.consumer import Consumer
from events.inbox import first_time, was_handled
from events.outbox import Recorded, recorded
from events.watch import MEASURED_AT, Reporter
from kernel.canonical import parse_json
from kernel.clock import Clock, format_utc
from kernel.failpoints import reach

_LOG = logging.getLogger(__name__)
_LAG_SECONDS = 2.0
_JOINING_SECONDS = 0.25
_MAX_OPEN_PAUSE_SECONDS = 5.0
_MAX_ID_BYTES = 36
_OPEN = "open"

Verdict = Literal["handled", "repeated", "foreign"]


class Altered(Exception):
    """A message carries the id of one of our events, and is not that event."""


@dataclass(frozen=True)
class SubscriptionState:
    """For those who watch. ``lag`` by partition, as of ``measured_at``; ``held``: whose next event is refused."""

    consumer: str
    problem: str | None = "not started"
    lag: Mapping[Partition, int] = field(default_factory=dict)
    measured_at: str | None = None
    held: tuple[Partition, ...] = ()
    handled: int = 0
    repeated: int = 0
    foreign: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "problem": self.problem,
            "lag": {f"{topic}-{number}": value for (topic, number), value in sorted(self.lag.items())},
            MEASURED_AT: self.measured_at,
            "held": [f"{topic}-{number}" for topic, number in self.held],
            "handled": self.handled,
            "repeated": self.repeated,
            "foreign": self.foreign,
        }


class Subscription:
    """One consumer, from the bus into the database. ``open_reader`` joins the consumer's group."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        consumer: Consumer,
        topics: Topics,
        open_reader: Callable[[str, Sequence[str]], Reader],
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._consumer = consumer
        self._topics = topics
        self._open_reader = open_reader
        self._clock = clock
        self._monotonic = monotonic
        self._held = Backoff[Partition](monotonic=monotonic)
        self._opening = Backoff[str](max_seconds=_MAX_OPEN_PAUSE_SECONDS, monotonic=monotonic)
        self._lag_due = 0.0
        self._state = SubscriptionState(consumer.name)
        self._reporter = Reporter(sessions, consumer.name, clock, monotonic=monotonic)

    @property
    def name(self) -> str:
        return self._consumer.name

    @property
    def group(self) -> str:
        """The group at the bus; like the consumer's name it is stable over releases."""
        return f"{self._topics.prefix}.{self._consumer.name}"

    def state(self) -> SubscriptionState:
        """As it is now; may be asked from any thread."""
        return self._state

    def run_until(self, stop: threading.Event) -> None:
        """Read until ``stop``; a bus that does not answer is opened again after growing pauses, up to 5 s."""
        while not stop.is_set():
            self._reporter.tell(self._state.to_json())
            if self._opening.resting():
                stop.wait(0.1)
                continue
            try:
                self._read_until(stop)
            except BusUnavailable as unavailable:
                self._fall_back(unavailable.detail)
            except Exception:
                _LOG.exception("the subscription of %s failed and starts anew", self.name)
                self._fall_back("it failed and starts anew")
        self._set(problem="stopped")

    def _read_until(self, stop: threading.Event) -> None:
        topics = self._topics.read_by(confidential=self._consumer.reads_confidential)
        reader = self._open_reader(self.group, topics)
        self._lag_due = 0.0
        for partition in self._held.failed():
            self._held.clear(partition)
        try:
            while not stop.is_set():
                self._pass(reader, stop)
        finally:
            reader.close()

    def _pass(self, reader: Reader, stop: threading.Event) -> None:
        self._reporter.tell(self._state.to_json())
        resting = set(self._held.resting())
        for partition in self._held.failed():
            if partition not in resting:
                reader.resume(partition)
        for partition, messages in reader.poll().items():
            self._work_off(reader, partition, messages, stop)
        if self._monotonic() >= self._lag_due:
            self._measure(reader)

    def _measure(self, reader: Reader) -> None:
        """Also how a bus is noticed that answers no more, or that gives this member nothing to read."""
        measured_at = format_utc(self._clock.now())
        lag = reader.lag()
        self._lag_due = self._monotonic() + (_LAG_SECONDS if lag else _JOINING_SECONDS)
        self._opening.clear(_OPEN)
        held = tuple(sorted(set(self._held.failed()) & lag.keys()))
        problem = None if lag else "it waits for its partitions"
        self._set(problem=problem, lag=lag, measured_at=measured_at, held=held)

    def _work_off(
        self, reader: Reader, partition: Partition, messages: Sequence[Received], stop: threading.Event
    ) -> None:
        """Message by message; the offset is committed when their effects are, also when one of them fails."""
        done: int | None = None
        try:
            for message in messages:
                # What is left is read again after the next start.
                if stop.is_set() or not self._try(reader, message):
                    break
                done = message.offset + 1
        finally:
            if done is not None:
                reach("consumer.handled")
                reader.commit({partition: done})

    def _try(self, reader: Reader, message: Received) -> bool:
        try:
            verdict = self._take(message)
        except Exception as error:
            failures = self._held.fail(message.partition)
            place = (*message.partition, message.offset)
            if isinstance(error, Altered):
                _LOG.error("%s: %s-%d offset %d: %s; it holds its partition", self.name, *place, error)
            else:
                _LOG.exception(
                    "%s refused the event at %s-%d offset %d, %d times by now", self.name, *place, failures
                )
            reader.hold(message.partition, message.offset)
            self._set(held=tuple(sorted({*self._state.held, message.partition})))
            return False
        self._held.clear(message.partition)
        self._count(verdict, message)
        return True

    def _take(self, message: Received) -> Verdict:
        """The effect and its inbox row, in one transaction. Raises Altered, or whatever the consumer raises."""
        event_id = message.header(ID_HEADER)
        if event_id is None or len(event_id) > _MAX_ID_BYTES:
            return "foreign"
        name = event_id.decode("utf-8", errors="replace")
        with self._sessions.begin() as session:
            row = recorded(session, name)
            if row is None:
                return "foreign"
            if not self._is(message, row):
                if was_handled(session, self.name, row.id):
                    return "foreign"
                raise Altered(f"it is not the event {row.id} whose id it carries")
            if not first_time(session, self.name, row.id, format_utc(self._clock.now())):
                return "repeated"
            self._consumer.handle(session, parse_json(row.payload))
        return "handled"

    def _is(self, message: Received, row: Recorded) -> bool:
        return (
            message.value == row.payload
            and message.key == row.subject.encode()
            and message.partition.topic == self._topics.topic(row.aggregatetype)
        )

    def _count(self, verdict: Verdict, message: Received) -> None:
        if verdict == "foreign":
            _LOG.error(
                "%s passed over a message that is no event of ours: %s-%d offset %d",
                self.name,
                *message.partition,
                message.offset,
            )
        state = self._state
        self._set(
            handled=state.handled + (verdict == "handled"),
            repeated=state.repeated + (verdict == "repeated"),
            foreign=state.foreign + (verdict == "foreign"),
            held=tuple(each for each in state.held if each != message.partition),
        )

    def _fall_back(self, problem: str) -> None:
        self._opening.fail(_OPEN)
        if self._state.problem != problem:
            _LOG.error("the subscription of %s: %s", self.name, problem)
        self._set(problem=problem)

    def _set(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]
