"""An officer registers documents: 1 to 500 in one signed paper, all of them or none.

(1) The paper is judged, (2) the unit, (3) whether the files are here, (4) each file by the rule, its signatures kept as
judged now: all of that outside of any transaction. Then, one writer after the other, (5) identifiers and digests are
taken, and rows, events and paper become durable together; (6) the files are moved on. What is repeated answers what
is there: the same paper, or another one of the same unit with the same entry.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from authenticity.errors import (
    DocumentRegistered,
    FileNotDelivered,
    IdentifierUnreserved,
)
from authenticity.papers import REGISTRATION, Entry, RegistrationPaper, registration_of
from authenticity.record import Record, Registration, Signatory
from authenticity.rule import DocumentsRule
from authenticity.signatories import signatories_of
from documents.register.desk import (
    Actor,
    RegisterDesk,
    Unit,
    latest_day,
    read_paper,
    require_unit,
    take_register,
    today,
)
from documents.register.lookup import registrations, signatories_text
from documents.register.orm import DocumentPaperRow, RegisteredDocumentRow, ReservedIdentifierRow
from documents.register.reserving import forget_reservations
from kernel.clock import format_utc
from kernel.errors import LimitExceeded, MalformedInput
from kernel.failpoints import reach
from kernel.ids import new_id, new_secret
from kernel.unit_of_work import UnitOfWork
from pki.papers import Paper
from schemas.events import DOCUMENT_REGISTERED
from signing.errors import DocumentUnreadable
from signing.pdf.marking import marked_with

_LOG = logging.getLogger(__name__)
_NAMED_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class _Judged:
    """A new document with what was found of its file; ``rule``: the version that it was held against; ``marked``: the
    identifiers of marks on it.
    """

    entry: Entry
    rule: str
    signatories: tuple[Signatory, ...]
    marked: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Submission:
    """A paper that was judged: from whom, for which unit, and by which digest events name it."""

    paper: Paper
    digest: str
    unit: Unit
    content: RegistrationPaper


def register(paper: Paper, *, actor: Actor, desk: RegisterDesk) -> list[Registration]:
    """The registrations of the paper's documents, in its order.

    Raises Forbidden, UnitForbidden, IdentifierUnreserved, FileNotDelivered, DocumentRegistered, KindUnknown,
    RuleBroken, MalformedInput, LimitExceeded, what reading a file's signatures raises, or what ``Papers.read`` raises.
    Then nothing of it is registered.
    """
    read, organisation = read_paper(paper, REGISTRATION, actor=actor, desk=desk)  # (1)
    content = registration_of(read.content)
    with desk.reading() as session:
        unit = require_unit(session, content.unit, organisation, desk)  # (2)
        known = _known(session, content.documents, unit)
        if len(known) == len(content.documents):
            return _in_order(session, content, known)
        fresh = [each for each in content.documents if each.digest not in known]
        _take_identifiers(session, fresh, actor, desk)
    _check_files(fresh, desk)  # (3)
    judged = _judge(fresh, desk)  # (4)
    submission = _Submission(paper, read.digest, unit, content)
    with desk.unit_of_work() as uow:  # (5)
        found = _enter(uow, submission, judged, actor, desk)
    reach("document.registered")
    _move_on(found, desk)  # (6)
    return found


def _move_on(found: Sequence[Registration], desk: RegisterDesk) -> None:
    """What cannot be moved now is found where it is, and moved by the worker: it is registered all the same."""
    try:
        desk.files.keep(each.record.digest for each in found)
    except OSError as error:
        _LOG.warning("registered files stay where they were delivered for now: %s", error)


def _enter(
    uow: UnitOfWork, submission: _Submission, judged: Mapping[str, _Judged], actor: Actor, desk: RegisterDesk
) -> list[Registration]:
    """Under the register's lock everything that others may have changed since is looked at again."""
    session, content = uow.session, submission.content
    take_register(session)
    known = _known(session, content.documents, submission.unit)
    new = [judged[each.digest] for each in content.documents if each.digest not in known]
    if new:
        entries = [each.entry for each in new]
        _take_identifiers(session, entries, actor, desk)
        _check_files(entries, desk)
        _check_marks(session, new)
        now = format_utc(desk.clock.now())
        rows = _record(uow, submission, new, now)
        forget_reservations(session, [each.identifier for each in entries])
        _keep_paper(session, submission, actor, now)
        known |= {each.digest: each for each in rows}
    found = _in_order(session, content, known)
    uow.commit()
    return found


def _known(session: Session, entries: Sequence[Entry], unit: Unit) -> dict[str, RegisteredDocumentRow]:
    """What this unit registered with exactly these entries, by digest; raises DocumentRegistered for what differs."""
    query = select(RegisteredDocumentRow).where(
        RegisteredDocumentRow.digest.in_([each.digest for each in entries])
    )
    found = {row.digest: row for row in session.scalars(query)}
    for entry in entries:
        row = found.get(entry.digest)
        if row is not None and (row.unit != unit.party or not _is_same(row, entry)):
            own = {"identifier": row.identifier} if row.unit == unit.party else {}
            raise DocumentRegistered(
                "these bytes are registered already", digest=entry.digest, kind=row.kind, **own
            )
    return found


def _is_same(row: RegisteredDocumentRow, entry: Entry) -> bool:
    return all(getattr(row, name) == value for name, value in asdict(entry).items())


