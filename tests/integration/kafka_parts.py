"""What the tests of the bus are made of: events in an outbox, a relay to a broker, a subscription in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy.orm import Session, sessionmaker

from app.unit_of_work import SqlUnitOfWork
from events.bus import Reader
from events.cloudevents import Topics
from events.kafka import Access, KafkaSender, open_reader
from events.outbox import lag
from events.publication import BusRelay
from events.subscription import Subscription
from kernel.clock import FixedClock
from kernel.database import read_only
from tests.support.kafka import PATIENCE_SECONDS, until
from tests.unit.events.counting import CountingConsumer, tally

CLOCK = FixedClock(datetime(2026, 11, 24, 8, tzinfo=UTC))
FACT = "ir.tehran.test.fact-recorded.v1"
SOURCE = "https://mohr.example"

Sessions = sessionmaker[Session]


def some_topics() -> Topics:
    """Names that no other test has."""
    return Topics(f"test-{uuid4().hex[:12]}", ("test",))


def emit(sessions: Sessions, subject: str, *numbers: int, text: str = "") -> None:
    """One transaction for each number."""
    for number in numbers:
        with SqlUnitOfWork(sessions, CLOCK) as uow:
            uow.emit(FACT, subject, {"number": number, "text": text})
            uow.commit()


def relay_to(sessions: Sessions, access: Access, topics: Topics) -> BusRelay:
    return BusRelay(sessions, KafkaSender(access, topics.all()), topics, SOURCE, CLOCK)


def waiting(sessions: Sessions) -> int:
    with read_only(sessions) as session:
        return lag(session).waiting


def effects(sessions: Sessions) -> list[int]:
    with read_only(sessions) as session:
        return tally(session)


def publish_all(relay: BusRelay, sessions: Sessions) -> None:
    """Run the relay until nothing waits, then give its producer back."""
    with running(relay.run_until):
        until(lambda: waiting(sessions) == 0, "the outbox to be empty")


def subscription_of(
    sessions: Sessions, consumer: CountingConsumer, access: Access, topics: Topics
) -> Subscription:
    def join(group: str, names: Sequence[str]) -> Reader:
        return open_reader(access, group, names)

    return Subscription(sessions, consumer, topics, join, CLOCK)


@contextmanager
def running(*loops: Callable[[threading.Event], None]) -> Iterator[None]:
    """Loops in threads of their own, told to stop and ended when this ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=loop, args=(stop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert not any(thread.is_alive() for thread in threads)
