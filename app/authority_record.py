"""The authority's record as an audit wants it: from the database of an installation, or from a folder.

A folder (``mohr pki audit --export DIR``) holds what the database said at one moment, as lines of JSON: acts.jsonl,
certificates.jsonl, lists.jsonl, events.jsonl and log.jsonl (bytes in base64), and record.json with the instant and
the newest cosigned checkpoint. Whoever has it and the anchors needs no database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.evidence import Anchors
from events.outbox import OutboxRow
from kernel.canonical import sha256_hex
from kernel.errors import DomainError
from pki.act_chain import Finding
from pki.acts import recorded_acts
from pki.algorithms import der_of
from pki.audit.record import (
    DOMAIN,
    AuthorityRecord,
    CertificateRecord,
    EventRecord,
    ListRecord,
    is_serial,
    require_event,
)
from pki.orm import ApplicationRow, CertificateRequestRow, CertificateRow, RevocationListRow
from pki.papers import Paper
from transparency.commitment import disclosed_leaf_hash
from transparency.errors import ProofInvalid
from transparency.log_store import LogEntryRow, newest_cosigned
from transparency.proof import verify_checkpoint
from transparency.tree import MerkleTree, leaf_hash

_PER_READ = 1000
_MARK = f'"type":"{DOMAIN}'.encode()


@dataclass(frozen=True, slots=True)
class Log:
    """``placed``: entries by their index from 0; ``waiting``: those without one; ``note``: the cosigned checkpoint."""

    placed: tuple[bytes, ...]
    waiting: tuple[bytes, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that was read, in the forms in which it is kept.

    ``papers``: what registrars and holders signed; None where it was not read, as from a folder: it names people.
    """

    acts: tuple[Any, ...]
    events: tuple[bytes, ...]
    certificates: tuple[CertificateRecord, ...]
    lists: tuple[ListRecord, ...]
    log: Log
    at: datetime
    papers: tuple[Paper, ...] | None = None


def read_source(session: Session, at: datetime) -> Source:
    """One moment of the database."""
    return Source(
        tuple(recorded_acts(session)),
        tuple(_payloads(session)),
        tuple(_certificates(session)),
        tuple(_lists(session)),
        _log(session),
        at,
        tuple(_papers(session)),
    )


def record_of(source: Source) -> AuthorityRecord:
    """The record that is audited."""
    unread: list[Finding] = []
    events = tuple(_events(source.events, unread))
    entries = (*source.log.placed, *source.log.waiting)
    certificates = tuple(each for each in source.certificates if is_serial(each.serial))
    unread += [
        Finding("certificate-altered", f"certificate {each.serial[:64]}", "that is no serial number")
        for each in source.certificates
        if not is_serial(each.serial)
    ]
    return AuthorityRecord(
        source.acts,
        events,
        certificates,
        source.lists,
        frozenset(leaf_hash(entry).hex() for entry in entries),
        dict(_logged(entries)),
        source.at,
        tuple(unread),
    )


def trusted(record: AuthorityRecord, log: Log, anchors: Anchors) -> tuple[AuthorityRecord, list[str]]:
    """The record beside the anchors: log and root must be the pinned ones; the notes say what still waits."""
    unread = list(record.unread)
    if not _is_root_of(anchors.root, record):
        unread.append(Finding("root-not-pinned", "root", "the pinned root is none of this authority's"))
    notes: list[str] = []
    try:
        size = _verified_size(log, anchors)
    except DomainError as refusal:
        unread.append(Finding("log-not-trusted", "log", refusal.detail))
        return replace(record, unread=tuple(unread)), notes
    late = (*log.placed[size:], *log.waiting)
    waiting = sum(_is_event(entry) for entry in late)
    if waiting:
        notes.append(f"{waiting} events are not in the cosigned tree yet: audit again in a moment")
    return replace(record, unread=tuple(unread)), notes


def _is_root_of(root: x509.Certificate, record: AuthorityRecord) -> bool:
    """An own root is in the registry; an outside one has signed a list that was taken in."""
    if sha256_hex(der_of(root)) in {each.fingerprint for each in record.certificates}:
        return True
    return any(_is_list_by(root, each.der) for each in record.lists)


