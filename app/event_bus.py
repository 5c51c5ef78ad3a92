"""The wiring between outbox and consumers: calls in this process, or Kafka with a subscription for each consumer."""

from __future__ import annotations

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
from schemas.events import DOMAINS

if TYPE_CHECKING:
    from events.kafka import Access

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

    access, topics = access_of(settings.events.kafka), topics_of(settings.events.kafka)

    def join(group: str, names: Sequence[str]) -> KafkaReader:
        return open_reader(access, group, names)

    sender = KafkaSender(access, topics.all())
    relay = BusRelay(sessions, sender, topics, settings.api.base_url, clock, lead=lead)
    return relay, tuple(Subscription(sessions, each, topics, join, clock) for each in consumers)


def topics_of(settings: KafkaSettings) -> Topics:
    """The topics of this installation."""
    return Topics(settings.topic_prefix, DOMAINS)


def access_of(settings: KafkaSettings) -> Access:
    """Brokers and waits, as the client takes them."""
    from events.kafka import Access

    return Access(
        bootstrap_servers=tuple(settings.bootstrap_servers.split(",")),
        block_seconds=settings.block_timeout_seconds,
        request_seconds=settings.request_timeout_seconds,
        delivery_seconds=settings.delivery_timeout_seconds,
    )
