"""Apache Kafka as the bus: the only module that knows the library, and what keeps its noise and threads inside.

Every call is bounded by ``Access``. Whatever the library raises becomes ``BusUnavailable``; it logs nothing of its
own below CRITICAL, because each failure is told here once, by whoever called. A client whose constructor fails
leaves no thread and no socket behind.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import (
    InvalidRecordError,
    InvalidReplicationFactorError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.structs import OffsetAndMetadata

from events.bus import BusUnavailable, Message, Outcome, Partition, Received

Client = TypeVar("Client")

_REFUSALS = (InvalidRecordError, MessageSizeTooLargeError, PolicyViolationError, RecordListTooLargeError)
_MAX_REQUEST_BYTES = 1 << 20
_SIZE_LIMIT = "max.message.bytes"
# More than a batch of one record, and its headers, add to what is in it.
_OVERHEAD_BYTES = 256
_MAX_IN_FLIGHT = 5
_POLL_SECONDS = 0.25
_MAX_POLL_RECORDS = 100
_SESSION_SECONDS = 6.0
_RECONNECT_SECONDS = 1.0
_CLOSE_SECONDS = 1.0
_DIRECT = "mohr-direct"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the brokers are, and how long anything may take: to find out about a topic, one request, one delivery.

    ``member`` is this server's own name within every group: started again it takes over from itself at once, while
    an unnamed one first waits until its predecessor counts as dead.
    """

    bootstrap_servers: tuple[str, ...]
    member: str | None = None
    block_seconds: float = 2.0
    request_seconds: float = 3.0
    delivery_seconds: float = 6.0

    def options(self) -> dict[str, Any]:
        """What every client is told."""
        return {
            "bootstrap_servers": list(self.bootstrap_servers),
            "bootstrap_timeout_ms": int(self.block_seconds * 1000),
            "request_timeout_ms": int(self.request_seconds * 1000),
            "reconnect_backoff_max_ms": int(_RECONNECT_SECONDS * 1000),
            "proxy_url": f"{_DIRECT}://",
        }


class _TidySocket(KafkaNetSocket):  # type: ignore[misc]
    """A direct connection, closed when it does not come about; the library's own forgets it.

    The library chooses the class by the scheme of ``proxy_url``.
    """

    SCHEMES = (_DIRECT,)

    async def connect(
        self, net: Any, addrinfo: Any, socket_options: Any = (), timeout_at: float | None = None
    ) -> Any:
        family, kind, protocol, _name, address = addrinfo
        made = self.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            for option in socket_options:
                made.setsockopt(*option)
            return await self.sock_connect(net, made, address, timeout_at=timeout_at)
        except BaseException:
            made.close()
            raise


class KafkaSender:
    """An idempotent producer: acks=all, at most five requests in flight, every wait bounded.

    After a message whose fate is not known the producer is given up, so that nothing is sent again behind the
    caller's back; what arrives twice all the same is for the inbox.
    """

    def __init__(self, access: Access, topics: Sequence[str]) -> None:
        self._access = access
        self._topics = tuple(topics)
        self._producer: Any = None
        self._limits: dict[str, int] = {}

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """As ``Sender.send``; what takes longer than ``delivery_seconds`` is unanswered."""
        outcomes, suspects = self._send_together(messages)
        if Outcome.REFUSED in outcomes:
            # What the broker refuses makes the library fail all it had in hand, for the same reason: each goes alone
            # with a producer of its own. And whoever refuses may think otherwise the next time: limits are read anew.
            self.close()
        for turn, place in enumerate(suspects):
            outcomes[place] = self._send_alone(messages[place])
            if outcomes[place] is Outcome.UNANSWERED:
                for later in suspects[turn + 1 :]:
                    outcomes[later] = Outcome.UNANSWERED
                break
        return outcomes

    def close(self) -> None:
        """Give up what is under way."""
        producer, self._producer = self._producer, None
        if producer is not None:
            _abandon(producer)

    def _send_together(self, messages: Sequence[Message]) -> tuple[list[Outcome], list[int]]:
        """The outcomes, and the places of those that the broker, not this client, refused."""
        if self._producer is None:
            self._producer = self._open()
        deadline = time.monotonic() + self._access.delivery_seconds
        sent: list[Any] = []
        for message in messages:
            sent.append(self._hand_over(message))
            if sent[-1] is Outcome.UNANSWERED:
                break
        outcomes = [
            each if isinstance(each, Outcome) else _outcome(each, deadline - time.monotonic())
            for each in sent
        ]
        outcomes += [Outcome.UNANSWERED] * (len(messages) - len(sent))
        if Outcome.UNANSWERED in outcomes:
            self.close()
        late = [n for n, each in enumerate(outcomes) if each is Outcome.REFUSED and sent[n] is not each]
        return outcomes, late

    def _send_alone(self, message: Message) -> Outcome:
        try:
            (outcome,), suspects = self._send_together([message])
        except BusUnavailable:
            return Outcome.UNANSWERED
        if suspects:
            self.close()
        return outcome

    def _open(self) -> Any:
        self._limits = _size_limits(self._access, self._topics)
        return _opened(
            lambda **fenced: KafkaProducer(
                **self._access.options(),
                **fenced,
                acks="all",
                enable_idempotence=True,
                max_in_flight_requests_per_connection=_MAX_IN_FLIGHT,
                max_request_size=_MAX_REQUEST_BYTES,
                max_block_ms=int(self._access.block_seconds * 1000),
                delivery_timeout_ms=int(self._access.delivery_seconds * 1000),
                allow_auto_create_topics=False,
            )
        )

    def _hand_over(self, message: Message) -> Any:
        """A future, or the outcome when it is known at once."""
        if _size(message) > self._limits.get(message.topic, _MAX_REQUEST_BYTES):
            return Outcome.REFUSED
        try:
            return self._producer.send(
                message.topic, key=message.key, value=message.value, headers=list(message.headers)
            )
        except _REFUSALS:
            return Outcome.REFUSED
        except KafkaError:
            return Outcome.UNANSWERED


