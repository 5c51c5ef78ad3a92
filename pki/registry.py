"""Use cases of registration: enter a request, issue it, find what was issued.

Issuing has two transactions: the first makes the intent and its serial number durable, then the certificate
is signed, and the second records it and announces it. After a crash in between, the serial number stays spent
and the intent is marked abandoned when the request is issued again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.canonical import sha256_hex
from kernel.clock import Clock, format_utc
from kernel.database import lock_scope, locked
from kernel.errors import Forbidden, LimitExceeded, MalformedInput, NotFound, WrongState
from kernel.ids import new_id
from kernel.unit_of_work import UnitOfWork
from pki.algorithms import der_of, fingerprint_of
from pki.authority import check_csr, new_serial
from pki.installation import Authority, FirstCertificate
from pki.names import Subject, name_of, party_of
from pki.orm import CertificateRequestRow, CertificateRow
from pki.profiles import profile_named

CERTIFICATE_ISSUED = "ir.tehran.pki.certificate-issued.v1"
_REQUESTS = "pki.requests"
MAX_OPEN_REQUESTS = 10_000
INSTALLER = "installation"


class Actor(Protocol):
    """Who is asking: a party and the roles it holds in this session."""

    @property
    def party(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class EnterRequest:
    """``csr`` in PEM or DER; ``profile`` one of those that may be asked for from outside."""

    profile: str
    csr: bytes


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """``state``: ``entered`` or ``issued``; the certificate once there is one."""

    id: str
    profile: str
    state: str
    certificate: x509.Certificate | None


@dataclass(frozen=True, slots=True)
class RecordedCertificate:
    """``state``: ``issued`` or ``revoked`` (then with time and reason)."""

    fingerprint: str
    serial: int
    issuer: str
    profile: str
    party: str
    name: str
    state: str
    certificate: x509.Certificate
    revoked_at: str | None
    reason: str | None


def enter_request(
    command: EnterRequest, *, unit_of_work: Callable[[], UnitOfWork], clock: Clock
) -> CertificateRequest:
    """Keep a request with proof of possession; entering the same one again gives the one that is there.

    Raises RequestInvalid, MalformedInput, LimitExceeded, or Forbidden for profiles that the installation
    gives itself.
    """
    profile = profile_named(command.profile)
    if not profile.from_outside:
        raise Forbidden("this profile is not given on request", profile=profile.name)
    csr = check_csr(command.csr, profile).public_bytes(Encoding.DER)
    with unit_of_work() as uow:
        lock_scope(uow.session, _REQUESTS)
        row = _known_request(uow.session, profile.name, sha256_hex(csr))
        if row is None:
            _check_room(uow.session)
            row = CertificateRequestRow(
                id=new_id(),
                profile=profile.name,
                digest=sha256_hex(csr),
                csr=csr,
                state="entered",
                entered_at=format_utc(clock.now()),
            )
            uow.session.add(row)
        entered = _request(uow.session, row)
        uow.commit()
    return entered


def issue_request(
    request_id: str,
    party: str,
    name: str,
    organization: str | None,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> RecordedCertificate:
    """Certify the key of a request for the subject that the registrar names.

    Raises Forbidden, NotFound, WrongState (issued already, or by somebody else meanwhile) or MalformedInput.
    """
    require_registrar(actor)
    subject = Subject(name, party, organization)
    now = clock.now()
    with unit_of_work() as uow:
        request = _open_request(uow.session, request_id)
        profile, csr = profile_named(request.profile), request.csr
        _abandon_intents(uow.session, request_id)
        issuer = authority.intermediate.name
        serial = _intend(uow.session, request, subject, issuer, actor.party, format_utc(now))
        uow.commit()
    certificate = authority.issue(csr, profile, subject, serial=serial, now=now, expected=issuer)
    with unit_of_work() as uow:
        row = uow.session.get_one(CertificateRow, serial_text(serial))
        request = _open_request(uow.session, request_id)
        if row.state != "intended":
            raise WrongState("the request was taken up by somebody else")
        request.state, request.fingerprint = "issued", fingerprint_of(certificate)
        _complete(uow, row, certificate)
        recorded = _recorded(row)
        uow.commit()
    return recorded


def record_authority(
    authority: Authority, *, unit_of_work: Callable[[], UnitOfWork], clock: Clock
) -> list[RecordedCertificate]:
    """Record and announce what was certified before there was a registry, once."""
    with unit_of_work() as uow:
        new = [
            first
            for first in authority.first_certificates()
            if uow.session.get(CertificateRow, serial_text(first.certificate.serial_number)) is None
        ]
        rows = [_record_first(uow, first, format_utc(clock.now())) for first in new]
        recorded = [_recorded(row) for row in rows]
        uow.commit()
    return recorded


def find_request(session: Session, request_id: str) -> CertificateRequest:
    """Raises NotFound."""
    row = session.get(CertificateRequestRow, request_id)
    if row is None:
        raise NotFound("no such certificate request")
    return _request(session, row)


def open_requests(session: Session, limit: int = 100) -> list[CertificateRequest]:
    """The requests that wait for a registrar, oldest first."""
    query = select(CertificateRequestRow).where(CertificateRequestRow.state == "entered")
    rows = session.scalars(query.order_by(CertificateRequestRow.id).limit(limit))
    return [_request(session, row) for row in rows]


def find_certificate(session: Session, fingerprint: str) -> RecordedCertificate | None:
    """What is recorded under that fingerprint, if anything."""
    row = session.scalar(select(CertificateRow).where(CertificateRow.fingerprint == fingerprint))
    return None if row is None else _recorded(row)


def certificates_of(session: Session, party: str, profile: str | None = None) -> list[RecordedCertificate]:
    """The certificates of a party, the latest last."""
    query = select(CertificateRow).where(
        CertificateRow.party == party, CertificateRow.fingerprint.is_not(None)
    )
    if profile is not None:
        query = query.where(CertificateRow.profile == profile)
    return [_recorded(row) for row in session.scalars(query.order_by(CertificateRow.intended_at))]


def require_registrar(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a registrar."""
    if "registrar" not in actor.roles:
        raise Forbidden("this step belongs to another role", role="registrar")


