"""The tender as it stands: everything that deciding needs, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kernel.clock import format_utc
from kernel.errors import WrongState
from procurement.rules.codec import decode, encode
from procurement.rules.commission import seat_of
from procurement.rules.facts import (
    Attendance,
    AwardFact,
    ClosingList,
    Decision,
    Ending,
    KeySet,
    Record,
    Session,
)
from procurement.rules.notice import KINDS, Notice, NoticeDraft
from procurement.rules.regimes import rules_at
from procurement.rules.rule import RulesOfTheDay
from procurement.rules.transitions import State

PREVIOUS_STAGE = {"A": None, "B": "A", "C": "B"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tender:
    """Immutable; ``evolve`` gives the next one. Stored whole, as canonical JSON."""

    id: str
    state: State
    draft: NoticeDraft
    drafted_by: str
    submitted_by: str | None = None
    approved_by: str | None = None
    key_set: KeySet | None = None
    notice: Notice | None = None
    notice_digest: str | None = None
    closing: ClosingList | None = None
    attendances: tuple[Attendance, ...] = ()
    sessions: Mapping[str, Session] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    price_opening_extended_to: datetime | None = None
    award: AwardFact | None = None
    ending: Ending | None = None
    returned: tuple[str, ...] = ()
    keys_destroyed: str | None = None

    @property
    def ocid(self) -> str:
        return self.draft.ocid

    @property
    def published_notice(self) -> Notice:
        """The notice; raises WrongState before it is published."""
        if self.notice is None:
            raise WrongState("the tender is not published yet", state=self.state.value)
        return self.notice

    @property
    def key_set_digest(self) -> str | None:
        return self.key_set.digest if self.key_set else None

    @property
    def closes_instant(self) -> datetime:
        """When the grace ends and closing begins to be possible. Raises WrongState before publication."""
        notice = self.published_notice
        return notice.submission_deadline + timedelta(seconds=notice.upload_grace_seconds)

    @property
    def closes_at(self) -> str | None:
        """``closes_instant`` as stored and compared; None before publication."""
        return format_utc(self.closes_instant) if self.notice else None

    @property
    def price_opening_at(self) -> datetime | None:
        """The announced time of the price opening, extended or not; None in one stage."""
        return self.price_opening_extended_to or self.draft.price_opening_at

    @property
    def rules(self) -> RulesOfTheDay:
        """The rules in force on the day of publication: a later change of the law does not reach back."""
        return rules_at(self.draft.regime, self.published_notice.published_at)

    @property
    def closing_list_digest(self) -> str | None:
        return self.closing.digest if self.closing else None

    def decision_digest_before(self, stage: str) -> str | None:
        """The digest of the decision that a session of ``stage`` rests on; None for stage A."""
        before = PREVIOUS_STAGE[stage]
        decision = self.decisions.get(before) if before else None
        return decision.digest if decision else None

    def eligible(self, stage: str) -> tuple[str, ...]:
        """The manifests whose envelope of that stage may be opened, in the order of the closing list.

        A: all that the closing list lists; B: those that decision A accepted; C: those that decision B
        accepted. Empty while that decision is missing.
        """
        listed = tuple(bid.manifest_digest for bid in self.closing.listed) if self.closing else ()
        before = PREVIOUS_STAGE[stage]
        if before is None:
            return listed
        decision = self.decisions.get(before)
        accepted = set(decision.accepted) if decision else set()
        return tuple(digest for digest in listed if digest in accepted)

    def present(self, stage: str) -> tuple[str, ...]:
        """Who sits in that stage: as the session fixed it; until then whoever signed in without a conflict.

        Observers attend without sitting, so they are not in it.
        """
        session = self.sessions.get(stage)
        if session:
            return session.present
        return tuple(
            attendance.party
            for attendance in self.attendances
            if attendance.stage == stage
            and not attendance.conflict
            and seat_of(self.draft.commission, attendance.party) != "observer"
        )

    def unopened(self) -> dict[str, tuple[str, ...]]:
        """For each listed manifest the kinds of envelope that no session ever touched."""
        listed = self.closing.listed if self.closing else ()
        touched = {kind: set(session.manifests) for kind, session in self.sessions.items()}
        kinds = {
            bid.manifest_digest: tuple(
                kind for kind in KINDS if bid.manifest_digest not in touched.get(kind, set())
            )
            for bid in listed
        }
        return {digest: kept for digest, kept in kinds.items() if kept}

    def documents(self) -> dict[str, str]:
        """The documents in force by digest, each with what it is."""
        known = {self.notice_digest: "notice", self.key_set_digest: "key-set"}
        known[self.closing_list_digest] = "closing-list"
        known |= {session.digest: f"session-{stage}" for stage, session in self.sessions.items()}
        known |= {record.digest: f"record-{stage}" for stage, record in self.records.items()}
        known |= {decision.digest: f"decision-{stage}" for stage, decision in self.decisions.items()}
        known[self.award.digest if self.award else None] = "award"
        known[self.keys_destroyed] = "key-destruction"
        return {digest: name for digest, name in known.items() if digest is not None}

    def to_json(self) -> dict[str, Any]:
        """Canonical-JSON-able; the inverse of ``from_json``."""
        stored: dict[str, Any] = encode(self)
        return stored

    @classmethod
    def from_json(cls, value: Any) -> Tender:
        """Read what ``to_json`` wrote; raises MalformedInput on another shape."""
        return decode(Tender, value)
