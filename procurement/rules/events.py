"""What happened to a tender. ``data`` is what everybody may read; the other fields are for ``evolve``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from kernel.canonical import canonical_bytes, digest_of
from kernel.clock import format_utc
from procurement.rules.codec import encode
from procurement.rules.facts import (
    Attendance,
    AwardFact,
    ClosingList,
    Decision,
    Ending,
    KeySet,
    Record,
    Return,
    Session,
)
from procurement.rules.notice import Notice, NoticeDraft

_PREFIX = "ir.tehran.procurement."
# An event's log entry is below 65,535 bytes. What would not fit is left out, and the document whose digest
# the event names holds it.
_MAX_PART_BYTES = 20_000
_MAX_AWARD_BYTES = 36_000
_RESULT = ("manifest_digest", "lot", "bidder", "outcome", "reason", "named", "bid_digest")


@dataclass(frozen=True, slots=True)
class Event:
    """``data`` always holds tender and ocid; ``digest`` in it names the document that the event announces."""

    type: ClassVar[str]

    tender: str
    ocid: str

    @property
    def data(self) -> dict[str, Any]:
        return {"tender": self.tender, "ocid": self.ocid, **self._public()}

    def _public(self) -> dict[str, Any]:
        return {}


def _if_it_fits(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The list, or an empty one where it would make the event too long; its count stands beside it."""
    plain = [dict(item) for item in items]
    return plain if len(canonical_bytes(plain)) <= _MAX_PART_BYTES else []


@dataclass(frozen=True, slots=True)
class _DraftEvent(Event):
    draft: NoticeDraft
    by: str

    def _public(self) -> dict[str, Any]:
        # Estimate and terms stay closed until the notice: the digest binds them.
        buyer = {"id": self.draft.buyer.id, "name": self.draft.buyer.name}
        return {"buyer": buyer, "draft_digest": digest_of(self.draft.to_json())}


@dataclass(frozen=True, slots=True)
class TenderDrafted(_DraftEvent):
    type = _PREFIX + "tender-drafted.v1"


@dataclass(frozen=True, slots=True)
class TenderRevised(_DraftEvent):
    type = _PREFIX + "tender-revised.v1"


@dataclass(frozen=True, slots=True)
class TenderSubmittedForApproval(_DraftEvent):
    type = _PREFIX + "tender-submitted-for-approval.v1"


@dataclass(frozen=True, slots=True)
class TenderApproved(_DraftEvent):
    type = _PREFIX + "tender-approved.v1"


