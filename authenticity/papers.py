"""What an officer of the secretariat (دبیرخانه) signs: the registration of documents, and a change of state.

Each is canonical JSON of its type with a detached CAdES signature by the officer's own key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, cast

from authenticity.identifier import is_identifier
from authenticity.record import Act, Disclosure
from kernel.errors import LimitExceeded, MalformedInput

REGISTRATION = "mohr/document-registration/v1"
STATE_CHANGE = "mohr/document-state-change/v1"
MAX_DOCUMENTS = 500
MAX_TITLE, MAX_REASON = 200, 500
MAX_PAPER_BYTES = 1 << 20
_ENTRY = frozenset(
    {"identifier", "digest", "size", "media_type", "kind", "title", "issued_on", "valid_until", "disclosure"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of a registration; fields as in ``Record``."""

    identifier: str
    digest: str
    size: int
    media_type: str
    kind: str
    title: str
    issued_on: str
    valid_until: str | None
    disclosure: Disclosure


@dataclass(frozen=True, slots=True)
class RegistrationPaper:
    """1 to 500 documents of one unit; ``nonce`` (64 hex) keeps two papers apart."""

    unit: str
    documents: tuple[Entry, ...]
    nonce: str

    def to_document(self) -> dict[str, Any]:
        """Content for ``signing.documents.sign_document``."""
        listed = [asdict(each) for each in self.documents]
        return {"type": REGISTRATION, "unit": self.unit, "documents": listed, "nonce": self.nonce}


@dataclass(frozen=True, slots=True)
class StateChangePaper:
    """``successor``: the identifier of the document that stands instead, for ``supersede`` and ``correct``."""

    act: Act
    identifier: str
    successor: str | None
    reason: str
    nonce: str

    def to_document(self) -> dict[str, Any]:
        """Content for ``signing.documents.sign_document``."""
        return {"type": STATE_CHANGE, **asdict(self)}


def registration_of(content: Mapping[str, Any]) -> RegistrationPaper:
    """Read the content of a paper of type ``REGISTRATION``; raises MalformedInput or LimitExceeded."""
    if set(content) != {"type", "unit", "documents", "nonce"} or not isinstance(content["documents"], list):
        raise MalformedInput("a registration has type, unit, documents and nonce")
    listed: Sequence[Any] = content["documents"]
    if not 0 < len(listed) <= MAX_DOCUMENTS:
        raise LimitExceeded("a registration names 1 to 500 documents", limit=MAX_DOCUMENTS)
    documents = tuple(_entry(each) for each in listed)
    for name in ("identifier", "digest"):
        if len({getattr(each, name) for each in documents}) != len(documents):
            raise MalformedInput(f"an {name} stands twice in a registration")
    return RegistrationPaper(_text(content["unit"], 64), documents, _hex(content["nonce"]))


def state_change_of(content: Mapping[str, Any]) -> StateChangePaper:
    """Read the content of a paper of type ``STATE_CHANGE``; raises MalformedInput."""
    if set(content) != {"type", "act", "identifier", "successor", "reason", "nonce"}:
        raise MalformedInput("a change of state has type, act, identifier, successor, reason and nonce")
    act = content["act"]
    if act not in ("supersede", "correct", "revoke"):
        raise MalformedInput("a document is superseded, corrected or revoked")
    successor = None if content["successor"] is None else _identifier(content["successor"])
    if (successor is None) is not (act == "revoke"):
        raise MalformedInput("what is superseded or corrected has a successor, what is revoked has none")
    identifier = _identifier(content["identifier"])
    if identifier == successor:
        raise MalformedInput("no document is its own successor")
    reason = _text(content["reason"], MAX_REASON)
    return StateChangePaper(cast(Act, act), identifier, successor, reason, _hex(content["nonce"]))


def _entry(value: Any) -> Entry:
    if not isinstance(value, dict) or set(value) != _ENTRY:
        raise MalformedInput("a document of a registration has other fields", expected=sorted(_ENTRY))
    size, disclosure = value["size"], value["disclosure"]
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size < 1 << 40:
        raise MalformedInput("a size is a number of bytes")
    if disclosure not in ("public", "withheld"):
        raise MalformedInput("a document is public or withheld")
    issued_on = _day(value["issued_on"])
    valid_until = None if value["valid_until"] is None else _day(value["valid_until"])
    if valid_until is not None and valid_until < issued_on:
        raise MalformedInput("a document is not over before it was issued")
    return Entry(
        identifier=_identifier(value["identifier"]),
        digest=_hex(value["digest"]),
        size=size,
        media_type=_text(value["media_type"], 100),
        kind=_text(value["kind"], 32),
        title=_text(value["title"], MAX_TITLE),
        issued_on=issued_on,
        valid_until=valid_until,
        disclosure=cast(Literal["public", "withheld"], disclosure),
    )


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not is_identifier(value):
        raise MalformedInput("an identifier in a paper is its 20 digits")
    return value


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or value != value.strip():
        raise MalformedInput(f"a text here has 1 to {most} characters and no space around it")
    if not all(each.isprintable() or each == "\u200c" for each in value):
        raise MalformedInput("a text here has printable characters only")
    return value


def _hex(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise MalformedInput("a digest or nonce is 64 lower-case hexadecimal digits")
    return value


def _day(value: Any) -> str:
    try:
        if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise MalformedInput("a day is written YYYY-MM-DD")
