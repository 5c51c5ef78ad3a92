"""The audit of the authority's record names every kind of tampering, on both databases."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text

from app.authority_record import read_source, record_of
from app.trust import TrustKeeper
from app.unit_of_work import SqlUnitOfWork
from events.outbox import OutboxRow
from kernel.canonical import canonical_bytes, sha256_hex
from kernel.clock import FixedClock
from kernel.database import Base, make_engine, make_sessions, read_only
from kernel.ids import new_id
from pki.act_chain import FIRST, act_of, check_chain
from pki.acts import ANCHOR_EVERY, ActRow, recorded_acts
from pki.algorithms import der_of
from pki.audit.acts import check_approvals
from pki.audit.auditor import AuthorityReport, audit_authority
from pki.audit.record import AuthorityRecord, EventRecord
from pki.issuance import record_authority
from pki.orm import RevocationListRow
from pki.registry import RecordedCertificate
from pki.revocation import revoke_certificate
from tests.support.authority import START
from tests.support.databases import Databases
from tests.support.kept import Kept
from tests.support.registry import REGISTRAR, make_office

FACT = "ir.tehran.pki.something-done.v1"


@dataclass(frozen=True)
class Record:
    """A database in which an authority has worked; the acts and certificates are told by what they are."""

    url: str
    revoked: RecordedCertificate
    kept: RecordedCertificate


@pytest.fixture
def engine(databases: Databases, kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A copy of that database."""
    engine = make_engine(databases.copy_of(_record(databases, kept, tmp_path_factory).url))
    yield engine
    engine.dispose()


@pytest.fixture
def record(databases: Databases, kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Record:
    return _record(databases, kept, tmp_path_factory)


def _record(databases: Databases, kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Record:
    return kept.once(
        ("authority record", databases.kind),
        lambda: nullcontext(_worked(databases.new(), tmp_path_factory.mktemp("office"))),
    )


def _worked(url: str, folder: Path) -> Record:
    office = make_office(folder, url)
    record_authority(office.authority, unit_of_work=office.unit_of_work, clock=office.clock)
    TrustKeeper(office.authority, office.sessions, office.unit_of_work, office.clock).refresh()
    first, second = (office.certify(party) for party in ("IR-1", "IR-2"))
    revoke_certificate(
        first.fingerprint,
        "keyCompromise",
        actor=REGISTRAR,
        unit_of_work=office.unit_of_work,
        clock=office.clock,
        authority=office.authority,
    )
    office.close()
    return Record(url, first, second)


def _audit(engine: Engine) -> AuthorityReport:
    with read_only(make_sessions(engine)) as session:
        return audit_authority(record_of(read_source(session, START)))


def _tamper(engine: Engine, *statements: str, **values: object) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), values)


def _codes(engine: Engine) -> set[str]:
    return {finding.code for finding in _audit(engine).findings}


def _named(engine: Engine) -> set[tuple[str, str]]:
    return {(finding.code, finding.where) for finding in _audit(engine).findings}


def test_an_untouched_record_is_in_order(engine: Engine) -> None:
    """Nothing is off where nothing was touched, and every event has its act."""
    report = _audit(engine)

    assert report.findings == ()
    assert report.checked["acts"] == report.checked["events"] > 9
    assert report.head != FIRST


def test_an_altered_act_is_named(engine: Engine) -> None:
    """Whatever field of an act is changed, the act is named."""
    _tamper(engine, "UPDATE pki_acts SET actor = 'IR-SOMEBODY' WHERE number = 4")

    assert _named(engine) == {("act-altered", "act 4")}


def test_a_missing_act_is_named(engine: Engine) -> None:
    """A deleted row leaves a gap, and its event without an act."""
    _tamper(engine, "DELETE FROM pki_acts WHERE number = 5")

    assert ("act-missing", "act 5") in _named(engine)
    assert _codes(engine) == {"act-missing", "event-without-act"}