@dataclass(frozen=True, slots=True)
class TenderReturnedToDraft(_DraftEvent):
    type = _PREFIX + "tender-returned-to-draft.v1"

    reason: str

    def _public(self) -> dict[str, Any]:
        return {**_DraftEvent._public(self), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class KeySetPublished(Event):
    type = _PREFIX + "key-set-published.v1"

    key_set: KeySet
    previous: str | None
    document: Mapping[str, Any] | str | None

    def _public(self) -> dict[str, Any]:
        return {
            "digest": self.key_set.digest,
            "threshold": self.key_set.threshold,
            "members": list(self.key_set.members),
            "custodian": self.key_set.custodian,
            "previous": self.previous,
            "document": self.document,
        }


@dataclass(frozen=True, slots=True)
class TenderPublished(Event):
    type = _PREFIX + "tender-published.v1"

    notice: Notice

    def _public(self) -> dict[str, Any]:
        return {"digest": self.notice.digest, "notice": self.notice.to_json()}


@dataclass(frozen=True, slots=True)
class SubmissionClosed(Event):
    type = _PREFIX + "submission-closed.v1"

    closing: ClosingList
    tenderers: tuple[Mapping[str, str], ...]
    closed_at: datetime

    def _public(self) -> dict[str, Any]:
        return {
            "digest": self.closing.digest,
            "closed_at": format_utc(self.closed_at),
            "listed": len(self.closing.listed),
            "bidders": len(self.closing.bidders),
            "submissions": _if_it_fits(encode(bid) for bid in self.closing.listed),
            "tenderers": _if_it_fits(self.tenderers),
        }


@dataclass(frozen=True, slots=True)
class AttendanceRecorded(Event):
    type = _PREFIX + "attendance-recorded.v1"

    attendance: Attendance
    seat: str
    digest: str | None

    def _public(self) -> dict[str, Any]:
        return {
            "stage": self.attendance.stage,
            "party": self.attendance.party,
            "seat": self.seat,
            "conflict": self.attendance.conflict,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class OpeningStarted(Event):
    type = _PREFIX + "opening-started.v1"

    stage: str
    session: Session

    def _public(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "digest": self.session.digest,
            "chair": self.session.chair,
            "present": list(self.session.present),
            "envelopes": len(self.session.manifests),
            "opened_at": self.session.opened_at,
        }


@dataclass(frozen=True, slots=True)
class OpeningRecorded(Event):
    type = _PREFIX + "opening-recorded.v1"

    stage: str
    record: Record
    results: tuple[Mapping[str, Any], ...]

    def _public(self) -> dict[str, Any]:
        outcomes = [result.outcome for result in self.record.results]
        return {
            "stage": self.stage,
            "digest": self.record.digest,
            "opened": outcomes.count("opened"),
            "unopenable": outcomes.count("unopenable"),
            "disputed": outcomes.count("disputed"),
            "results": _if_it_fits({name: result.get(name) for name in _RESULT} for result in self.results),
        }


@dataclass(frozen=True, slots=True)
class DecisionMade(Event):
    type = _PREFIX + "decision-made.v1"

    stage: str
    decision: Decision
    record_digest: str

    def _public(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "digest": self.decision.digest,
            "record_digest": self.record_digest,
            "accepted": len(self.decision.accepted),
            "rejected": len(self.decision.verdicts) - len(self.decision.accepted),
            "results": _if_it_fits(encode(verdict) for verdict in self.decision.verdicts),
            "signers": list(self.decision.signers),
        }


@dataclass(frozen=True, slots=True)
class PriceOpeningExtended(Event):
    type = _PREFIX + "price-opening-extended.v1"

    previous: datetime
    until: datetime
    reason: str

    def _public(self) -> dict[str, Any]:
        return {
            "previous": format_utc(self.previous),
            "price_opening_at": format_utc(self.until),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class AwardDecided(Event):
    type = _PREFIX + "award-decided.v1"

    award: AwardFact
    record_digest: str
    document: Mapping[str, Any]

    def _public(self) -> dict[str, Any]:
        fits = len(canonical_bytes(self.document)) <= _MAX_AWARD_BYTES
        return {
            "award": dict(self.document) if fits else None,
            "digest": self.award.digest,
            "record_digest": self.record_digest,
            "signers": list(self.award.signers),
            "lots": [
                {
                    "lot": lot.lot,
                    "outcome": lot.outcome,
                    "winner": lot.winner,
                    "second": lot.second,
                    "amount": lot.ranking[0].amount.to_json() if lot.winner else None,
                    "prices": len(lot.ranking),
                }
                for lot in self.award.lots
            ],
        }


@dataclass(frozen=True, slots=True)
class EnvelopesReturned(Event):
    """One bid's unopened envelopes went back; one event for each return document."""

    type = _PREFIX + "envelopes-returned.v1"

    returned: Return

    def _public(self) -> dict[str, Any]:
        return {
            "digest": self.returned.digest,
            "manifest_digest": self.returned.manifest_digest,
            "kinds": list(self.returned.kinds),
        }


@dataclass(frozen=True, slots=True)
class KeysDestroyed(Event):
    type = _PREFIX + "keys-destroyed.v1"

    digest: str
    key_set_digest: str

    def _public(self) -> dict[str, Any]:
        return {"digest": self.digest, "key_set_digest": self.key_set_digest}


@dataclass(frozen=True, slots=True)
class _Ended(Event):
    ending: Ending

    def _public(self) -> dict[str, Any]:
        return {
            "ground": self.ending.ground,
            "article": self.ending.article,
            "reason": self.ending.reason,
        }


@dataclass(frozen=True, slots=True)
class TenderCancelled(_Ended):
    type = _PREFIX + "tender-cancelled.v1"


@dataclass(frozen=True, slots=True)
class TenderUnsuccessful(_Ended):
    type = _PREFIX + "tender-unsuccessful.v1"
