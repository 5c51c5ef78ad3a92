"""What people of the registration office and holders sign: application, decision, and a holder's wish for renewal.

Each is canonical JSON of its type with a detached CAdES signature. The signature is judged through a port, because
signing stands above this room. No paper holds a scan: evidence is named by the digest of its file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from kernel.canonical import digest_of, from_base64, to_base64
from kernel.clock import format_utc, parse_utc
from kernel.errors import LimitExceeded, MalformedInput
from kernel.ids import is_id
from pki.names import Subject

APPLICATION = "mohr/certificate-application/v1"
DECISION = "mohr/certificate-decision/v1"
RENEWAL = "mohr/certificate-renewal/v1"
MAX_PAPER_BYTES = 64 << 10
MAX_EVIDENCE = 16
MAX_REQUESTS = 16
_MAX_DESCRIPTION = 200
_MAX_REASON = 500
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
# What a registrar's clock may be ahead.
_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Paper:
    """A document as it came, with its signature (DER)."""

    document: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ReadPaper:
    """The content of a paper whose signature holds, and the certificate (SHA-256) it was signed with."""

    content: dict[str, Any]
    digest: str
    certificate: str


class Papers(Protocol):
    """The port to signed documents."""

    def read(self, paper: Paper, *, type_: str, party: str, max_bytes: int = MAX_PAPER_BYTES) -> ReadPaper:
        """Verify that ``party`` signed a document of that type, with a certificate that nobody revoked.

        Raises MalformedInput, LimitExceeded, SignatureInvalid, WrongSigner or what judging a certificate raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a person's or organisation's identity; ``digest``: SHA-256 of the scanned file."""

    kind: str
    description: str
    digest: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Application:
    """One subject, seen once, for one or several requests: ``requests`` gives the digest of each CSR (DER).

    ``salt`` (64 hex digits, random) keeps digests from telling what little is known of somebody.
    """

    subject: Subject
    requests: Mapping[str, str]
    evidence: Sequence[Evidence]
    salt: str

    def to_document(self) -> dict[str, Any]:
        """The document that the registrar signs."""
        return {
            "type": APPLICATION,
            "party": self.subject.party,
            "name": self.subject.common_name,
            "organization": self.subject.organization,
            "requests": [{"request": each, "csr": self.requests[each]} for each in sorted(self.requests)],
            "evidence": self._evidence(),
            "salt": self.salt,
        }

    @property
    def evidence_digest(self) -> str:
        """By which events name the evidence."""
        return digest_of({"evidence": self._evidence(), "salt": self.salt})

    @classmethod
    def from_document(cls, document: dict[str, Any], now: datetime) -> Application:
        """Read strictly; raises MalformedInput or LimitExceeded."""
        _fields(document, {"type", "party", "name", "organization", "requests", "evidence", "salt"})
        entries = [
            _fields(each, {"request", "csr"})
            for each in _several(document["requests"], "requests", MAX_REQUESTS)
        ]
        requests = {_request(each["request"]): _digest(each["csr"]) for each in entries}
        if len(requests) != len(entries):
            raise MalformedInput("an application names a request once")
        return cls(
            Subject(
                _text(document["name"]), _text(document["party"]), _text_or_none(document["organization"])
            ),
            requests,
            [_evidence(each, now) for each in _several(document["evidence"], "evidence", MAX_EVIDENCE)],
            _digest(document["salt"]),
        )

    def _evidence(self) -> list[dict[str, str]]:
        return [
            {
                "kind": each.kind,
                "description": each.description,
                "digest": each.digest,
                "seen_at": format_utc(each.seen_at),
            }
            for each in self.evidence
        ]


@dataclass(frozen=True, slots=True)
class Decision:
    """Another registrar's word on an application (its digest); a rejection says why."""

    application: str
    approved: bool
    reason: str | None

    def to_document(self) -> dict[str, Any]:
        """The document that the registrar signs."""
        return {
            "type": DECISION,
            "application": self.application,
            "approved": self.approved,
            "reason": self.reason,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Decision:
        """Read strictly; raises MalformedInput."""
        _fields(document, {"type", "application", "approved", "reason"})
        approved, reason = document["approved"], _text_or_none(document["reason"])
        if not isinstance(approved, bool):
            raise MalformedInput("a decision approves or does not")
        if (reason is None) is not approved or (reason is not None and not _is_readable(reason, _MAX_REASON)):
            raise MalformedInput("a rejection, and nothing else, gives its reason in 1 to 500 characters")
        return cls(_digest(document["application"]), approved, reason)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A holder's wish for a certificate after the present one; ``rekey``: for a new key. ``csr`` in DER."""

    certificate: str
    csr: bytes
    rekey: bool

    def to_document(self) -> dict[str, Any]:
        """The document that the holder signs."""
        return {
            "type": RENEWAL,
            "certificate": self.certificate,
            "csr": to_base64(self.csr),
            "kind": "rekey" if self.rekey else "renewal",
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Renewal:
        """Read strictly; raises MalformedInput."""
        _fields(document, {"type", "certificate", "csr", "kind"})
        if document["kind"] not in ("rekey", "renewal"):
            raise MalformedInput("a holder asks for a renewal or a rekey")
        csr = from_base64(document["csr"])
        return cls(_digest(document["certificate"]), csr, document["kind"] == "rekey")


def _evidence(entry: Any, now: datetime) -> Evidence:
    found = _fields(entry, {"kind", "description", "digest", "seen_at"})
    kind, description = _text(found["kind"]), _text(found["description"])
    if _KIND.fullmatch(kind) is None or not _is_readable(description, _MAX_DESCRIPTION):
        raise MalformedInput("evidence has a kind such as national-card and 1 to 200 printable characters")
    seen_at = parse_utc(_text(found["seen_at"]))
    if seen_at > now + _AHEAD:
        raise MalformedInput("evidence cannot have been seen in the future", seen_at=found["seen_at"][:40])
    return Evidence(kind, description, _digest(found["digest"]), seen_at)


def _fields(value: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise MalformedInput("the document has missing or unknown fields", expected=sorted(names))
    return value


def _several(value: Any, what: str, limit: int) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise MalformedInput(f"an application needs {what}")
    if len(value) > limit:
        raise LimitExceeded(f"too many {what} in one application", limit=limit)
    return value


def _request(value: Any) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise MalformedInput("a request is named by its identifier")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise MalformedInput("64 lower-case hexadecimal digits were expected")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedInput("a text was expected")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _is_readable(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text == text.strip() and text.replace("\u200c", "").isprintable()
