"""Use cases of two-step signing on a server: a document waits for the signature value of a key that its signer holds.

Stamps and evidence are asked for outside of any transaction, and only a whole signed document is recorded: a service
that fails leaves the document prepared, to be completed later with the same value. Of two completions at one moment
the first to take the row wins. Whatever belongs to somebody else is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO

from cryptography import x509
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from documents.orm import PreparedDocumentRow
from kernel.canonical import sha256_hex
from kernel.clock import Clock, format_utc, parse_utc
from kernel.database import lock_scope, locked
from kernel.errors import LimitExceeded
from kernel.ids import is_id, new_id
from kernel.unit_of_work import UnitOfWork
from pki.algorithms import fingerprint_of
from pki.trust import TrustStore
from schemas.events import DOCUMENT_PREPARED, DOCUMENT_SIGNED
from signing.ades.services import Services
from signing.errors import PreparedUnknown, WrongSigner
from signing.two_step import PreparedDocument, check_open, check_signature
from signing.two_step_making import Document, Wish, complete_document, prepare_document

_AT_ONCE = 50


@dataclass(frozen=True)
class SigningDesk:
    """What these use cases are handed. ``services`` gives time stamps and evidence; ``life``: how long a document
    waits; ``kept``: how long a signed one, or the trace of an expired one, stays; ``max_waiting``: of one party, of
    whose signed documents no more are kept either, the newest.
    """

    unit_of_work: Callable[[], UnitOfWork]
    reading: Callable[[], AbstractContextManager[Session]]
    clock: Clock
    trust: Callable[[], TrustStore]
    services: Callable[[], Services]
    life: timedelta
    kept: timedelta
    max_waiting: int


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A document that was handed in."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """A prepared document as its signer sees it; ``prepared`` is None once it was completed or has expired."""

    id: str
    state: str
    certificate: str
    digest: str
    expires_at: str
    prepared: PreparedDocument | None


def prepare(
    files: Sequence[GivenFile],
    wish: Wish,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    *,
    party: str,
    desk: SigningDesk,
) -> Waiting:
    """Keep what the signer's key is to sign.

    Raises WrongSigner for a certificate of another party, what judging that certificate raises, what
    ``prepare_document`` raises, and LimitExceeded when too many documents of the party wait.
    """
    now = desk.clock.now()
    found = desk.trust().validate(certificate, chain, now, "signature", revocation="ever")
    if found.party != party:
        raise WrongSigner("the certificate is of another party than the session")
    above = found.path[-2:0:-1]
    documents = [Document(each.name, BytesIO(each.content)) for each in files]
    prepared = prepare_document(documents, wish, certificate, above, desk.services(), at=now)
    row = _row(prepared, files, party)
    with desk.unit_of_work() as uow:
        lock_scope(uow.session, f"signing.prepared.{party}")
        _check_room(uow.session, party, format_utc(now), desk.max_waiting)
        uow.session.add(row)
        told = {"format": prepared.format, "level": str(prepared.level)}
        uow.emit(DOCUMENT_PREPARED.name, row.id, {"prepared": row.id, **told, "expires_at": row.expires_at})
        uow.commit()
    return _waiting(row, prepared)


def show(identifier: str, *, party: str, desk: SigningDesk) -> Waiting:
    """What waits, or what became of it; raises PreparedUnknown."""
    with desk.reading() as session:
        row = _find(session, identifier, party)
        if row.state != "prepared":
            return _waiting(row, None)
        if desk.clock.now() >= parse_utc(row.expires_at):
            return replace(_waiting(row, None), state="expired")
        return _waiting(row, _kept(row))


def document_of(identifier: str, *, party: str, desk: SigningDesk) -> tuple[PreparedDocument, bytes]:
    """The very document that is being signed; raises PreparedUnknown, PreparedExpired or PreparedCompleted."""
    with desk.reading() as session:
        row = _find(session, identifier, party)
        check_open(row.state, parse_utc(row.expires_at), desk.clock.now())
        return _kept(row), row.document or b""


def signed_document_of(identifier: str, *, party: str, desk: SigningDesk) -> bytes:
    """The signed document once more, for who lost the answer; raises PreparedUnknown when there is none."""
    with desk.reading() as session:
        row = _find(session, identifier, party)
        if row.signed is None:
            raise PreparedUnknown("the document has no signature yet, or it is no longer kept")
        return row.signed


def complete(identifier: str, signature: bytes, *, party: str, desk: SigningDesk) -> bytes:
    """The signed document, recorded as completed.

    Raises PreparedUnknown, PreparedExpired, PreparedCompleted, SignatureInvalid, what judging the certificate raises,
    which may have been revoked meanwhile, and what the services raise.
    """
    now = desk.clock.now()
    with desk.reading() as session:
        row = _find(session, identifier, party)
        check_open(row.state, parse_utc(row.expires_at), now)
        prepared = _kept(row)
    check_signature(prepared, signature)
    desk.trust().validate(prepared.certificate, prepared.chain, now, "signature", revocation="ever")
    signed = complete_document(prepared, signature, desk.services(), at=now)
    with desk.unit_of_work() as uow:
        lock_scope(uow.session, f"signing.prepared.{party}")
        row = _find(uow.session, identifier, party)
        # Whether it was in time is judged by when the value came, not by how long a stamp took.
        check_open(row.state, parse_utc(row.expires_at), now)
        row.state, row.completed_at = "completed", format_utc(now)
        row.ends_at = format_utc(now + desk.kept)
        row.signed, row.prepared, row.document = signed, None, None
        told = {"format": prepared.format, "level": str(prepared.level)}
        _make_room(uow.session, party, identifier, desk.max_waiting)
        uow.emit(DOCUMENT_SIGNED.name, row.id, {"prepared": row.id, **told, "digest": sha256_hex(signed)})
        uow.commit()
    return signed


def discard(identifier: str, *, party: str, desk: SigningDesk) -> None:
    """Forget a document, whatever its state; raises PreparedUnknown."""
    with desk.unit_of_work() as uow:
        uow.session.delete(_find(uow.session, identifier, party))
        uow.commit()


def tidying_is_due(desk: SigningDesk) -> bool:
    """Whether ``tidy_prepared`` would do anything, asked without the writer's lock."""
    now = format_utc(desk.clock.now())
    with desk.reading() as session:
        query = select(PreparedDocumentRow.id).where(PreparedDocumentRow.ends_at <= now).limit(1)
        return session.scalar(query) is not None


