"""What is registered of a document, what the log says of it, and how a disclosure is matched with the log.

The log is public and documents are not: an entry holds a salted commitment to the whole record and, where the
document is
public, the digest of its bytes. Identifier, title and salt are disclosed to who holds the identifier or the bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from transparency.commitment import commitment

Disclosure = Literal["public", "withheld"]
State = Literal["valid", "superseded", "corrected", "revoked"]
Act = Literal["supersede", "correct", "revoke"]
STATE_OF: dict[Act, State] = {"supersede": "superseded", "correct": "corrected", "revoke": "revoked"}


@dataclass(frozen=True, slots=True)
class Record:
    """A registered document. ``document``: UUIDv7, the subject of its events.

    ``digest``: SHA-256 (hex) of all its bytes. ``unit``: party of the issuing organisation, ``unit_name`` its name.
    ``issued_on`` and ``valid_until`` are dates (YYYY-MM-DD; ``valid_until`` is the last day, None: without end).
    ``rule``: version of the rule it was judged by.
    """

    document: str
    identifier: str
    digest: str
    size: int
    media_type: str
    kind: str
    title: str
    unit: str
    unit_name: str
    issued_on: str
    valid_until: str | None
    disclosure: Disclosure
    rule: str

    def to_json(self) -> dict[str, Any]:
        """The fields, as committed to and as disclosed."""
        return asdict(self)

    def commitment(self, salt: bytes) -> str:
        """What the log entry holds (hex)."""
        return commitment(self.to_json(), salt)


@dataclass(frozen=True, slots=True)
class Signatory:
    """One signature of a registered file, as it was judged then. ``at``: its best proven time (RFC 3339)."""

    name: str
    organization: str | None
    level: str
    indication: str
    at: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state: ``reason`` as the officer signed it, ``successor`` an identifier, ``at`` RFC 3339."""

    act: Act
    at: str
    reason: str
    successor: str | None
    paper: str
    leaf_hash: str
    salt: str

    def to_json(self, document: str) -> dict[str, Any]:
        """What the log entry of the change of ``document`` is committed to."""
        return {
            "document": document,
            "act": self.act,
            "at": self.at,
            "reason": self.reason,
            "successor": self.successor,
            "paper": self.paper,
        }

    def commitment(self, document: str) -> str:
        """What the log entry holds (hex)."""
        return commitment(self.to_json(document), bytes.fromhex(self.salt))


@dataclass(frozen=True, slots=True)
class Registration:
    """All that is known of a registered document; ``salt`` (hex) opens the commitment of the entry ``leaf_hash``,
    ``event`` is that entry, ``paper`` the digest of the officer's signed paper.
    """

    record: Record
    state: State
    registered_at: str
    signatories: tuple[Signatory, ...]
    paper: str
    event: bytes
    leaf_hash: str
    salt: str
    changes: tuple[Change, ...] = ()