def serial_text(serial: int) -> str:
    """40 lower-case hexadecimal digits."""
    return f"{serial:040x}"


def _known_request(session: Session, profile: str, digest: str) -> CertificateRequestRow | None:
    return session.scalar(
        select(CertificateRequestRow).where(
            CertificateRequestRow.profile == profile, CertificateRequestRow.digest == digest
        )
    )


def _check_room(session: Session) -> None:
    query = select(func.count()).where(CertificateRequestRow.state == "entered")
    if session.scalars(query).one() >= MAX_OPEN_REQUESTS:
        raise LimitExceeded("too many requests wait for a registrar", limit=MAX_OPEN_REQUESTS)


def _open_request(session: Session, request_id: str) -> CertificateRequestRow:
    row = session.scalar(
        locked(session, select(CertificateRequestRow).where(CertificateRequestRow.id == request_id))
    )
    if row is None:
        raise NotFound("no such certificate request")
    if row.state != "entered":
        raise WrongState("the request was issued already", state=row.state)
    return row


def _abandon_intents(session: Session, request_id: str) -> None:
    query = select(CertificateRow).where(
        CertificateRow.request == request_id, CertificateRow.state == "intended"
    )
    for row in session.scalars(query):
        row.state = "abandoned"


def _intend(
    session: Session, request: CertificateRequestRow, subject: Subject, issuer: str, actor: str, at: str
) -> int:
    serial = new_serial()
    while session.get(CertificateRow, serial_text(serial)) is not None:
        serial = new_serial()
    session.add(
        CertificateRow(
            serial=serial_text(serial),
            request=request.id,
            issuer=issuer,
            profile=request.profile,
            party=subject.party,
            name=subject.common_name,
            state="intended",
            intended_at=at,
            intended_by=actor,
        )
    )
    return serial


def _complete(uow: UnitOfWork, row: CertificateRow, certificate: x509.Certificate) -> None:
    row.state = "issued"
    row.der = der_of(certificate)
    row.fingerprint = fingerprint_of(certificate)
    uow.emit(
        CERTIFICATE_ISSUED,
        row.fingerprint,
        {
            "fingerprint": row.fingerprint,
            "serial": row.serial,
            "issuer": row.issuer,
            "profile": row.profile,
            "party": row.party,
            "not_before": format_utc(certificate.not_valid_before_utc),
            "not_after": format_utc(certificate.not_valid_after_utc),
        },
    )


def _record_first(uow: UnitOfWork, first: FirstCertificate, at: str) -> CertificateRow:
    certificate = first.certificate
    row = CertificateRow(
        serial=serial_text(certificate.serial_number),
        issuer=first.issuer,
        profile=first.profile,
        party=party_of(certificate),
        name=name_of(certificate),
        state="intended",
        intended_at=at,
        intended_by=INSTALLER,
    )
    uow.session.add(row)
    _complete(uow, row, certificate)
    return row


def _request(session: Session, row: CertificateRequestRow) -> CertificateRequest:
    found = None if row.fingerprint is None else find_certificate(session, row.fingerprint)
    return CertificateRequest(row.id, row.profile, row.state, None if found is None else found.certificate)


def _recorded(row: CertificateRow) -> RecordedCertificate:
    if row.der is None or row.fingerprint is None:
        raise MalformedInput("the certificate was never signed", serial=row.serial)
    return RecordedCertificate(
        fingerprint=row.fingerprint,
        serial=int(row.serial, 16),
        issuer=row.issuer,
        profile=row.profile,
        party=row.party,
        name=row.name,
        state=row.state,
        certificate=x509.load_der_x509_certificate(row.der),
        revoked_at=row.revoked_at,
        reason=row.reason,
    )
