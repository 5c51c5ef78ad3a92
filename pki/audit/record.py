"""What an audit of the authority looks at, wherever it was read from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from kernel.canonical import parse_canonical, sha256_hex
from kernel.clock import parse_utc
from kernel.errors import MalformedInput
from pki.act_chain import Act, Finding

DOMAIN = "ir.tehran.pki."
_SERIAL = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class EventRecord:
    """An event of the authority as the outbox has it; ``leaf`` is the hash (hex) that its log entry must have."""

    payload: bytes
    leaf: str

    @cached_property
    def content(self) -> Mapping[str, Any]:
        parsed: Mapping[str, Any] = parse_canonical(self.payload)
        return parsed

    @cached_property
    def digest(self) -> str:
        return sha256_hex(self.payload)

    @property
    def id(self) -> str:
        return str(self.content["id"])

    @property
    def fact(self) -> str:
        """``certificate-issued`` of ``ir.tehran.pki.certificate-issued.v1``."""
        return str(self.content["type"]).removeprefix(DOMAIN).rpartition(".")[0]

    @property
    def data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.content["data"]
        return data


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A row of the registry, names as there; ``serial``: 40 hex digits, or the row is not read at all."""

    serial: str
    issuer: str
    profile: str
    party: str
    state: str
    intended_at: str
    intended_by: str
    fingerprint: str | None
    der: bytes | None
    revoked_at: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ListRecord:
    """A revocation list as it was issued."""

    issuer: str
    number: int
    der: bytes


@dataclass(frozen=True, slots=True)
class AuthorityRecord:
    """``leaves``: hashes (hex) of the log's entries; ``logged``: digest by id of the authority's events among them.

    ``unread``: what could not be read as the row it should be.
    """

    acts: tuple[Act, ...]
    events: tuple[EventRecord, ...]
    certificates: tuple[CertificateRecord, ...]
    lists: tuple[ListRecord, ...]
    leaves: frozenset[str]
    logged: Mapping[str, str]
    at: datetime
    unread: tuple[Finding, ...] = ()


def require_event(payload: bytes) -> dict[str, Any]:
    """The content of an event in its published form; raises MalformedInput."""
    content = parse_canonical(payload)
    if not isinstance(content, dict) or not isinstance(content.get("data"), dict):
        raise MalformedInput("an event is an object with data")
    if not all(isinstance(content.get(name), str) for name in ("id", "type", "subject", "time")):
        raise MalformedInput("an event has an identifier, a type, a subject and a time")
    parse_utc(content["time"])
    return content


def is_serial(text: str) -> bool:
    """Whether a serial number has the form of the registry."""
    return _SERIAL.fullmatch(text) is not None
