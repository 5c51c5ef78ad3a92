"""State, outbox row and log entry become durable together or not at all."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.unit_of_work import SqlUnitOfWork
from events.outbox import OutboxRow, SequenceRow, event_naming, public_events
from kernel.canonical import canonical_bytes, parse_canonical
from kernel.clock import FixedClock
from kernel.database import read_only
from kernel.errors import LimitExceeded, MalformedInput
from kernel.ids import is_id
from transparency.commitment import disclosed_content, disclosed_leaf_hash
from transparency.log_store import LogEntryRow
from transparency.tree import leaf_hash

FACT, ACT = "ir.tehran.test.fact-recorded.v1", "ir.tehran.test.act-received.v1"
CLOCK = FixedClock(datetime(2026, 11, 24, 8, 30, tzinfo=UTC))
DIGEST = "ab" * 32


def begin(sessions: sessionmaker[Session]) -> SqlUnitOfWork:
    return SqlUnitOfWork(sessions, CLOCK)


def counts(sessions: sessionmaker[Session]) -> tuple[int, int, int]:
    with read_only(sessions) as session:
        return (
            session.query(OutboxRow).count(),
            session.query(LogEntryRow).count(),
            session.query(SequenceRow).count(),
        )


def test_outbox_and_log_hold_the_same_bytes(sessions: sessionmaker[Session]) -> None:
    """A public event has the published form, and its bytes are the outbox payload and the log entry alike."""
    with begin(sessions) as uow:
        emitted = uow.emit(FACT, "tender-1", {"digest": DIGEST})
        uow.commit()

    event = parse_canonical(emitted.event)
    assert is_id(event["id"])
    assert {key: event[key] for key in event if key != "id"} == {
        "type": FACT,
        "subject": "tender-1",
        "time": "2026-11-24T08:30:00.000000Z",
        "sequence": 1,
        "data": {"digest": DIGEST},
    }
    assert emitted.leaf_hash == leaf_hash(emitted.event).hex()
    with read_only(sessions) as session:
        assert session.query(OutboxRow.payload).scalar() == emitted.event
        assert session.query(LogEntryRow.entry).scalar() == emitted.event
        assert event_naming(session, "tender-1", DIGEST) == emitted.event
        assert event_naming(session, "tender-2", DIGEST) is None
        assert public_events(session, "tender-1") == [emitted.event]


def test_many_events_are_what_one_after_the_other_would_be(sessions: sessionmaker[Session]) -> None:
    """Same bytes but for the identifier, same order, gapless numbers for each subject, also after what was held."""
    subjects = [f"tender-{number % 150}" for number in range(450)]
    with begin(sessions) as uow:
        uow.emit(FACT, "tender-7", {"number": -1})
        emitted = uow.emit_many(FACT, [(each, {"number": n}) for n, each in enumerate(subjects)])
        uow.emit(FACT, "tender-7", {"number": 450})
        uow.commit()

    with read_only(sessions) as session:
        rows = list(session.scalars(select(OutboxRow.payload).order_by(OutboxRow.seq)))
        leaves = list(session.scalars(select(LogEntryRow.entry).order_by(LogEntryRow.id)))
    assert rows == leaves
    events = [parse_canonical(row) for row in rows]
    assert [each["data"]["number"] for each in events] == [*range(-1, 451)]
    assert [each.event for each in emitted] == rows[1:-1]
    assert [each.leaf_hash for each in emitted] == [leaf_hash(row).hex() for row in rows[1:-1]]
    for subject in set(subjects):
        numbers = [each["sequence"] for each in events if each["subject"] == subject]
        assert numbers == list(range(1, len(numbers) + 1))
    event = {**events[1], "id": ""}
    assert event == {**parse_canonical(emitted[0].event), "id": ""}
    assert list(event) == list(parse_canonical(rows[0]))


def test_of_many_one_that_breaks_its_contract_holds_all_back(sessions: sessionmaker[Session]) -> None:
    """Nothing of them is recorded, and the numbers are given back."""
    for facts in ([("t", {}), ("t", {"x": 1.5})], [("t", {}), ("t", {"x": "y" * 70_000})]):
        with begin(sessions) as uow, pytest.raises((MalformedInput, LimitExceeded)):
            uow.emit_many(FACT, facts)
    assert counts(sessions) == (0, 0, 0)


def test_a_confidential_event_can_be_rebuilt_from_its_disclosure(sessions: sessionmaker[Session]) -> None:
    """The log shows a commitment only; counter and salts kept in the outbox lead back to exactly its leaf."""
    with begin(sessions) as uow:
        emitted = uow.emit_confidential(ACT, "submission", "tender-1", DIGEST, {"bidder": "IRO-1"})
        uow.commit()

    with read_only(sessions) as session:
        entry = session.query(LogEntryRow.entry).scalar()
        row = session.query(OutboxRow).one()
        payload, aggregate = parse_canonical(row.payload), row.aggregatetype
        assert event_naming(session, "tender-1", DIGEST) is None
        assert public_events(session, "tender-1") == []
    disclosure = payload["data"]["disclosure"]
    rebuilt = disclosed_content(
        act="submission",
        tender="tender-1",
        digest=DIGEST,
        received_at=disclosure["content"]["received_at"],
        counter=disclosure["counter"],
        counter_salt=disclosure["counter_salt"],
    )

    assert set(parse_canonical(entry)) == {"type", "commitment"}
    assert (payload["sequence"], aggregate) == (0, "test-confidential")
    assert rebuilt == emitted.content == disclosure["content"]
    assert disclosed_leaf_hash(rebuilt, disclosure["salt"]) == emitted.leaf_hash == leaf_hash(entry).hex()
    assert (emitted.counter, emitted.counter_salt) == (1, disclosure["counter_salt"])


def test_a_receipt_and_its_commitment_can_name_one_instant(sessions: sessionmaker[Session]) -> None:
    """An instant that the caller has already written into a receipt is the one committed to."""
    received_at = "2026-11-24T08:29:59.123456Z"
    with begin(sessions) as uow:
        emitted = uow.emit_confidential(ACT, "submission", "t", DIGEST, {"received_at": received_at})

    assert emitted.content["received_at"] == received_at


def test_salts_never_repeat(sessions: sessionmaker[Session]) -> None:
    """The same act committed to many times gives as many leaves, so nobody can guess one from another."""
    with begin(sessions) as uow:
        emitted = [uow.emit_confidential(ACT, "submission", "t", DIGEST, {}) for _ in range(50)]

    assert len({each.leaf_hash for each in emitted}) == 50
    assert len({each.salt for each in emitted} | {each.counter_salt for each in emitted}) == 100
    assert [each.counter for each in emitted] == list(range(1, 51))


@pytest.mark.parametrize("fails", [False, True])
def test_without_a_commit_nothing_remains(sessions: sessionmaker[Session], fails: bool) -> None:
    """Leaving the block without a commit, quietly or by an error, leaves no row and gives the numbers back."""

    def work() -> None:
        with begin(sessions) as uow:
            uow.emit(FACT, "tender-1", {})
            uow.emit_confidential(ACT, "submission", "tender-1", DIGEST, {})
            if fails:
                raise ValueError("something went wrong")

    if fails:
        with pytest.raises(ValueError, match="went wrong"):
            work()
    else:
        work()

    assert counts(sessions) == (0, 0, 0)
    with begin(sessions) as uow:
        assert uow.emit(FACT, "tender-1", {}).sequence == 1


def test_a_second_commit_or_a_late_event_is_a_mistake(sessions: sessionmaker[Session]) -> None:
    """After the one commit nothing more can be recorded, so nothing is half recorded."""
    uow = begin(sessions)
    with uow:
        uow.emit(FACT, "tender-1", {})
        uow.commit()
        with pytest.raises(RuntimeError):
            uow.emit(FACT, "tender-1", {})
        with pytest.raises(RuntimeError):
            uow.commit()
    with pytest.raises(RuntimeError):
        uow.emit(FACT, "tender-1", {})

    assert counts(sessions)[:2] == (1, 1)


def test_an_event_stays_below_its_limit(sessions: sessionmaker[Session]) -> None:
    """65,534 bytes are recorded, one more is refused, and the refusal leaves nothing behind."""
    with begin(sessions) as uow:
        room = 65_534 - len(uow.emit(FACT, "t", {"text": ""}).event)
    with begin(sessions) as uow:
        assert len(uow.emit(FACT, "t", {"text": "x" * room}).event) == 65_534
        uow.commit()
    with pytest.raises(LimitExceeded), begin(sessions) as uow:
        uow.emit(FACT, "t", {"text": "x" * (room + 1)})

    assert counts(sessions)[:2] == (1, 1)


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("tender-published", {}),
        ("ir.tehran.Procurement.x.v1", {}),
        ("ir.tehran.procurement.tender-published.v0", {}),
        ("ir.tehran.procurement.tender-published.v1", {"tender": "t", "ocid": "o"}),
        (
            "ir.tehran.procurement.submission-received.v1",
            {"act": "", "lot": "", "bidder": "", "submission_number": 1},
        ),
        (FACT, {"amount": 1.5}),
    ],
)
def test_events_outside_their_contract_are_refused(
    sessions: sessionmaker[Session], type_: str, data: dict[str, Any]
) -> None:
    """Odd names, missing fields, a confidential fact in public, and floats never reach the outbox."""
    with begin(sessions) as uow, pytest.raises(MalformedInput):
        uow.emit(type_, "t", data)


def test_a_public_fact_is_not_recorded_in_secret(sessions: sessionmaker[Session]) -> None:
    """What its type calls public cannot be hidden behind a commitment, nor a disclosure be forged."""
    published = {"tender": "t", "ocid": "o", "digest": DIGEST, "notice": {}}
    with begin(sessions) as uow:
        with pytest.raises(MalformedInput):
            uow.emit_confidential("ir.tehran.procurement.tender-published.v1", "x", "t", DIGEST, published)
        with pytest.raises(MalformedInput):
            uow.emit_confidential(ACT, "submission", "t", DIGEST, {"disclosure": {}})


def test_threads_lose_nothing_and_leave_no_gap(sessions: sessionmaker[Session]) -> None:
    """Eight threads emit to shared subjects, some rolling back: every number occurs once, without a gap."""

    def work(thread: int) -> list[tuple[str, int]]:
        done = []
        for turn in range(25):
            subject = f"tender-{(thread + turn) % 3}"
            with begin(sessions) as uow:
                emitted = uow.emit(FACT, subject, {"thread": thread, "turn": turn})
                uow.emit_confidential(ACT, "submission", subject, DIGEST, {})
                if turn % 5 != 4:
                    uow.commit()
                    done.append((subject, emitted.sequence))
        return done

    with ThreadPoolExecutor(8) as pool:
        committed = [each for done in pool.map(work, range(8)) for each in done]

    assert len(committed) == 160
    assert all(times == 1 for times in Counter(committed).values())
    with read_only(sessions) as session:
        rows = session.query(OutboxRow).order_by(OutboxRow.seq).all()
        payloads = [parse_canonical(row.payload) for row in rows]
        entries = {row.entry for row in session.query(LogEntryRow)}
    for number in range(3):
        of_subject = [each for each in payloads if each["subject"] == f"tender-{number}"]
        sequences = [each["sequence"] for each in of_subject if each["sequence"]]
        counters = [each["data"]["disclosure"]["counter"] for each in of_subject if not each["sequence"]]
        assert sequences == list(range(1, len(sequences) + 1))
        assert counters == list(range(1, len(counters) + 1))
    assert len(entries) == len(payloads) == 320
    assert {canonical_bytes(each) for each in payloads if each["sequence"]} <= entries