class KafkaReader:
    """A member of a consumer group that commits nothing by itself. Opened by ``open_reader``."""

    def __init__(self, consumer: Any, request_seconds: float) -> None:
        self._consumer = consumer
        self._request_ms = int(request_seconds * 1000)

    def poll(self) -> Mapping[Partition, Sequence[Received]]:
        """Waits a quarter of a second at most."""
        with _fenced():
            found = self._consumer.poll(timeout_ms=int(_POLL_SECONDS * 1000))
            return {Partition(*key): [_received(each) for each in records] for key, records in found.items()}

    def hold(self, partition: Partition, offset: int) -> None:
        """Messages that were fetched already are thrown away, to be fetched again."""
        with _fenced():
            if self._has(partition):
                self._consumer.seek(TopicPartition(*partition), offset)
                self._consumer.pause(TopicPartition(*partition))

    def resume(self, partition: Partition) -> None:
        with _fenced():
            if self._has(partition):
                self._consumer.resume(TopicPartition(*partition))

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Offsets of partitions that went to another member are that member's to commit."""
        with _fenced():
            own = {TopicPartition(*key): value for key, value in offsets.items() if self._has(key)}
            if own:
                values = {key: OffsetAndMetadata(value, "", -1) for key, value in own.items()}
                self._consumer.commit(values, timeout_ms=self._request_ms)

    def lag(self) -> dict[Partition, int]:
        """From the end of each partition to where this member stands in it; nothing while one of them is not known."""
        with _fenced():
            assigned = sorted(self._consumer.assignment())
            ends = self._consumer.end_offsets(assigned, timeout_ms=self._request_ms) if assigned else {}
            # The public way to a position asks the broker for those that are not known yet, each in its own time.
            positions = {key: self._consumer._subscription.assignment[key].position for key in assigned}
            return {
                Partition(*key): max(0, ends[key] - position.offset)
                for key, position in positions.items()
                if all(positions.values())
            }

    def close(self) -> None:
        """Leaves the group if the broker answers in a second."""
        with suppress(KafkaError, OSError):
            self._consumer.close(autocommit=False, timeout_ms=int(_CLOSE_SECONDS * 1000))

    def _has(self, partition: Partition) -> bool:
        return TopicPartition(*partition) in self._consumer.assignment()


def open_reader(access: Access, group: str, topics: Sequence[str]) -> KafkaReader:
    """Join a group that reads these topics from their beginning. Raises BusUnavailable."""
    require_topics(access, topics)
    consumer = _opened(
        lambda **fenced: KafkaConsumer(
            *topics,
            **access.options(),
            **fenced,
            group_id=group,
            group_instance_id=access.member,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=_MAX_POLL_RECORDS,
            session_timeout_ms=int(_SESSION_SECONDS * 1000),
            heartbeat_interval_ms=int(_SESSION_SECONDS * 1000 / 3),
            allow_auto_create_topics=False,
        )
    )
    return KafkaReader(consumer, access.request_seconds)


def require_topics(access: Access, topics: Sequence[str]) -> None:
    """Raises BusUnavailable when no broker answers, or naming the topics that are missing."""
    with _admin(access) as admin:
        _require(_described(admin, topics))


