"""Outbox to Kafka to consumer on a real broker: in order, one effect each whatever crashes, nothing skipped."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from itertools import groupby

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.unit_of_work import SqlUnitOfWork
from events.cloudevents import Topics, message_of
from events.lead import AdvisoryLead
from events.outbox import OutboxEvent, append, recorded
from kernel.canonical import parse_json
from kernel.clock import format_utc
from kernel.database import make_engine, make_sessions, read_only
from tests.integration.kafka_parts import (
    CLOCK,
    FACT,
    SOURCE,
    Sessions,
    effects,
    emit,
    publish_all,
    relay_to,
    running,
    some_topics,
    subscription_of,
    waiting,
)
from tests.support.databases import Databases
from tests.support.kafka import access_to, everything_in, lower_limit, make, put, until
from tests.support.postgresql import Cluster
from tests.unit.events.counting import CountingConsumer, create_tables
from tools.kafka_broker import Broker


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def sessions(databases: Databases) -> Iterator[Sessions]:
    engine = databases.new_engine()
    create_tables(engine)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def topics(broker: Broker) -> Topics:
    return make(access_to(broker), some_topics(), max_message_bytes=str(128 << 10))


def dying(sessions: Sessions, moment: str, commits_before: int) -> Callable[[], None]:
    """The next commits end the process, before or after they are durable; returns how to end that."""
    left = [commits_before]

    def die(_: Session) -> None:
        if left[0] == 0:
            raise Crash
        left[0] -= 1

    event.listen(sessions, moment, die)
    return lambda: event.remove(sessions, moment, die)


def in_order(handed: list[tuple[str, int]]) -> bool:
    """Whether the numbers of every subject came once each, from 0 without a gap."""
    by_subject = {
        name: [n for _, n in each]
        for name, each in groupby(sorted(handed, key=lambda h: h[0]), lambda h: h[0])
    }
    return all(numbers == list(range(len(numbers))) for numbers in by_subject.values())


def test_events_arrive_once_in_order_and_as_recorded(
    sessions: Sessions, broker: Broker, topics: Topics
) -> None:
    """A message is its outbox row: bytes, key, CloudEvents headers; each subject in order, in one partition."""
    access, consumer = access_to(broker), CountingConsumer()
    for number in range(20):
        for subject in ("a", "b", "c"):
            emit(sessions, subject, number)
    relay, subscription = (
        relay_to(sessions, access, topics),
        subscription_of(sessions, consumer, access, topics),
    )

    with running(relay.run_until, subscription.run_until):
        until(lambda: len(consumer.handed) == 60, "every event")
        until(
            lambda: len(subscription.state().lag) == 3 and not any(subscription.state().lag.values()),
            "no lag",
        )

    assert in_order(consumer.handed)
    assert effects(sessions) == [1] * 60
    messages = everything_in(broker, topics.public())
    assert len(messages) == 60
    for message in messages:
        payload = parse_json(message.value or b"")
        with read_only(sessions) as session:
            row = recorded(session, payload["id"])
        assert row is not None
        assert (message.value, message.key) == (row.payload, row.subject.encode())
        assert dict(message.headers) == {
            "ce_specversion": b"1.0",
            "ce_id": row.id.encode(),
            "ce_type": FACT.encode(),
            "ce_source": SOURCE.encode(),
            "ce_subject": row.subject.encode(),
            "ce_time": row.created_at.encode(),
            "content-type": b"application/json",
        }
    assert len({(message.key, message.partition) for message in messages}) == 3


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_a_relay_that_dies_between_ack_and_mark_doubles_no_effect(
    sessions: Sessions, broker: Broker, topics: Topics, moment: str
) -> None:
    """What the broker had and the outbox did not know of is sent again, and its effect happens once."""
    access, consumer = access_to(broker), CountingConsumer()
    emit(sessions, "a", 0, 1, 2)
    emit(sessions, "b", 0)
    first = relay_to(sessions, access, topics)
    revive = dying(sessions, moment, 0)
    with pytest.raises(Crash):
        first.run_once()
    revive()
    first._sender.close()

    publish_all(relay_to(sessions, access, topics), sessions)
    subscription = subscription_of(sessions, consumer, access, topics)
    sent = len(everything_in(broker, topics.public()))
    with running(subscription.run_until):
        until(lambda: subscription.state().handled + subscription.state().repeated == sent, "every message")

    assert sent == (8 if moment == "before_commit" else 4)
    assert in_order(consumer.handed)
    assert effects(sessions) == [1] * 4


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_a_consumer_that_dies_around_its_commit_doubles_no_effect(
    sessions: Sessions, broker: Broker, topics: Topics, moment: str
) -> None:
    """Died before or after the effect was durable, and before the offset was: the next one goes on, once each."""
    access = access_to(broker)
    emit(sessions, "a", *range(6))
    publish_all(relay_to(sessions, access, topics), sessions)
    dead = subscription_of(sessions, CountingConsumer(), access, topics)
    revive = dying(sessions, moment, 3)
    with pytest.raises(Crash):
        dead.run_until(threading.Event())
    revive()

    consumer = CountingConsumer()
    subscription = subscription_of(sessions, consumer, access, topics)
    with running(subscription.run_until):
        until(lambda: len(effects(sessions)) == 6, "every effect")

    assert [number for _, number in consumer.handed] == sorted(number for _, number in consumer.handed)
    assert effects(sessions) == [1] * 6


def test_an_event_that_a_consumer_refuses_holds_its_partition_only(
    sessions: Sessions, broker: Broker, topics: Topics
) -> None:
    """It is offered again and never skipped, other partitions go on; afterwards all have happened once, in order."""
    access, consumer = access_to(broker), CountingConsumer()
    consumer.refused = {"bad"}
    subjects = [f"subject-{number}" for number in range(8)]
    emit(sessions, "bad", 0, 1)
    for subject in subjects:
        emit(sessions, subject, 0)
    publish_all(relay_to(sessions, access, topics), sessions)
    places = {m.key: m.partition for m in everything_in(broker, topics.public())}
    elsewhere = [each for each in subjects if places[each.encode()] != places[b"bad"]]
    assert elsewhere
    subscription = subscription_of(sessions, consumer, access, topics)

    with running(subscription.run_until):
        until(lambda: consumer.handed.count(("bad", 0)) >= 3, "it to be offered again")
        until(lambda: {(each, 0) for each in elsewhere} <= set(consumer.handed), "the other partitions")
        until(lambda: subscription.state().lag.get(places[b"bad"], 0) >= 2, "its lag to show")
        assert subscription.state().held == (places[b"bad"],)
        assert ("bad", 1) not in consumer.handed
        consumer.refused = set()
        until(lambda: len(effects(sessions)) == 10, "every effect")
        until(lambda: subscription.state().held == (), "nothing to be held")

    assert consumer.handed.index(("bad", 1)) > consumer.handed.index(("bad", 0))
    assert effects(sessions) == [1] * 10


def test_what_is_no_event_of_ours_is_refused_and_counted(
    sessions: Sessions, broker: Broker, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    """Rubbish, unknown ids, a repeated event under another key or in another topic: no effect, each one counted."""
    access, consumer = access_to(broker), CountingConsumer()
    emit(sessions, "a", 0)
    publish_all(relay_to(sessions, access, topics), sessions)
    (genuine,) = everything_in(broker, topics.public())
    assert genuine.value is not None
    headers = list(genuine.headers)
    (public,) = topics.public()
    subscription = subscription_of(sessions, consumer, access, topics)
    with running(subscription.run_until):
        until(lambda: consumer.handed == [("a", 0)], "the event")
        put(
            broker,
            public,
            (b"a", b"rubbish", []),
            (b"a", genuine.value, [*headers, ("ce_id", b"twice")]),
            (b"a", genuine.value.replace(b'"number":0', b'"number":7'), headers),
            (b"b", genuine.value, headers),
            (None, genuine.value, headers),
            (b"a", b'{"id":"1"}', [("ce_id", b"01890000-0000-7000-8000-000000000000")]),
            (b"a", b"x", [("ce_id", b"\xff" * 400)]),
            (b"a", genuine.value, headers),
        )
        until(lambda: subscription.state().foreign == 7, "seven to be refused")
        until(lambda: subscription.state().repeated == 1, "the true copy to be known")

    assert consumer.handed == [("a", 0)]
    assert sum("no event of ours" in record.message for record in caplog.records) == 7


def test_an_altered_event_is_never_taken_for_the_true_one(
    sessions: Sessions, broker: Broker, topics: Topics
) -> None:
    """Whoever changes an event at the bus gets its partition held, and the true event, once there, is not lost."""
    access, consumer = access_to(broker), CountingConsumer()
    emit(sessions, "a", 0)
    with read_only(sessions) as session:
        name = session.execute(text("SELECT id FROM outbox")).scalar_one()
        row = recorded(session, name)
    assert row is not None
    message = message_of(row, topics, SOURCE)
    put(
        broker,
        message.topic,
        (message.key, message.value.replace(b'"number":0', b'"number":7'), list(message.headers)),
    )
    subscription = subscription_of(sessions, consumer, access, topics)

    with running(subscription.run_until):
        until(lambda: subscription.state().held, "its partition to be held", instead=subscription.state)
        publish_all(relay_to(sessions, access, topics), sessions)
        until(lambda: sum(subscription.state().lag.values()) == 2, "both to wait")

    assert consumer.handed == []
    assert effects(sessions) == []


def test_an_oversized_row_blocks_its_subject_only(sessions: Sessions, broker: Broker, topics: Topics) -> None:
    """Too large for the topic, or of a domain without one: it waits with what follows it, and the rest goes out."""
    access = access_to(broker)
    with sessions.begin() as session:
        append(session, OutboxEvent("1", "test", "large", FACT, b"x" * (200 << 10), format_utc(CLOCK.now())))
    emit(sessions, "large", 1)
    emit(sessions, "good", 0, 1)
    with SqlUnitOfWork(sessions, CLOCK) as uow:
        uow.emit("ir.tehran.elsewhere.fact-recorded.v1", "nowhere", {})
        uow.commit()
    relay = relay_to(sessions, access, topics)

    with running(relay.run_until):
        until(lambda: waiting(sessions) == 3, "the good ones to be gone")
        assert relay.blocked_subjects() == ["large", "nowhere"]
        assert relay.problem() is None

    assert [message.key for message in everything_in(broker, topics.public())] == [b"good", b"good"]


def test_what_the_broker_refuses_takes_nothing_else_with_it(
    sessions: Sessions, broker: Broker, topics: Topics
) -> None:
    """A limit that was lowered meanwhile: of a wave sent together only the large row is refused."""
    access = access_to(broker)
    relay = relay_to(sessions, access, topics)
    emit(sessions, "first", 0)
    assert relay.run_once() == 1
    lower_limit(broker, topics, 4096)
    emit(sessions, "small", 0)
    emit(sessions, "large", 0, text="x" * 10_000)
    for number in range(5):
        emit(sessions, f"small-{number}", 0)

    with running(relay.run_until):
        until(lambda: waiting(sessions) == 1, "the small ones to be gone")
        assert (relay.blocked_subjects(), relay.problem()) == (["large"], None)
        lower_limit(broker, topics, 128 << 10)
        until(lambda: waiting(sessions) == 0, "the large one to be gone")

    keys = {message.key or b"" for message in everything_in(broker, topics.public())}
    assert sorted(keys) == [b"first", b"large", b"small", *(b"small-%d" % n for n in range(5))]


def test_confidential_events_go_to_topics_of_their_own(
    sessions: Sessions, broker: Broker, topics: Topics
) -> None:
    """The public topics hold none, and a consumer that does not read them is not subscribed to theirs."""
    access = access_to(broker)
    public, trusted = CountingConsumer("public"), CountingConsumer("trusted", reads_confidential=True)
    emit(sessions, "tender", 0)
    with SqlUnitOfWork(sessions, CLOCK) as uow:
        uow.emit_confidential("ir.tehran.test.act-received.v1", "submission", "tender", "00" * 32, {})
        uow.commit()
    publish_all(relay_to(sessions, access, topics), sessions)
    both = [subscription_of(sessions, each, access, topics) for each in (public, trusted)]

    with running(*(each.run_until for each in both)):
        until(lambda: len(trusted.handed) == 2, "both events")
        until(lambda: len(public.handed) == 1, "the public event")
        until(lambda: len(both[0].state().lag) == 3, "its partitions")

    assert public.handed == [("tender", 0)]
    assert {partition.topic for partition in both[0].state().lag} == set(topics.public())
    assert [json.loads(m.value or b"")["type"] for m in everything_in(broker, topics.confidential())] == [
        "ir.tehran.test.act-received.v1"
    ]


def test_one_relay_of_a_database_leads(cluster: Cluster) -> None:
    """The second waits while the first holds its lock, and takes over when the first's connection dies."""
    engine = make_engine(cluster.new_database())
    first, second = AdvisoryLead(engine), AdvisoryLead(engine)
    try:
        assert (first.hold(), second.hold(), first.hold()) == (True, False, True)
        cluster.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'",
        )
        # PostgreSQL ends a connection in its own time.
        until(second.hold, "the lock of the one that died")
        assert not first.hold()
        second.release()
        assert first.hold()
    finally:
        first.release()
        second.release()
        engine.dispose()