def test_a_cut_tail_is_named(engine: Engine) -> None:
    """Rows deleted at the end leave their events without acts."""
    cut = _audit(engine).checked["acts"] - 7
    _tamper(engine, "DELETE FROM pki_acts WHERE number > 7")

    assert [finding.code for finding in _audit(engine).findings] == ["event-without-act"] * cut


def test_exchanged_acts_are_named(engine: Engine) -> None:
    """Two rows that changed places are each said to belong where the other is."""
    _tamper(
        engine,
        "UPDATE pki_acts SET number = 1000 WHERE number = 3",
        "UPDATE pki_acts SET number = 3 WHERE number = 6",
        "UPDATE pki_acts SET number = 6 WHERE number = 1000",
    )

    moved = {
        finding.where: finding.detail for finding in _audit(engine).findings if finding.code == "act-moved"
    }
    assert moved == {"act 3": "its hash is that of act 6", "act 6": "its hash is that of act 3"}


def test_a_chain_that_was_made_anew_is_named(engine: Engine) -> None:
    """An act put in with a right hash has no event; the chain alone would not show it."""
    with engine.begin() as connection:
        head = connection.execute(text("SELECT number, hash FROM pki_acts ORDER BY number DESC")).first()
        assert head is not None
        event = {
            "id": new_id(),
            "type": FACT,
            "subject": "x",
            "time": "2026-11-24T08:00:00.000000Z",
            "data": {},
        }
        act = act_of(canonical_bytes(event), head[0] + 1, head[1])
        connection.execute(insert(ActRow), [asdict(act)])

    assert _named(engine) == {("act-without-event", f"act {act.number}")}


def test_an_act_put_in_between_is_named(engine: Engine) -> None:
    """A forged act in the middle has no event, and every row behind it is not where its hash says."""
    with read_only(make_sessions(engine)) as session:
        acts = list(recorded_acts(session))
    event = {"id": new_id(), "type": FACT, "subject": "x", "time": "2026-11-24T08:00:00.000000Z", "data": {}}
    forged = act_of(canonical_bytes(event), 5, acts[3].hash)
    _tamper(
        engine,
        "UPDATE pki_acts SET number = number + 1000 WHERE number >= 5",
        "UPDATE pki_acts SET number = number - 999 WHERE number >= 1000",
    )
    with engine.begin() as connection:
        connection.execute(insert(ActRow), [asdict(forged)])

    moved = {("act-moved", f"act {number}") for number in range(6, len(acts) + 2)}
    assert _named(engine) == {("act-without-event", "act 5"), *moved}


def test_an_exchanged_act_breaks_the_link_behind_it() -> None:
    """A row that is whole in itself and goes on from the one before it is betrayed by the row after it."""
    events = [_event("thing-done", f"thing-{number}", by="IR-1").payload for number in range(5)]
    acts, previous = [], FIRST
    for number, event in enumerate(events, 1):
        acts.append(act_of(event, number, previous))
        previous = acts[-1].hash
    assert list(check_chain(acts)) == []

    acts[2] = act_of(events[0], 3, acts[1].hash)

    assert [(each.code, each.where) for each in check_chain(acts)] == [("act-unlinked", "act 4")]


def test_the_migration_makes_the_same_chain() -> None:
    """What was recorded before there was a chain is chained as if there had been one."""
    migration = importlib.import_module("app.migrations.versions.v0007_acts")
    made, previous = [], FIRST
    for number in range(1, 4):
        event = _event("thing-done", f"thing-{number}", by="IR-1").payload
        act = act_of(event, number, previous)
        assert migration._row(event, number, previous) == asdict(act)
        made.append(act)
        previous = act.hash
    assert list(check_chain(made)) == []


