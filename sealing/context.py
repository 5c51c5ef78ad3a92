"""What an envelope belongs to. Everything inside and around it repeats this context or its digest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from kernel.canonical import canonical_bytes
from sealing.errors import EnvelopeInvalid

KINDS = ("A", "B", "C")
_DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_SUBMISSION_NUMBER = 10_000


@dataclass(frozen=True, slots=True)
class EnvelopeContext:
    """``notice_digest`` and ``key_set_digest`` are SHA-256 in hex; ``submission_number`` counts from 1."""

    notice_digest: str
    tender: str
    lot: str
    bidder: str
    kind: str
    submission_number: int
    key_set_digest: str

    def __post_init__(self) -> None:
        texts = (self.tender, self.lot, self.bidder)
        if not all(isinstance(text, str) and 0 < len(text) <= 100 for text in texts):
            raise EnvelopeInvalid("tender, lot and bidder are texts of 1 to 100 characters")
        if not all(is_digest(digest) for digest in (self.notice_digest, self.key_set_digest)):
            raise EnvelopeInvalid("a digest is 64 lower-case hexadecimal digits")
        if self.kind not in KINDS:
            raise EnvelopeInvalid("the kind of an envelope is A, B or C")
        number = self.submission_number
        if type(number) is not int or not 1 <= number <= MAX_SUBMISSION_NUMBER:
            raise EnvelopeInvalid("a submission number counts from 1", most=MAX_SUBMISSION_NUMBER)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read exactly the seven fields; raises EnvelopeInvalid."""
        if not isinstance(value, dict) or set(value) != set(cls.__slots__):
            raise EnvelopeInvalid("a context has exactly its seven fields")
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes, 32 bytes."""
        return _digest_of(self)


@lru_cache(maxsize=4096)
def _digest_of(context: EnvelopeContext) -> bytes:
    # Asked for again at every share; a context is public and never changes.
    return hashlib.sha256(canonical_bytes(context.to_json())).digest()


def is_digest(value: object) -> bool:
    """Whether the value is a SHA-256 in lower-case hex."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
