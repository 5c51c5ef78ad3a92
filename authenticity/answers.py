"""What the public is told of a document: one answer, as canonical JSON that is signed, and as what a page shows.

By identifier nobody is ever told *authentic*: a forged paper can carry a copied identifier, so the answer shows what is
registered, to compare. *Authentic* is said of bytes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from authenticity.record import Change, Registration

ANSWER = "mohr/document-answer/v1"
Asked = Literal["identifier", "digest", "file"]
# ``registered`` answers an identifier; the others bytes. ``altered``: other bytes than registered ones, which
# they come from
# or claim to be. ``expired``: valid until a day that is over.
Verdict = Literal[
    "registered", "authentic", "altered", "superseded", "corrected", "revoked", "expired", "unknown"
]


@dataclass(frozen=True, slots=True)
class LogProof:
    """That the registration is in the log: ``mohr/proof/v1``, and the entry's bytes; None of it while it has
    no place yet."""

    entry: bytes
    proof: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alteration:
    """One thing by which uploaded bytes differ from what is registered.

    ``code`` is stable; ``fields`` say where. ``since``: the signature (its signer) after which it was changed, if any.
    """

    code: str
    since: str | None
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """``value``: the identifier or digest asked for. ``registration`` is None for ``unknown``.

    ``claimed``: the identifier that an uploaded file bears itself. ``at``: RFC 3339, when it was answered.
    """

    asked: Asked
    value: str
    verdict: Verdict
    at: str
    registration: Registration | None = None
    proof: LogProof | None = None
    alterations: Sequence[Alteration] = ()
    claimed: str | None = None

    def to_document(self) -> dict[str, Any]:
        """Canonical content; a withheld document is told with identifier, unit, kind and state alone."""
        raise NotImplementedError

    @property
    def last_change(self) -> Change | None:
        """What took the document out of force, if anything did."""
        return self.registration.changes[-1] if self.registration and self.registration.changes else None