def test_an_inserted_certificate_is_named(engine: Engine, record: Record) -> None:
    """A row that no event tells of is named, and that its serial number is not that of its bytes."""
    serial = "0" * 39 + "7"
    _tamper(
        engine,
        "INSERT INTO pki_certificates (serial, issuer, profile, party, name, state, intended_at, intended_by, "
        "fingerprint, der) SELECT :serial, issuer, profile, party, name, 'issued', intended_at, intended_by, :print, "
        "der FROM pki_certificates WHERE serial = :other",
        serial=serial,
        print="ab" * 32,
        other=f"{record.kept.serial:040x}",
    )

    assert {
        ("certificate-without-event", f"certificate {serial}"),
        ("certificate-altered", f"certificate {serial}"),
        ("serial-repeated", f"certificate {record.kept.serial:040x}"),
    } <= _named(engine)


def test_a_certificate_of_somebody_else_is_named(engine: Engine, tmp_path: Path, record: Record) -> None:
    """Bytes that another authority signed do not pass for a certificate, with whatever fingerprint."""
    other = make_office(tmp_path)
    der = _der(other.certify("IR-2"))
    other.close()
    _tamper(
        engine,
        "UPDATE pki_certificates SET der = :der WHERE serial = :serial",
        der=der,
        serial=f"{record.kept.serial:040x}",
    )

    assert {"certificate-altered", "certificate-not-by-issuer"} <= _codes(engine)


def test_a_removed_revocation_is_named(engine: Engine, record: Record) -> None:
    """A certificate that was brought back to life is named, and that the current list still has it."""
    serial = f"{record.revoked.serial:040x}"
    _tamper(
        engine,
        "UPDATE pki_certificates SET state = 'issued', revoked_at = NULL, reason = NULL WHERE serial = :serial",
        serial=serial,
    )

    assert _named(engine) == {
        ("revocation-removed", f"certificate {serial}"),
        ("listed-not-revoked", f"certificate {serial}"),
    }


def test_a_silent_revocation_is_named(engine: Engine, record: Record) -> None:
    """A certificate revoked by hand has no event and stands on no list."""
    serial = f"{record.kept.serial:040x}"
    _tamper(
        engine,
        "UPDATE pki_certificates SET state = 'revoked', reason = 'superseded' WHERE serial = :serial",
        serial=serial,
    )

    assert _named(engine) == {
        ("revocation-without-event", f"certificate {serial}"),
        ("revocation-not-listed", f"certificate {serial}"),
    }


def test_a_list_taken_back_is_named(engine: Engine, record: Record) -> None:
    """Without the newest list the revocation is on none, and the announced list is missing."""
    lists = RevocationListRow.__tablename__
    _tamper(engine, f"DELETE FROM {lists} WHERE issuer = 'intermediate' AND number = 2")

    assert _named(engine) == {
        ("list-missing", "list 2 of intermediate"),
        ("revocation-not-listed", f"certificate {record.revoked.serial:040x}"),
    }


def test_an_intent_after_the_signature_is_named(engine: Engine, record: Record) -> None:
    """A certificate whose intent is later than the news of its issue was not intended first."""
    serial = f"{record.kept.serial:040x}"
    _tamper(
        engine,
        "UPDATE pki_certificates SET intended_at = '2027-01-01T00:00:00.000000Z' WHERE serial = :serial",
        serial=serial,
    )

    assert _named(engine) == {("certificate-without-intent", f"certificate {serial}")}


def test_an_event_taken_out_is_named_by_the_log(engine: Engine) -> None:
    """An event deleted with its act at the chain's end is still told of by the log."""
    last = "(SELECT max(number) FROM pki_acts)"
    _tamper(
        engine,
        f"DELETE FROM outbox WHERE id = (SELECT event FROM pki_acts WHERE number = {last})",
        f"DELETE FROM pki_acts WHERE number = {last}",
    )

    assert "event-missing" in _codes(engine)