def _require(described: Mapping[str, object | None]) -> None:
    missing = sorted(name for name, found in described.items() if found is None)
    if missing:
        raise BusUnavailable("topics are missing: make them with mohr kafka init", topics=missing)


def _size_limits(access: Access, topics: Sequence[str]) -> dict[str, int]:
    """What a message of each topic may weigh; raises BusUnavailable as ``require_topics`` does."""
    forms = topic_forms(access, topics, [_SIZE_LIMIT])
    _require(forms)
    return {name: int(form.configs[_SIZE_LIMIT]) for name, form in forms.items() if form is not None}


def _size(message: Message) -> int:
    headers = sum(len(name) + len(value) for name, value in message.headers)
    return len(message.key) + len(message.value) + headers + _OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class TopicForm:
    """How a topic is made; it never changes afterwards, because the number of partitions decides the order of keys."""

    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


def topic_forms(
    access: Access, topics: Sequence[str], settings: Sequence[str]
) -> dict[str, TopicForm | None]:
    """The forms of these topics as the brokers have them, with those settings; None for one that is missing."""
    with _admin(access) as admin:
        described = _described(admin, topics)
        there = [name for name, found in described.items() if found is not None]
        configs = _configs(admin, there, settings)
    return {
        name: None
        if found is None
        else TopicForm(len(found), min(len(each["replica_nodes"]) for each in found), configs[name])
        for name, found in described.items()
    }


def create_topics(access: Access, forms: Mapping[str, TopicForm]) -> None:
    """Make topics and wait until they can be used; one that somebody else made meanwhile is left as it is.

    Raises BusUnavailable, also when there are fewer brokers than replicas.
    """
    wanted = {
        name: {
            "num_partitions": form.partitions,
            "replication_factor": form.replication_factor,
            "configs": dict(form.configs),
        }
        for name, form in forms.items()
    }
    with _admin(access) as admin:
        try:
            with suppress(TopicAlreadyExistsError):
                admin.create_topics(wanted)
        except InvalidReplicationFactorError as error:
            raise BusUnavailable("fewer brokers than events.kafka.replication_factor says") from error
        admin.wait_for_topics(list(wanted), timeout_ms=int(access.block_seconds * 1000))


def _described(admin: Any, topics: Sequence[str]) -> dict[str, list[Any] | None]:
    found: dict[str, list[Any] | None] = dict.fromkeys(topics)
    for each in admin.describe_topics(list(topics)):
        if each["error_code"] == 0:
            found[each["name"]] = each["partitions"]
        elif each["error_code"] != UnknownTopicOrPartitionError.errno:
            raise BusUnavailable(
                "the broker does not describe a topic", topic=each["name"], error=each["error_code"]
            )
    return found


def _configs(admin: Any, topics: Sequence[str], settings: Sequence[str]) -> dict[str, dict[str, str]]:
    from kafka.admin import ConfigResource, ConfigResourceType

    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(settings)) for name in topics]
    answer = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {name: {key: str(each["value"]) for key, each in answer.get(name, {}).items()} for name in topics}


def _outcome(future: Any, seconds: float) -> Outcome:
    try:
        future.get(timeout=max(0.0, seconds))
    except _REFUSALS:
        return Outcome.REFUSED
    except KafkaError:
        return Outcome.UNANSWERED
    return Outcome.ACKNOWLEDGED


def _received(record: Any) -> Received:
    headers = tuple((str(name), value if value is not None else b"") for name, value in record.headers or ())
    return Received(
        Partition(record.topic, record.partition), record.offset, record.key, record.value, headers
    )


def _abandon(producer: Any) -> None:
    """An orderly close would first wait for what may never come."""
    with suppress(KafkaError, OSError):
        producer._sender.force_close()
        producer._sender.join(_CLOSE_SECONDS)
        producer.close(timeout=_CLOSE_SECONDS)


@contextmanager
def _admin(access: Access) -> Iterator[Any]:
    client = _opened(lambda **fenced: KafkaAdminClient(**access.options(), **fenced))
    try:
        with _fenced():
            yield client
    finally:
        with suppress(KafkaError, OSError):
            client.close()


@contextmanager
def _fenced() -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError) as error:
        raise BusUnavailable("the broker does not answer as it should", error=type(error).__name__) from error


def _opened(make: Callable[..., Client]) -> Client:
    """Make a client; when that fails, close what its constructor had opened."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    made: list[Any] = []

    def connect(**options: Any) -> Any:
        made.append(KafkaNetClient(**options))
        return made[-1]

    try:
        return make(kafka_client=connect)
    except (KafkaError, OSError) as error:
        for each in made:
            with suppress(KafkaError, OSError):
                each.close()
        raise BusUnavailable("no broker answers", error=type(error).__name__) from error
