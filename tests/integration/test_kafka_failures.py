"""A broker that is absent, killed, frozen, full or without topics: bounded waits, a clear state, the same end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.bus import BusUnavailable
from events.cloudevents import Topics
from events.kafka import open_reader
from kernel.database import make_engine, make_sessions
from tests.integration.kafka_parts import (
    Sessions,
    effects,
    emit,
    relay_to,
    running,
    some_topics,
    subscription_of,
    waiting,
)
from tests.support.full_disk import SmallDisk, small_disk
from tests.support.kafka import access_at, access_to, broker_of_one_own, freeze, make, thaw, until
from tests.unit.events.counting import CountingConsumer, create_tables
from tools.kafka_broker import Broker, free_ports


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    engine = make_engine(f"sqlite:///{tmp_path / 'mohr.sqlite3'}")
    create_tables(engine)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def own() -> Iterator[Broker]:
    """A broker that these tests may treat badly."""
    with broker_of_one_own() as broker:
        yield broker


def numbers_in_order(consumer: CountingConsumer) -> bool:
    """Whether each first appearance is the next number."""
    firsts = list(dict.fromkeys(number for _, number in consumer.handed))
    return firsts == sorted(firsts)


@pytest.mark.parametrize("failure", ["killed", "frozen"])
def test_a_broker_that_goes_away_in_the_middle_loses_nothing(
    sessions: Sessions, own: Broker, failure: str
) -> None:
    """Events wait in the outbox, relay and consumer say why, and after it everything has happened once, in order."""
    topics = make(access_to(own), some_topics())
    consumer = CountingConsumer()
    relay = relay_to(sessions, access_to(own), topics)
    subscription = subscription_of(sessions, consumer, access_to(own), topics)
    with running(relay.run_until, subscription.run_until):
        emit(sessions, "a", *range(5))
        until(lambda: len(effects(sessions)) == 5, "what came before")
        if failure == "killed":
            own.kill()
        else:
            freeze(own)
        emit(sessions, "a", *range(5, 10))
        until(lambda: relay.problem() is not None, "the relay to say so")
        until(lambda: subscription.state().problem is not None, "the subscription to say so")
        assert waiting(sessions) == 5
        if failure == "killed":
            own.start()
        else:
            thaw(own)
        emit(sessions, "a", *range(10, 12))
        until(lambda: len(effects(sessions)) == 12, "everything")
        until(lambda: relay.problem() is None and subscription.state().problem is None, "both to be well")

    assert effects(sessions) == [1] * 12
    assert waiting(sessions) == 0
    assert numbers_in_order(consumer)


def test_a_broker_with_a_full_disk_loses_nothing(sessions: Sessions, tmp_path: Path) -> None:
    """Events wait in the outbox, the relay says why; with room and a new start everything is there, in order."""
    consumer = CountingConsumer()
    with small_disk(tmp_path / "disk", 96 << 20) as disk:
        assert isinstance(disk, SmallDisk)
        broker = Broker(disk.path / "broker")
        try:
            broker.start()
            topics = make(access_to(broker), some_topics())
            relay = relay_to(sessions, access_to(broker), topics)
            subscription = subscription_of(sessions, consumer, access_to(broker), topics)
            with running(relay.run_until, subscription.run_until):
                emit(sessions, "a", *range(5))
                until(lambda: len(effects(sessions)) == 5, "what came before")
                disk.fill(but=128 << 10)
                emit(sessions, "a", *range(5, 25), text="x" * 30_000)
                until(lambda: relay.problem() is not None, "the relay to say so")
                assert waiting(sessions) > 0
                broker.kill()
                disk.empty()
                broker.start()
                until(lambda: len(effects(sessions)) == 25, "everything")
                until(lambda: relay.problem() is None, "the relay to be well")
        finally:
            broker.kill()

    assert effects(sessions) == [1] * 25
    assert waiting(sessions) == 0
    assert numbers_in_order(consumer)


@pytest.mark.parametrize("failure", ["absent", "frozen"])
def test_whoever_stops_while_the_broker_is_away_stops_soon(
    sessions: Sessions, own: Broker, failure: str
) -> None:
    """Stopping relay and subscription takes no longer than their bounds, whatever the broker does."""
    topics = some_topics()
    if failure == "absent":
        access = access_at(f"127.0.0.1:{free_ports(1)[0]}")
    else:
        access = access_to(own)
        make(access, topics)
    relay = relay_to(sessions, access, topics)
    subscription = subscription_of(sessions, CountingConsumer(), access, topics)
    emit(sessions, "a", 0)
    try:
        with running(relay.run_until, subscription.run_until):
            if failure == "frozen":
                until(lambda: subscription.state().problem is None, "a good start")
                freeze(own)
                emit(sessions, "a", 1)
            until(lambda: relay.problem() is not None, "the relay to say so")
    finally:
        if failure == "frozen":
            thaw(own)

    assert waiting(sessions) == 1


def test_missing_topics_are_named_and_found_once_they_are_made(sessions: Sessions, own: Broker) -> None:
    """Without topics nothing is sent or read and both say what to do; making them is all that is needed."""
    topics, access, consumer = some_topics(), access_to(own), CountingConsumer()
    relay, subscription = (
        relay_to(sessions, access, topics),
        subscription_of(sessions, consumer, access, topics),
    )
    emit(sessions, "a", 0)

    with running(relay.run_until, subscription.run_until):
        until(lambda: "mohr kafka init" in str(relay.problem()), "the relay to say what to do")
        until(lambda: "mohr kafka init" in str(subscription.state().problem), "the subscription too")
        assert waiting(sessions) == 1
        make(access, topics)
        until(lambda: effects(sessions) == [1], "the event")


def test_refusals_of_the_bus_have_one_name(own: Broker) -> None:
    """Nobody at the address, and topics that are not there, are both BusUnavailable, the second naming them."""
    nobody = access_at(f"127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(BusUnavailable, match="no broker answers"):
        open_reader(nobody, "group", ["some.topic.v1"])
    with pytest.raises(BusUnavailable) as refused:
        open_reader(access_to(own), "group", ["some.topic.v1"])
    assert refused.value.fields == {"topics": ["some.topic.v1"]}


def test_a_prefix_is_a_legal_name() -> None:
    """What a broker would refuse later is refused at once."""
    for prefix in ("", "Tehran", "a b", "a..b", "x" * 101):
        with pytest.raises(ValueError, match="prefix"):
            Topics(prefix, ("test",))
