"""One real broker for a whole run of tests, and brokers of a test's own that may be killed and frozen."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from events.bus import Partition, Received
from events.cloudevents import Topics
from events.kafka import Access, TopicForm, create_topics
from tools.kafka_broker import Broker

PATIENCE_SECONDS = 60.0


@contextmanager
def broker_of_one_own() -> Iterator[Broker]:
    """A fresh broker in a folder of its own; ended and removed."""
    folder = Path(tempfile.mkdtemp(prefix="mohr-kafka-"))
    broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker of all test processes of this run: whoever asks first starts it, whoever leaves last ends it."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = root / "kafka"
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("a+b") as users, (folder / "turn").open("wb") as turn:
        with _locked(turn):
            broker = Broker(folder / "broker")
            broker.start()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield broker
        finally:
            with _locked(turn):
                if _is_last(users):
                    broker.stop()


@contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _is_last(users: IO[bytes]) -> bool:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def freeze(broker: Broker) -> None:
    """Stop it in its tracks: connections stay open and nothing answers."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)


def thaw(broker: Broker) -> None:
    """Let it go on."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGCONT)


def access_to(broker: Broker) -> Access:
    return access_at(broker.url)


def access_at(url: str) -> Access:
    """With short waits, so that a broker that is away is noticed while a test waits."""
    return Access((url,), "test", block_seconds=1.0, request_seconds=1.5, delivery_seconds=2.0)


def make(access: Access, topics: Topics, *, partitions: int = 3, **configs: str) -> Topics:
    """Create the topics of a test."""
    form = TopicForm(partitions, 1, {name.replace("_", "."): value for name, value in configs.items()})
    create_topics(access, dict.fromkeys(topics.all(), form))
    return topics


def everything_in(broker: Broker, topics: Sequence[str]) -> list[Received]:
    """Every message of these topics, each partition in its order, read by a client that is in no group."""
    client: Any = KafkaConsumer(bootstrap_servers=broker.url, enable_auto_commit=False)
    try:
        parts = [TopicPartition(topic, n) for topic in topics for n in client.partitions_for_topic(topic)]
        client.assign(parts)
        ends = client.end_offsets(parts)
        client.seek_to_beginning()
        found: list[Received] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(client.position(part) < ends[part] for part in parts):
            assert time.monotonic() < deadline
            for part, records in client.poll(timeout_ms=200).items():
                found += [
                    Received(Partition(*part), each.offset, each.key, each.value, tuple(each.headers))
                    for each in records
                ]
        return found
    finally:
        client.close()


def put(broker: Broker, topic: str, *messages: tuple[bytes | None, bytes, list[tuple[str, bytes]]]) -> None:
    """Put messages into a topic as anybody with access to the broker could: key, value, headers."""
    client: Any = KafkaProducer(bootstrap_servers=broker.url)
    try:
        for key, value, headers in messages:
            client.send(topic, value, key=key, headers=headers).get(PATIENCE_SECONDS)
    finally:
        client.close()


def lower_limit(broker: Broker, topics: Topics, size: int) -> None:
    """From now on the broker takes no larger messages."""
    admin: Any = KafkaAdminClient(bootstrap_servers=broker.url)
    try:
        admin.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": str(size)})
                for name in topics.all()
            ]
        )
    finally:
        admin.close()


def until(
    condition: Callable[[], object],
    what: str,
    seconds: float = PATIENCE_SECONDS,
    *,
    instead: Callable[[], object] = lambda: "",
) -> None:
    """Wait for a condition; fails naming it, and what there is ``instead``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for: {what} {instead()}"
        time.sleep(0.05)
