"""Use cases of issuance: approved requests become certificates, one or a hundred in the same two transactions.

The first makes the intent and its serial number durable; then the certificate is signed; the second records it, and
announces it. Nothing is handed out before that. After a crash in between the serial number stays spent: the intent is
abandoned when its request is issued again, or when the server starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from cryptography import x509
from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from kernel.clock import Clock, format_utc
from kernel.database import locked
from kernel.errors import LimitExceeded, MalformedInput, WrongState
from kernel.failpoints import reach
from kernel.held_writes import Insertion, write_many
from kernel.unit_of_work import UnitOfWork
from pki.algorithms import der_of, fingerprint_of, spki_of
from pki.authority import new_serial
from pki.certified_keys import check_keys
from pki.installation import Authority, FirstCertificate
from pki.names import Subject, name_of, party_of
from pki.orm import CertificateRequestRow, CertificateRow
from pki.profiles import profile_named
from pki.registration import take_requests
from pki.registry import INSTALLER, Actor, RecordedCertificate, recorded, require_registrar, serial_text

CERTIFICATE_ISSUED = "ir.tehran.pki.certificate-issued.v1"
INTENT_ABANDONED = "ir.tehran.pki.certificate-abandoned.v1"
MAX_BATCH = 500
_INTEND = Insertion(
    "pki_certificates",
    (
        "serial",
        "request",
        "issuer",
        "profile",
        "party",
        "name",
        "spki",
        "state",
        "intended_at",
        "intended_by",
    ),
)
_CERTIFICATES = cast(Table, CertificateRow.__table__)
_REQUESTS = cast(Table, CertificateRequestRow.__table__)
_RECORD = (
    update(_CERTIFICATES)
    .where(_CERTIFICATES.c.serial == bindparam("of_serial"))
    .values({name: bindparam(f"new_{name}") for name in ("state", "der", "fingerprint", "not_after")})
)
_SETTLE = (
    update(_REQUESTS)
    .where(_REQUESTS.c.id == bindparam("of_request"))
    .values(state="issued", fingerprint=bindparam("new_fingerprint"))
)


@dataclass(frozen=True, slots=True)
class _Intent:
    """A serial number that is spent for a request."""

    request: str
    serial: int
    profile: str
    csr: bytes
    subject: Subject
    issuer: str
    by: str


def issue_request(
    request_id: str,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> RecordedCertificate:
    """Certify the key of one approved request. Raises as ``issue_batch``."""
    (issued,) = issue_batch(
        [request_id], actor=actor, unit_of_work=unit_of_work, clock=clock, authority=authority
    )
    return issued


def issue_batch(
    request_ids: Sequence[str],
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> list[RecordedCertificate]:
    """Certify the keys of approved requests for the subjects that were approved: all of them, or none.

    Raises Forbidden, NotFound, WrongState (not approved, issued already, or taken up by somebody else meanwhile),
    KeyReused, MalformedInput or LimitExceeded.
    """
    require_registrar(actor)
    return issue_approved(
        request_ids, by=actor.party, unit_of_work=unit_of_work, clock=clock, authority=authority
    )


def issue_approved(
    request_ids: Sequence[str],
    *,
    by: str,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> list[RecordedCertificate]:
    """As ``issue_batch``, where somebody else than a registrar had the right to ask, as for a renewal."""
    if not 0 < len(request_ids) <= MAX_BATCH:
        raise LimitExceeded("a batch has 1 to 500 requests", limit=MAX_BATCH)
    if len(set(request_ids)) != len(request_ids):
        raise MalformedInput("a batch names a request once")
    now = clock.now()
    reach("issue.intending")
    with unit_of_work() as uow:
        intents = _intend(uow, request_ids, by, authority.intermediate.name, format_utc(now))
        uow.commit()
    reach("issue.intended")
    certificates = [_signed(authority, intent, now) for intent in intents]
    reach("issue.signed")
    with unit_of_work() as uow:
        _check_still_ours(uow.session, intents)
        issued = _record(uow, intents, certificates)
        uow.commit()
    reach("issue.recorded")
    return issued


def abandon_intents(*, unit_of_work: Callable[[], UnitOfWork]) -> int:
    """Give up every intent: called when a server starts, before anybody can issue. Returns how many there were.

    No certificate of such an intent was handed out, because that comes after it is recorded.
    """
    with unit_of_work() as uow:
        query = select(CertificateRow).where(CertificateRow.state == "intended")
        count = _abandon(uow, uow.session.scalars(locked(uow.session, query)).all())
        uow.commit()
    return count


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
        rows = [_first(first, format_utc(clock.now())) for first in new]
        uow.session.add_all(rows)
        uow.session.flush()
        facts = [_issued_fact(row.issuer, row.profile, None, INSTALLER, recorded(row)) for row in rows]
        uow.emit_many(CERTIFICATE_ISSUED, facts)
        kept = [recorded(row) for row in rows]
        uow.commit()
    return kept


def _signed(authority: Authority, intent: _Intent, now: datetime) -> x509.Certificate:
    """The one place where certificates of requests are signed."""
    return authority.issue(
        intent.csr, profile_named(intent.profile), intent.subject, serial=intent.serial, now=now
    )


def _intend(uow: UnitOfWork, ids: Sequence[str], by: str, issuer: str, at: str) -> list[_Intent]:
    requests = take_requests(uow.session, ids, "approved")
    check_keys(uow.session, [(each, each.party or "") for each in requests])
    query = select(CertificateRow).where(CertificateRow.request.in_(ids), CertificateRow.state == "intended")
    _abandon(uow, uow.session.scalars(query).all())
    serials = _new_serials(uow.session, len(requests))
    intents = [
        _Intent(each.id, serial, each.profile, each.csr, _subject(each), issuer, by)
        for each, serial in zip(requests, serials, strict=True)
    ]
    write_many(
        uow.session,
        _INTEND,
        [
            {
                "serial": serial_text(intent.serial),
                "request": intent.request,
                "issuer": issuer,
                "profile": intent.profile,
                "party": intent.subject.party,
                "name": intent.subject.common_name,
                "spki": request.spki,
                "state": "intended",
                "intended_at": at,
                "intended_by": by,
            }
            for intent, request in zip(intents, requests, strict=True)
        ],
    )
    return intents


def _subject(request: CertificateRequestRow) -> Subject:
    if request.party is None or request.name is None:
        raise WrongState("the request names no subject", request=request.id)
    return Subject(request.name, request.party, request.organization)


def _new_serials(session: Session, count: int) -> list[int]:
    """Numbers that no certificate and no intent ever had."""
    found: list[int] = []
    while len(found) < count:
        proposed = {new_serial() for _ in range(count - len(found))} - set(found)
        query = select(CertificateRow.serial).where(
            CertificateRow.serial.in_([serial_text(each) for each in proposed])
        )
        spent = set(session.scalars(query))
        found += [each for each in proposed if serial_text(each) not in spent]
    return found


def _abandon(uow: UnitOfWork, rows: Sequence[CertificateRow]) -> int:
    for row in rows:
        row.state = "abandoned"
    if rows:
        uow.session.flush()
        uow.emit_many(
            INTENT_ABANDONED,
            [
                (
                    row.request or row.serial,
                    {"request": row.request, "serial": row.serial, "issuer": row.issuer},
                )
                for row in rows
            ],
        )
    return len(rows)


def _check_still_ours(session: Session, intents: Sequence[_Intent]) -> None:
    """Neither was a request issued by somebody else, nor an intent abandoned, while we signed."""
    take_requests(session, [intent.request for intent in intents], "approved")
    serials = [serial_text(intent.serial) for intent in intents]
    query = select(CertificateRow.serial).where(
        CertificateRow.serial.in_(serials), CertificateRow.state == "intended"
    )
    lost = set(serials) - set(session.scalars(query))
    if lost:
        raise WrongState("a request was taken up by somebody else", serials=sorted(lost)[:10])


def _record(
    uow: UnitOfWork, intents: Sequence[_Intent], certificates: Sequence[x509.Certificate]
) -> list[RecordedCertificate]:
    done = [_recorded(intent, certificate) for intent, certificate in zip(intents, certificates, strict=True)]
    connection = uow.session.connection()
    connection.execute(
        _RECORD,
        [
            {
                "of_serial": serial_text(each.serial),
                "new_state": "issued",
                "new_der": der_of(each.certificate),
                "new_fingerprint": each.fingerprint,
                "new_not_after": format_utc(each.certificate.not_valid_after_utc),
            }
            for each in done
        ],
    )
    connection.execute(
        _SETTLE,
        [
            {"of_request": intent.request, "new_fingerprint": each.fingerprint}
            for intent, each in zip(intents, done, strict=True)
        ],
    )
    facts = [
        _issued_fact(each.issuer, each.profile, intent.request, intent.by, each)
        for intent, each in zip(intents, done, strict=True)
    ]
    uow.emit_many(CERTIFICATE_ISSUED, facts)
    return done


def _recorded(intent: _Intent, certificate: x509.Certificate) -> RecordedCertificate:
    return RecordedCertificate(
        fingerprint=fingerprint_of(certificate),
        serial=intent.serial,
        issuer=intent.issuer,
        profile=intent.profile,
        party=intent.subject.party,
        name=intent.subject.common_name,
        state="issued",
        certificate=certificate,
        revoked_at=None,
        reason=None,
    )


def _issued_fact(
    issuer: str, profile: str, request: str | None, by: str, issued: RecordedCertificate
) -> tuple[str, dict[str, Any]]:
    certificate = issued.certificate
    return issued.fingerprint, {
        "fingerprint": issued.fingerprint,
        "serial": serial_text(issued.serial),
        "issuer": issuer,
        "profile": profile,
        "party": issued.party,
        "not_before": format_utc(certificate.not_valid_before_utc),
        "not_after": format_utc(certificate.not_valid_after_utc),
        "request": request,
        "by": by,
    }


def _first(first: FirstCertificate, at: str) -> CertificateRow:
    certificate = first.certificate
    return CertificateRow(
        serial=serial_text(certificate.serial_number),
        issuer=first.issuer,
        profile=first.profile,
        party=party_of(certificate),
        name=name_of(certificate),
        spki=spki_of(certificate.public_key()),
        state="issued",
        intended_at=at,
        intended_by=INSTALLER,
        fingerprint=fingerprint_of(certificate),
        der=der_of(certificate),
        not_after=format_utc(certificate.not_valid_after_utc),
    )
