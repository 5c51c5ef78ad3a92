"""The unit of work over SQL: state, outbox row and log entry become durable in one commit, or not at all.

Events of the authority are chained as well (``pki.acts``), in the order in which they were recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from sqlalchemy.orm import Session, sessionmaker

from events.outbox import OutboxEvent, append, append_many, next_number, next_numbers
from kernel.canonical import canonical_bytes
from kernel.clock import Clock, format_utc, parse_utc
from kernel.errors import LimitExceeded, MalformedInput
from kernel.failpoints import reach
from kernel.held_writes import send_held
from kernel.ids import new_id, new_secret
from kernel.unit_of_work import Emitted, EmittedCommitment
from pki.acts import CHAIN, CHAIN_ANCHORED, anchor_is_due, append_acts
from schemas.events import check_event
from transparency.commitment import commitment_entry, counter_commitment
from transparency.log_store import MAX_ENTRY_BYTES, append_entries, append_entry

_PUBLIC_SCOPE = "events"
_CONFIDENTIAL_SCOPE = "commitments"
_CHAINED = "ir.tehran.pki."


class SqlUnitOfWork:
    """Used once: ``with SqlUnitOfWork(sessions, clock) as uow: ...; uow.commit()``. Rolls back otherwise."""

    session: Session

    def __init__(self, sessions: sessionmaker[Session], clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._open = False
        self._fact = "nothing"
        self._acts: list[bytes] = []

    def __enter__(self) -> Self:
        self.session = self._sessions()
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self.session.close()

    def emit(self, type_: str, subject: str, data: dict[str, Any]) -> Emitted:
        """Record a public event: the same bytes go to the outbox and into the log.

        Raises MalformedInput when the type's contract is broken, LimitExceeded from 65,535 bytes on.
        """
        self._require_open()
        domain = check_event(type_, data, confidential=False)
        sequence = next_number(self.session, _PUBLIC_SCOPE, subject)
        row = self._row(self._event(type_, subject, sequence, data), domain, digest=_named(data))
        append(self.session, row)
        return Emitted(row.payload, append_entry(self.session, row.payload), sequence)

    def emit_many(self, type_: str, facts: Sequence[tuple[str, dict[str, Any]]]) -> list[Emitted]:
        """``emit`` for each (subject, data) in that order: the same rows and numbers in a few statements.

        Raises as ``emit``; then nothing of them is recorded.
        """
        self._require_open()
        if len(facts) == 1:
            return [self.emit(type_, *facts[0])]
        domains = [check_event(type_, data, confidential=False) for _subject, data in facts]
        numbers = next_numbers(self.session, _PUBLIC_SCOPE, [subject for subject, _data in facts])
        rows = [
            self._row(self._event(type_, subject, number, data), domain, digest=_named(data))
            for (subject, data), number, domain in zip(facts, numbers, domains, strict=True)
        ]
        append_many(self.session, rows)
        leaves = append_entries(self.session, [row.payload for row in rows])
        return [
            Emitted(row.payload, leaf, number)
            for row, leaf, number in zip(rows, leaves, numbers, strict=True)
        ]

    def emit_confidential(
        self, type_: str, act: str, tender: str, digest: str, data: dict[str, Any]
    ) -> EmittedCommitment:
        """Record a confidential event: in full in the outbox, in the log as a salted commitment.

        ``received_at`` of the disclosed content is that of ``data`` where the caller names it, so that
        receipt and log state one instant; otherwise it is now. What closing the tender will disclose is
        kept under ``data.disclosure``.
        """
        self._require_open()
        domain = check_event(type_, data, confidential=True)
        if "disclosure" in data:
            raise MalformedInput("disclosure is written here, not by the caller", type=type_)
        counter = next_number(self.session, _CONFIDENTIAL_SCOPE, tender)
        counter_salt, salt = new_secret(), new_secret()
        content = {
            "act": act,
            "tender": tender,
            "digest": digest,
            "received_at": self._received_at(data),
            "counter_commitment": counter_commitment(counter, counter_salt),
        }
        disclosure = {
            "content": content,
            "salt": salt.hex(),
            "counter": counter,
            "counter_salt": counter_salt.hex(),
        }
        event = self._event(type_, tender, 0, {**data, "disclosure": disclosure})
        append(self.session, self._row(event, f"{domain}-confidential", confidential=True))
        leaf = append_entry(self.session, commitment_entry(content, salt))
        return EmittedCommitment(content, salt.hex(), leaf, counter, counter_salt.hex())

    def commit(self) -> None:
        """Make all of it durable. Called once, by the use case."""
        self._require_open()
        fact = self._fact
        reach(f"before.{fact}")
        self._record_acts()
        send_held(self.session)
        self.session.commit()
        reach(f"after.{fact}")
        self._open = False

    def _record_acts(self) -> None:
        if not self._acts:
            return
        added = len(self._acts)
        head = append_acts(self.session, self._acts)
        if anchor_is_due(head, added):
            self.emit(CHAIN_ANCHORED, CHAIN, {"number": head.number, "head": head.hash})
            append_acts(self.session, self._acts[added:])

    def _event(self, type_: str, subject: str, sequence: int, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": new_id(),
            "type": type_,
            "subject": subject,
            "time": format_utc(self._clock.now()),
            "sequence": sequence,
            "data": data,
        }

    def _row(
        self, event: dict[str, Any], aggregate: str, *, confidential: bool = False, digest: str | None = None
    ) -> OutboxEvent:
        payload = canonical_bytes(event)
        self._fact = event["type"].split(".")[-2]
        if event["type"].startswith(_CHAINED):
            self._acts.append(payload)
        if len(payload) > MAX_ENTRY_BYTES:
            raise LimitExceeded(
                "an event is below 65,535 bytes: it names documents by their digest",
                type=event["type"],
                length_bytes=len(payload),
            )
        return OutboxEvent(
            id=event["id"],
            aggregatetype=aggregate,
            aggregateid=event["subject"],
            type=event["type"],
            payload=payload,
            created_at=event["time"],
            confidential=confidential,
            names_digest=digest,
        )

    def _received_at(self, data: dict[str, Any]) -> str:
        named = data.get("received_at")
        return format_utc(self._clock.now() if named is None else parse_utc(named))

    def _require_open(self) -> None:
        if not self._open:
            raise RuntimeError("a unit of work records between its beginning and its one commit")


def _named(data: dict[str, Any]) -> str | None:
    """The document that an event names, so that the event can be found by it."""
    digest = data.get("digest")
    return digest if isinstance(digest, str) else None
