"""Every event reaches every consumer in order per subject, and its effect happens once whatever crashes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from app.unit_of_work import SqlUnitOfWork
from events.outbox import lag
from events.relay import Relay
from kernel.clock import FixedClock
from kernel.database import make_sessions, read_only
from tests.support.databases import Databases
from tests.unit.events.counting import CountingConsumer, create_tables, tally

CLOCK = FixedClock(datetime(2026, 11, 24, 8, tzinfo=UTC))


class Crash(BaseException):
    """The process ends here."""


def emit(sessions: sessionmaker[Session], subject: str, number: int) -> None:
    with SqlUnitOfWork(sessions, CLOCK) as uow:
        uow.emit("ir.tehran.test.fact-recorded.v1", subject, {"number": number})
        uow.commit()


def crash_at(sessions: sessionmaker[Session], moment: str, commits_before: int) -> Callable[[], None]:
    left = [commits_before]

    def die(_: Session) -> None:
        if left[0] == 0:
            raise Crash
        left[0] -= 1

    event.listen(sessions, moment, die)
    return lambda: event.remove(sessions, moment, die)


class Ticks:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_consumer_gets_each_event_once_and_in_order(sessions: sessionmaker[Session]) -> None:
    """Two consumers both see every event of every subject, in the order of its sequence."""
    first, second = CountingConsumer("first"), CountingConsumer("second")
    relay = Relay(sessions, [first, second], CLOCK)
    for number in range(6):
        emit(sessions, f"subject-{number % 2}", number)

    assert relay.run_once() == 6
    assert relay.run_once() == 0
    assert first.handed == second.handed == [(f"subject-{number % 2}", number) for number in range(6)]
    with read_only(sessions) as session:
        assert tally(session) == [1] * 12
        assert (lag(session).waiting, lag(session).oldest) == (0, None)


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("commits_before", [0, 1, 2, 3], ids=["first", "second", "third", "marking"])
def test_a_crash_at_any_commit_makes_no_effect_happen_twice(
    sessions: sessionmaker[Session], moment: str, commits_before: int
) -> None:
    """Died before or after a consumer's commit or the mark: after the restart every effect has happened once."""
    for number in range(3):
        emit(sessions, "subject", number)
    revive = crash_at(sessions, moment, commits_before)
    with pytest.raises(Crash):
        Relay(sessions, [CountingConsumer()], CLOCK).run_once()
    revive()
    consumer = CountingConsumer()

    Relay(sessions, [consumer], CLOCK).run_once()

    assert consumer.handed == sorted(consumer.handed)
    with read_only(sessions) as session:
        assert tally(session) == [1, 1, 1]
        assert lag(session).waiting == 0


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["before_commit", "after_commit"]), st.integers(0, 6)), max_size=5))
def test_any_series_of_crashes_ends_in_one_effect_each(
    databases: Databases, crashes: list[tuple[str, int]]
) -> None:
    """However often and wherever the relay dies, two consumers end up with each event exactly once."""
    engine = databases.new_engine()
    create_tables(engine)
    sessions = make_sessions(engine)
    for number in range(4):
        emit(sessions, f"subject-{number % 2}", number)
    consumers = [CountingConsumer("first"), CountingConsumer("second")]
    for moment, commits_before in crashes:
        revive = crash_at(sessions, moment, commits_before)
        try:
            Relay(sessions, consumers, CLOCK).run_once()
        except Crash:
            continue
        finally:
            revive()

    Relay(sessions, consumers, CLOCK).run_once()

    with read_only(sessions) as session:
        assert tally(session) == [1] * 8
    engine.dispose()


def test_a_refused_event_blocks_its_subject_only(sessions: sessionmaker[Session]) -> None:
    """The subject of a refused event waits, others pass; its effect is rolled back, and it is not skipped."""
    ticks, consumer = Ticks(), CountingConsumer()
    relay = Relay(sessions, [consumer], CLOCK, monotonic=ticks)
    consumer.refused = {"bad"}
    for number in range(4):
        emit(sessions, "bad" if number % 2 else "good", number)

    assert relay.run_once() == 2
    assert relay.blocked_subjects() == ["bad"]
    assert consumer.handed == [("good", 0), ("bad", 1), ("good", 2)]
    with read_only(sessions) as session:
        assert tally(session) == [1, 1]
    consumer.refused, ticks.now = set(), 60.0
    assert relay.run_once() == 2
    assert consumer.handed[3:] == [("bad", 1), ("bad", 3)]
    assert relay.blocked_subjects() == []


def test_pauses_after_refusals_grow_to_a_bound(sessions: sessionmaker[Session]) -> None:
    """A refused event is offered again after growing pauses, none longer than 30 seconds."""
    ticks, consumer = Ticks(), CountingConsumer()
    relay = Relay(sessions, [consumer], CLOCK, monotonic=ticks)
    consumer.refused = {"bad"}
    emit(sessions, "bad", 0)
    offered_at: list[float] = []
    while len(offered_at) < 12:
        before = len(consumer.handed)
        relay.run_once()
        if len(consumer.handed) > before:
            offered_at.append(ticks.now)
        ticks.now += 0.1
    pauses = [later - earlier for earlier, later in pairwise(offered_at)]

    assert pauses[0] < 0.5
    assert all(later >= earlier - 0.2 for earlier, later in pairwise(pauses))
    assert 29 < pauses[-1] < 31


def test_many_waiting_events_of_a_blocked_subject_starve_nobody(sessions: sessionmaker[Session]) -> None:
    """More blocked rows than a batch holds do not keep other subjects' events away."""
    consumer = CountingConsumer()
    relay = Relay(sessions, [consumer], CLOCK, monotonic=Ticks())
    consumer.refused = {"bad"}
    with SqlUnitOfWork(sessions, CLOCK) as uow:
        for number in range(250):
            uow.emit("ir.tehran.test.fact-recorded.v1", "bad", {"number": number})
        uow.commit()
    emit(sessions, "good", 1)

    relay.run_once()
    relay.run_once()

    assert ("good", 1) in consumer.handed
    assert consumer.handed.count(("bad", 0)) == 1


def test_confidential_events_go_only_to_consumers_that_read_them(sessions: sessionmaker[Session]) -> None:
    """A consumer that does not ask for confidential events never sees one."""
    public, trusted = CountingConsumer("public"), CountingConsumer("trusted", reads_confidential=True)
    with SqlUnitOfWork(sessions, CLOCK) as uow:
        uow.emit_confidential("ir.tehran.test.act-received.v1", "submission", "tender", "00" * 32, {})
        uow.commit()

    assert Relay(sessions, [public, trusted], CLOCK).run_once() == 1
    assert public.handed == []
    assert trusted.handed == [("tender", None)]


def test_the_loop_hands_on_while_it_runs_and_ends_when_told(sessions: sessionmaker[Session]) -> None:
    """An event emitted while the loop runs arrives without anybody calling, and stop ends the loop."""
    consumer, stop = CountingConsumer(), threading.Event()
    thread = threading.Thread(target=Relay(sessions, [consumer], CLOCK).run_until, args=(stop,))
    thread.start()
    emit(sessions, "subject", 7)
    deadline = time.monotonic() + 5
    while not consumer.handed and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    thread.join(5)

    assert consumer.handed == [("subject", 7)]
    assert not thread.is_alive()