def tidy_prepared(desk: SigningDesk) -> int:
    """Expire what nobody completed, and remove what was kept long enough; returns how many. Safe to repeat."""
    now = desk.clock.now()
    with desk.unit_of_work() as uow:
        query = (
            select(PreparedDocumentRow)
            .where(PreparedDocumentRow.ends_at <= format_utc(now))
            .order_by(PreparedDocumentRow.id)
            .limit(_AT_ONCE)
        )
        rows = uow.session.scalars(locked(uow.session, query)).all()
        for row in rows:
            if row.state == "prepared":
                row.state, row.ends_at = "expired", format_utc(now + desk.kept)
                row.prepared = row.document = None
            else:
                uow.session.delete(row)
        uow.commit()
    return len(rows)


def _row(prepared: PreparedDocument, files: Sequence[GivenFile], party: str) -> PreparedDocumentRow:
    expires_at = format_utc(prepared.expires_at)
    # Of a container what it holds is in it; of anything else the one document is kept as it came.
    given = prepared.content if prepared.format == "asice" else files[0].content
    return PreparedDocumentRow(
        id=new_id(),
        party=party,
        certificate=fingerprint_of(prepared.certificate),
        digest=prepared.digest.hex(),
        state="prepared",
        prepared_at=format_utc(prepared.prepared_at),
        expires_at=expires_at,
        ends_at=expires_at,
        prepared=prepared.to_bytes(),
        document=given,
    )


def _check_room(session: Session, party: str, now: str, most: int) -> None:
    query = (
        select(func.count())
        .select_from(PreparedDocumentRow)
        .where(
            PreparedDocumentRow.party == party,
            PreparedDocumentRow.state == "prepared",
            PreparedDocumentRow.expires_at > now,
        )
    )
    if (session.scalar(query) or 0) >= most:
        raise LimitExceeded("too many documents of this party wait for their signature", limit=most)


def _make_room(session: Session, party: str, identifier: str, most: int) -> None:
    """Forget the oldest signed documents of the party beside this one: signing one after the other fills no disk."""
    oldest = (
        select(PreparedDocumentRow.id)
        .where(
            PreparedDocumentRow.party == party,
            PreparedDocumentRow.state == "completed",
            PreparedDocumentRow.id != identifier,
        )
        .order_by(PreparedDocumentRow.completed_at.desc(), PreparedDocumentRow.id.desc())
        .offset(most - 1)
    )
    gone = session.scalars(oldest).all()
    session.execute(delete(PreparedDocumentRow).where(PreparedDocumentRow.id.in_(gone[:_AT_ONCE])))


def _find(session: Session, identifier: str, party: str) -> PreparedDocumentRow:
    query = select(PreparedDocumentRow).where(PreparedDocumentRow.id == identifier)
    row = session.scalar(locked(session, query)) if is_id(identifier) else None
    if row is None or row.party != party:
        raise PreparedUnknown("there is no such prepared document")
    return row


def _kept(row: PreparedDocumentRow) -> PreparedDocument:
    assert row.prepared is not None
    return PreparedDocument.from_bytes(row.prepared)


def _waiting(row: PreparedDocumentRow, prepared: PreparedDocument | None) -> Waiting:
    return Waiting(row.id, row.state, row.certificate, row.digest, row.expires_at, prepared)