def test_an_event_written_anew_is_named(engine: Engine) -> None:
    """An event whose bytes were changed differs from its act and from the log."""
    with engine.begin() as connection:
        payload = connection.execute(text("SELECT payload FROM outbox ORDER BY seq LIMIT 1")).scalar_one()
        changed = bytes(payload).replace(b"IRO-1", b"IRO-9")
        assert changed != bytes(payload)
        connection.execute(
            text("UPDATE outbox SET payload = :changed WHERE seq = (SELECT min(seq) FROM outbox)"),
            {"changed": changed},
        )

    assert "event-altered" in _codes(engine)


def test_the_head_is_anchored_and_a_chain_made_anew_contradicts_it(databases: Databases) -> None:
    """After so many acts the head is an event of its own; acts recomputed under it are found out."""
    engine = make_engine(databases.new())
    with _table(engine):
        sessions = make_sessions(engine)
        for _round in range(2):
            with SqlUnitOfWork(sessions, FixedClock(START)) as uow:
                for number in range(ANCHOR_EVERY // 2):
                    uow.emit(FACT, f"thing-{number}", {"by": "IR-1"})
                uow.commit()
        with read_only(sessions) as session:
            acts = list(recorded_acts(session))
            anchor = (
                session.query(OutboxRow.payload).filter(OutboxRow.type.contains("chain-anchored")).one()[0]
            )
        assert [act.number for act in acts] == list(range(1, ANCHOR_EVERY + 2))
        assert acts[-1].digest == sha256_hex(anchor)
        assert acts[0].actor == "IR-1"
        assert acts[-2].hash.encode() in anchor
        assert _audit(engine).findings == ()

        _tamper(engine, "UPDATE pki_acts SET hash = :hash WHERE number = 64", hash="cd" * 32)
        assert ("anchor-broken", "act 64") in _named(engine)


def test_writers_at_once_make_one_chain(databases: Databases) -> None:
    """Many transactions at the same time leave one chain without gaps, each with its own events together."""
    engine = make_engine(databases.new())
    with _table(engine):
        sessions = make_sessions(engine)

        def act(writer: int) -> None:
            with SqlUnitOfWork(sessions, FixedClock(START)) as uow:
                for _ in range(3):
                    uow.emit(FACT, f"writer-{writer}", {})
                uow.commit()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(act, range(18)))
        with read_only(sessions) as session:
            subjects = [each.subject for each in recorded_acts(session)]
        assert len(subjects) == 54
        assert all(len(set(subjects[start : start + 3])) == 1 for start in range(0, 54, 3))
        assert _audit(engine).findings == ()


@contextmanager
def _table(engine: Engine) -> Iterator[None]:
    Base.metadata.create_all(engine)
    try:
        yield
    finally:
        engine.dispose()


def _der(recorded: RecordedCertificate) -> bytes:
    return der_of(recorded.certificate)


def test_who_enters_does_not_approve() -> None:
    """An approval by the party that applied is named, one by somebody else is not, whatever else happened."""
    applied = _event("certificate-applied", "request-1", by="IR-1")
    other = _event("certificate-approved", "request-1", by="IR-2")
    same = _event("certificate-approved", "request-1", by="IR-1")
    own = _event("ceremony-approved", "ceremony-1", entered_by="IR-3", approved_by="IR-3")

    def named(*events: EventRecord) -> list[str]:
        record = AuthorityRecord((), events, (), (), frozenset(), {}, START)
        return [finding.where for finding in check_approvals(record)]

    assert named(applied, other) == []
    assert named(applied, same, own) == [f"certificate-approved {same.id}", f"ceremony-approved {own.id}"]


def _event(fact: str, subject: str, **data: str) -> EventRecord:
    content = {"id": new_id(), "type": f"ir.tehran.pki.{fact}.v1", "subject": subject, "data": data}
    payload = canonical_bytes({**content, "time": "2026-11-24T08:00:00.000000Z", "sequence": 1})
    return EventRecord(payload, "00" * 32)