def _is_list_by(root: x509.Certificate, der: bytes) -> bool:
    try:
        found = x509.load_der_x509_crl(der)
        return found.issuer == root.subject and found.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _verified_size(log: Log, anchors: Anchors) -> int:
    """How many entries the pinned log has signed and a pinned witness cosigned, all of them as they are here."""
    if log.note is None:
        raise ProofInvalid("no checkpoint was cosigned yet: the server and its witness must run once")
    checkpoint = verify_checkpoint(log.note, anchors.log, anchors.witnesses).checkpoint
    if checkpoint.size > len(log.placed):
        raise ProofInvalid(
            "entries that were signed are missing", size=checkpoint.size, found=len(log.placed)
        )
    tree = MerkleTree(leaf_hash(entry) for entry in log.placed[: checkpoint.size])
    if tree.root() != checkpoint.root:
        raise ProofInvalid("the entries are not those that were signed", size=checkpoint.size)
    return checkpoint.size


def _payloads(session: Session) -> Iterator[bytes]:
    query = select(OutboxRow.payload).where(OutboxRow.type.startswith(DOMAIN)).order_by(OutboxRow.seq)
    yield from session.scalars(query.execution_options(yield_per=_PER_READ))


def _papers(session: Session) -> Iterator[Paper]:
    applications = select(
        ApplicationRow.document,
        ApplicationRow.signature,
        ApplicationRow.decision,
        ApplicationRow.decision_signature,
    )
    for document, signature, decision, decision_signature in session.execute(applications):
        yield Paper(document, signature)
        if decision is not None:
            yield Paper(decision, decision_signature or b"")
    wishes = select(CertificateRequestRow.renewal, CertificateRequestRow.renewal_signature)
    for wish, wish_signature in session.execute(wishes.where(CertificateRequestRow.renewal.is_not(None))):
        yield Paper(wish or b"", wish_signature or b"")


def _certificates(session: Session) -> Iterator[CertificateRecord]:
    row = CertificateRow
    query = select(
        row.serial,
        row.issuer,
        row.profile,
        row.party,
        row.state,
        row.intended_at,
        row.intended_by,
        row.fingerprint,
        row.der,
        row.revoked_at,
        row.reason,
    ).order_by(row.serial)
    for each in session.execute(query.execution_options(yield_per=_PER_READ)):
        yield CertificateRecord(*each)


def _lists(session: Session) -> Iterator[ListRecord]:
    row = RevocationListRow
    query = (
        select(row.issuer, row.number, row.der).where(row.der.is_not(None)).order_by(row.issuer, row.number)
    )
    for issuer, number, der in session.execute(query):
        if der is not None:
            yield ListRecord(issuer, number, der)


def _log(session: Session) -> Log:
    query = select(LogEntryRow.log_index, LogEntryRow.entry).order_by(LogEntryRow.log_index, LogEntryRow.id)
    placed: list[bytes] = []
    waiting: list[bytes] = []
    for index, entry in session.execute(query.execution_options(yield_per=_PER_READ)):
        (waiting if index is None else placed).append(entry)
    newest = newest_cosigned(session)
    return Log(tuple(placed), tuple(waiting), None if newest is None else newest.cosigned_note)


def _events(payloads: tuple[bytes, ...], unread: list[Finding]) -> Iterator[EventRecord]:
    for position, payload in enumerate(payloads, start=1):
        try:
            content = require_event(payload)
            yield EventRecord(payload, _leaf_of(payload, content))
        except (DomainError, KeyError, TypeError) as error:
            unread.append(Finding("event-altered", f"event {position} of the record", f"unreadable: {error}"))


def _leaf_of(payload: bytes, content: dict[str, Any]) -> str:
    disclosure = content["data"].get("disclosure")
    if disclosure is None:
        return leaf_hash(payload).hex()
    return disclosed_leaf_hash(disclosure["content"], disclosure["salt"])


def _logged(entries: tuple[bytes, ...]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if _is_event(entry):
            content = require_event(entry)
            yield content["id"], sha256_hex(entry)


def _is_event(entry: bytes) -> bool:
    """Whether an entry of the log is an event of the authority; a commitment tells nothing."""
    if _MARK not in entry:
        return False
    try:
        return bool(require_event(entry)["type"].startswith(DOMAIN))
    except DomainError:
        return False
