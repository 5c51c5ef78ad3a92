"""Outbox rows as CloudEvents 1.0 on Kafka in binary mode (CloudEvents Kafka Protocol Binding 1.0.2, section 3.2).

The attributes are headers ``ce_*``; the value is the payload of the row, byte for byte, so whoever knows the
row can tell whether a message is it. Key: the aggregate's id. Topic: ``<prefix>.<aggregatetype>.v1``, as Debezium's
event router would name it by ``route.topic.replacement``; confidential rows have an aggregatetype of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from events.bus import Message
from events.outbox import Recorded

CONFIDENTIAL_SUFFIX = "-confidential"
ID_HEADER = "ce_id"
_SPEC_VERSION = b"1.0"
_CONTENT_TYPE = b"application/json"
_PREFIX = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_MAX_PREFIX = 100


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one installation: two of each domain, one public and one confidential."""

    prefix: str
    domains: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.prefix) > _MAX_PREFIX or _PREFIX.fullmatch(self.prefix) is None:
            raise ValueError("a topic prefix is of lower-case letters, digits, dots and hyphens")

    def topic(self, aggregatetype: str) -> str:
        return f"{self.prefix}.{aggregatetype}.v1"

    def public(self) -> tuple[str, ...]:
        return tuple(self.topic(domain) for domain in self.domains)

    def confidential(self) -> tuple[str, ...]:
        return tuple(self.topic(domain + CONFIDENTIAL_SUFFIX) for domain in self.domains)

    def all(self) -> tuple[str, ...]:
        return (*self.public(), *self.confidential())

    def read_by(self, *, confidential: bool) -> tuple[str, ...]:
        """The topics of a consumer; without ``confidential`` it never sees a byte of the others."""
        return self.all() if confidential else self.public()


def message_of(event: Recorded, topics: Topics, source: str) -> Message:
    """The message of a row. ``source`` is the address of the installation (``ce_source``, a URI)."""
    headers = {
        "ce_specversion": _SPEC_VERSION,
        ID_HEADER: event.id.encode(),
        "ce_type": event.type.encode(),
        "ce_source": source.encode(),
        "ce_subject": event.subject.encode(),
        "ce_time": event.created_at.encode(),
        "content-type": _CONTENT_TYPE,
    }
    return Message(
        topics.topic(event.aggregatetype), event.subject.encode(), event.payload, tuple(headers.items())
    )
