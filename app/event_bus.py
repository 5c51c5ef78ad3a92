"""The wiring between outbox and consumers: calls in this process, or Kafka with a subscription for each consumer."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.settings import KafkaSettings, Settings
from events.cloudevents import Topics
from events.consumer import Consumer
from events.lead import lead_of
from events.publication import BusRelay
from events.relay import Relay
from events.subscription import Subscription
from kernel.clock import Clock
from kernel.errors import Conflict
from schemas.events import DOMAINS

if TYPE_CHECKING:
    from events.kafka import Access, TopicForm

# An event is below 65,535 bytes; the rest is for headers and the batch around it.
_MAX_MESSAGE_BYTES = 128 << 10

Bus = tuple[Relay | BusRelay, tuple[Subscription, ...]]


def build_bus(
    settings: Settings,
    engine: Engine,
    sessions: sessionmaker[Session],
    consumers: Sequence[Consumer],
    clock: Clock,
) -> Bus:
    """The relay that the settings name, and what reads from it. Nothing is connected yet."""
    lead = lead_of(engine)
    if settings.events.bus == "in-process":
        return Relay(sessions, consumers, clock, lead=lead), ()
    # The library takes a moment to import; an installation without a broker does not need it.
    from events.kafka import KafkaReader, KafkaSender, open_reader

    access = access_of(settings.events.kafka, member_of(settings))
    topics = topics_of(settings.events.kafka)

    def join(group: str, names: Sequence[str]) -> KafkaReader:
        return open_reader(access, group, names)

    sender = KafkaSender(access, topics.all())
    relay = BusRelay(sessions, sender, topics, settings.api.base_url, clock, lead=lead)
    return relay, tuple(Subscription(sessions, each, topics, join, clock) for each in consumers)


def topics_of(settings: KafkaSettings) -> Topics:
    """The topics of this installation."""
    return Topics(settings.topic_prefix, DOMAINS)


def member_of(settings: Settings) -> str:
    """The name of the one server of this folder on this machine, the same whenever it starts."""
    return hashlib.sha256(f"{socket.gethostname()} {settings.folder}".encode()).hexdigest()[:16]


def access_of(settings: KafkaSettings, member: str | None = None) -> Access:
    """Brokers and waits, as the client takes them."""
    from events.kafka import Access

    return Access(
        bootstrap_servers=tuple(settings.bootstrap_servers.split(",")),
        member=member,
        block_seconds=settings.block_timeout_seconds,
        request_seconds=settings.request_timeout_seconds,
        delivery_seconds=settings.delivery_timeout_seconds,
    )


def make_topics(settings: KafkaSettings) -> dict[str, list[str]]:
    """Make the topics that are missing; returns ``created`` and ``present``.

    Raises Conflict when one is there in another form, BusUnavailable when no broker answers.
    """
    from events.kafka import create_topics, topic_forms

    access, names, wanted = access_of(settings), topics_of(settings).all(), form_of(settings)
    found = topic_forms(access, names, list(wanted.configs))
    for name, form in found.items():
        if form is not None and form != wanted:
            raise Conflict("a topic is there in another form", topic=name, **_differences(form, wanted))
    missing = [name for name, form in found.items() if form is None]
    if missing:
        create_topics(access, dict.fromkeys(missing, wanted))
    return {"created": missing, "present": [name for name in names if name not in missing]}


def form_of(settings: KafkaSettings) -> TopicForm:
    """Events are kept for good: a consumer that was away, or is new, finds all of them."""
    from events.kafka import TopicForm

    replicas = settings.replication_factor
    configs = {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(_MAX_MESSAGE_BYTES),
        "min.insync.replicas": str(max(1, replicas - 1)),
    }
    if replicas == 1:
        # Nobody else has it: an acknowledged message must be on the disk.
        configs["flush.messages"] = "1"
    return TopicForm(settings.partitions, replicas, configs)


def _differences(found: TopicForm, wanted: TopicForm) -> dict[str, str]:
    pairs: dict[str, tuple[object, object]] = {
        "partitions": (found.partitions, wanted.partitions),
        "replication_factor": (found.replication_factor, wanted.replication_factor),
        **{name: (found.configs.get(name), value) for name, value in wanted.configs.items()},
    }
    return {name: f"{has}, not {should}" for name, (has, should) in pairs.items() if has != should}
