"""What the public is told of a document: one answer, as canonical JSON that is signed, and as what a page shows.

By identifier nobody is ever told *authentic*: a forged paper can carry a copied identifier, so the answer shows what is
registered, to compare. *Authentic* is said of bytes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from authenticity.record import Change, Registration
from authenticity.standing import Standing, standing
from kernel.canonical import to_base64

ANSWER = "mohr/document-answer/v1"
Asked = Literal["identifier", "digest", "file"]
# ``registered`` answers an identifier, ``unknown`` both, the others bytes. ``altered``: other bytes than registered
# ones, which they come from or claim to be. ``expired``: valid until a day that is over.
Verdict = Literal[
    "registered", "authentic", "altered", "superseded", "corrected", "revoked", "expired", "unknown"
]
# All that is told of a withheld document to who knows its identifier, beside its state.
_WITHHELD = ("identifier", "unit", "unit_name", "kind")


@dataclass(frozen=True, slots=True)
class LogProof:
    """That the registration is in the log: ``mohr/proof/v1`` and the bytes of the entry."""

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
        """Canonical content; of a withheld document its unit, kind and state alone, unless by its bytes."""
        return {
            "type": ANSWER,
            "asked": self.asked,
            "value": self.value,
            "verdict": self.verdict,
            "at": self.at,
            "registration": self._registration(),
            "proof": self._proof(),
            "alterations": [asdict(each) for each in self.alterations],
            "claimed": self.claimed,
        }

    @property
    def state(self) -> Standing | None:
        """What the register says of the document at that moment, whatever is in the hands of who asks."""
        return None if self.registration is None else standing(self.registration, self.at)

    @property
    def is_withheld(self) -> bool:
        """Whether more exists than is told: only who holds the bytes of a withheld document learns what it is."""
        found = self.registration
        return found is not None and found.record.disclosure == "withheld" and not self._holds_bytes

    @property
    def _holds_bytes(self) -> bool:
        """A file that only claims an identifier shows no more than that somebody knows the identifier."""
        return self.asked != "identifier" and self.claimed is None

    @property
    def last_change(self) -> Change | None:
        """What took the document out of force, if anything did."""
        return self.registration.changes[-1] if self.registration and self.registration.changes else None

    def _registration(self) -> dict[str, Any] | None:
        found = self.registration
        if found is None:
            return None
        record = found.record
        if self.is_withheld:
            told = {name: getattr(record, name) for name in _WITHHELD}
            return {**told, "disclosure": record.disclosure, "state": self.state}
        return {
            "record": record.to_json(),
            "salt": found.salt,
            "state": self.state,
            "registered_at": found.registered_at,
            "signatories": [asdict(each) for each in found.signatories],
            "paper": found.paper,
            "leaf_hash": found.leaf_hash,
            "changes": [asdict(each) for each in found.changes],
        }

    def _proof(self) -> dict[str, Any] | None:
        if self.proof is None or self.is_withheld:
            return None
        return {"entry": to_base64(self.proof.entry), "proof": self.proof.proof}
