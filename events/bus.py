"""What relay and subscriptions need of a bus: messages, who sends them and who reads them (``events.kafka``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from kernel.errors import DomainError


class BusUnavailable(DomainError):
    """The event bus does not answer, or lacks its topics; events wait in the outbox meanwhile."""

    code = "bus-unavailable"


class Partition(NamedTuple):
    """Messages of one partition have an order; messages of one key are in one partition."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it goes out; header values are UTF-8."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came in. Nothing of it is believed yet; key and value may be missing."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> bytes | None:
        """The only header of that name; None when there is none or more than one."""
        found = [value for key, value in self.headers if key == name]
        return found[0] if len(found) == 1 else None


class Outcome(Enum):
    """What became of a message: durable at the bus, refused for what it is, or not known in the time allowed."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


class Sender(Protocol):
    """Used by one thread."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome for each message, in a bounded time. Raises BusUnavailable when none was sent."""
        ...

    def close(self) -> None:
        """Give connections and threads back; a later ``send`` opens them again."""
        ...


class Reader(Protocol):
    """One member of a consumer group, used by one thread. Each call is bounded in time and may raise BusUnavailable."""

    def poll(self) -> Mapping[Partition, Sequence[Received]]:
        """Messages in the order of each partition, from where the group stands; nothing when none come soon."""
        ...

    def hold(self, partition: Partition, offset: int) -> None:
        """Read nothing more of a partition until it is resumed, and then from ``offset`` on."""
        ...

    def resume(self, partition: Partition) -> None:
        """Go on with a partition, unless it went to another member meanwhile."""
        ...

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """The group has done with everything below these offsets."""
        ...

    def lag(self) -> dict[Partition, int]:
        """How many messages of each partition of this member the group has still to do; nothing until all is known."""
        ...

    def close(self) -> None:
        """Leave the group, give connections and threads back."""
        ...