def _take_identifiers(session: Session, entries: Sequence[Entry], actor: Actor, desk: RegisterDesk) -> None:
    """Each was given to this officer, has not lapsed, and is on no document; raises IdentifierUnreserved."""
    lapsed = format_utc(desk.clock.now() - desk.limits.reserved_for)
    wanted = [each.identifier for each in entries]
    query = select(ReservedIdentifierRow.identifier).where(
        ReservedIdentifierRow.identifier.in_(wanted),
        ReservedIdentifierRow.party == actor.party,
        ReservedIdentifierRow.reserved_at > lapsed,
    )
    missing = sorted(set(wanted) - set(session.scalars(query)))
    if missing:
        raise IdentifierUnreserved(
            "not given out to this officer, used, or lapsed", identifiers=missing[:_NAMED_AT_MOST]
        )


def _check_files(entries: Sequence[Entry], desk: RegisterDesk) -> None:
    sizes = {each.digest: desk.files.size(each.digest) for each in entries}
    missing = [digest for digest, size in sizes.items() if size is None]
    if missing:
        raise FileNotDelivered("deliver the files first", digests=missing[:_NAMED_AT_MOST])
    for entry in entries:
        if sizes[entry.digest] != entry.size:
            raise MalformedInput(
                "the paper says another size than the file has", digest=entry.digest, size=sizes[entry.digest]
            )


def _check_marks(session: Session, documents: Sequence[_Judged]) -> None:
    """No document is registered under one identifier and bears that of another: its QR code would lead there, and who
    comes by a file before its own officer registers it could take it from him. Raises IdentifierUnreserved.
    """
    for each in documents:
        if not each.marked or each.entry.identifier in each.marked:
            continue
        for column in (RegisteredDocumentRow.identifier, ReservedIdentifierRow.identifier):
            if session.scalar(select(column).where(column.in_(sorted(each.marked))).limit(1)) is not None:
                raise IdentifierUnreserved(
                    "the document bears a mark with another identifier", digest=each.entry.digest
                )


def _judge(entries: Sequence[Entry], desk: RegisterDesk) -> dict[str, _Judged]:
    """One file after the other, so that no more than one is in memory; raises RuleBroken for the first that fails."""
    now = desk.clock.now()
    _check_days(entries, now)
    rule = desk.rule.on(today(now))
    return {each.digest: _judged(each, rule, desk) for each in entries}


def _judged(entry: Entry, rule: DocumentsRule, desk: RegisterDesk) -> _Judged:
    kind = rule.kind(entry.kind)
    if entry.size > desk.limits.document_bytes:
        raise LimitExceeded("the document is too long", limit_bytes=desk.limits.document_bytes)
    content = desk.files.read(entry.digest)
    try:
        report = desk.judge(content)
    except DocumentUnreadable:
        # A file of any other kind: the rule says whether that may be.
        report = None
    desk.check(entry, kind, content, report)
    signatories = () if report is None else signatories_of(report)
    return _Judged(entry, rule.version, signatories, marked_with(content))


def _check_days(entries: Sequence[Entry], now: datetime) -> None:
    latest = latest_day(now).isoformat()
    for entry in entries:
        if entry.issued_on > latest:
            raise MalformedInput(
                "no document is issued on a day that is still to come", identifier=entry.identifier
            )


def _record(
    uow: UnitOfWork, submission: _Submission, new: Sequence[_Judged], now: str
) -> list[RegisteredDocumentRow]:
    salts = [new_secret() for _ in new]
    records = [_record_of(each, submission.unit) for each in new]
    facts = [
        (record.document, _fact(record, salt, submission.digest))
        for record, salt in zip(records, salts, strict=True)
    ]
    emitted = uow.emit_many(DOCUMENT_REGISTERED.name, facts)
    rows = [
        RegisteredDocumentRow(
            id=record.document,
            **{name: value for name, value in record.to_json().items() if name != "document"},
            state="valid",
            registered_at=now,
            signatories=signatories_text(each.signatories),
            paper=submission.digest,
            event=event.event,
            leaf_hash=event.leaf_hash,
            salt=salt.hex(),
        )
        for each, record, salt, event in zip(new, records, salts, emitted, strict=True)
    ]
    uow.session.add_all(rows)
    uow.session.flush()
    return rows


def _record_of(judged: _Judged, unit: Unit) -> Record:
    return Record(
        document=new_id(),
        unit=unit.party,
        unit_name=unit.name,
        rule=judged.rule,
        **asdict(judged.entry),
    )


def _fact(record: Record, salt: bytes, paper: str) -> dict[str, Any]:
    """What the public log says: never identifier or title, and the digest of a public document alone."""
    told = {
        "document": record.document,
        "unit": record.unit,
        "kind": record.kind,
        "commitment": record.commitment(salt),
        "paper": paper,
    }
    return {**told, "digest": record.digest} if record.disclosure == "public" else told


def _keep_paper(session: Session, submission: _Submission, actor: Actor, now: str) -> None:
    session.add(
        DocumentPaperRow(
            digest=submission.digest,
            party=actor.party,
            at=now,
            document=submission.paper.document,
            signature=submission.paper.signature,
        )
    )


def _in_order(
    session: Session, content: RegistrationPaper, rows: Mapping[str, RegisteredDocumentRow]
) -> list[Registration]:
    return registrations(session, [rows[each.digest] for each in content.documents])
