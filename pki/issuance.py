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
from sqlalchemy import Table, and_, bindparam, or_, select
from sqlalchemy.orm import Session

from kernel.canonical import sha256_hex
from kernel.clock import Clock, format_utc
from kernel.database import lock_scope, locked
from kernel.errors import LimitExceeded, MalformedInput, NotFound, WrongState
from kernel.failpoints import reach
from kernel.held_writes import Change, Insertion, write_many
from kernel.unit_of_work import UnitOfWork
from pki.algorithms import der_of, fingerprint_of, spki_of
from pki.authority import new_serial
from pki.certified_keys import KEYS, HeldKey, WantedKey, judge_keys
from pki.errors import RenewalRefused
from pki.installation import Authority, FirstCertificate
from pki.names import Subject, name_of, party_of
from pki.orm import CertificateRequestRow, CertificateRow
from pki.profiles import profile_named
from pki.registry import (
    CERTIFICATE_ISSUED,
    INSTALLER,
    Actor,
    RecordedCertificate,
    recorded,
    require_registrar,
    serial_text,
)

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
_RECORD = Change("pki_certificates", "serial", ("state", "der", "fingerprint", "not_after"))
_GIVE_UP = Change("pki_certificates", "serial", ("state",))
_SETTLE = Change("pki_requests", "id", ("state", "fingerprint"))
# Statements are made once: building one takes longer than running it.
_certificate, _request = (
    cast(Table, CertificateRow.__table__).c,
    cast(Table, CertificateRequestRow.__table__).c,
)
_TAKE_REQUESTS = (
    select(
        _request.id,
        _request.state,
        _request.profile,
        _request.csr,
        _request.spki,
        _request.party,
        _request.name,
        _request.organization,
        _request.renews,
        _request.digest,
    )
    .where(_request.id.in_(bindparam("ids", expanding=True)))
    .order_by(_request.id)
    .with_for_update()
)
_HELD = select(
    _certificate.serial,
    _certificate.spki,
    _certificate.party,
    _certificate.profile,
    _certificate.request,
    _certificate.state,
    _certificate.reason,
).where(
    or_(
        _certificate.spki.in_(bindparam("keys", expanding=True)),
        and_(_certificate.request.in_(bindparam("ids", expanding=True)), _certificate.state == "intended"),
        _certificate.serial.in_(bindparam("serials", expanding=True)),
    )
)
_STILL_OURS = (
    select(_certificate.serial)
    .join(CertificateRequestRow.__table__, _request.id == _certificate.request)
    .where(_certificate.serial.in_(bindparam("serials", expanding=True)), _certificate.state == "intended")
    .where(_request.state == "approved")
    .order_by(_certificate.request)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class _Approved:
    """A request that may be issued."""

    id: str
    state: str
    profile: str
    csr: bytes
    spki: str
    party: str
    name: str
    organization: str | None
    renews: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class _Intent:
    """A serial number that is spent for a request."""

    request: _Approved
    serial: int
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
    KeyReused, RenewalRefused, MalformedInput or LimitExceeded.
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
        query = select(CertificateRow.serial, CertificateRow.request).where(
            CertificateRow.state == "intended"
        )
        intents = [(serial, request) for serial, request in uow.session.execute(locked(uow.session, query))]
        _abandon(uow, intents)
        uow.commit()
    return len(intents)


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
        kept = [recorded(row) for row in rows]
        uow.emit_many(CERTIFICATE_ISSUED, [issued_fact(each, None, INSTALLER) for each in kept])
        uow.commit()
    return kept


def _signed(authority: Authority, intent: _Intent, now: datetime) -> x509.Certificate:
    """The one place where certificates of requests are signed."""
    profile = profile_named(intent.request.profile)
    return authority.issue(
        intent.request.csr,
        profile,
        intent.subject,
        serial=intent.serial,
        now=now,
        expected=intent.issuer,
    )


def _intend(uow: UnitOfWork, ids: Sequence[str], by: str, issuer: str, at: str) -> list[_Intent]:
    requests = _take_approved(uow.session, ids)
    serials = _spend_serials(uow, requests)
    intents = [
        _Intent(each, serial, Subject(each.name, each.party, each.organization), issuer, by)
        for each, serial in zip(requests, serials, strict=True)
    ]
    write_many(uow.session, _INTEND, [_intended_row(intent, at) for intent in intents])
    return intents


def _take_approved(session: Session, ids: Sequence[str]) -> list[_Approved]:
    rows = session.connection().execute(_TAKE_REQUESTS, {"ids": list(ids)})
    found = {row.id: _Approved(*tuple(row)) for row in rows}
    for each in ids:
        if each not in found:
            raise NotFound("no such certificate request", request=each[:36])
        if found[each].state != "approved":
            raise WrongState("the request is not approved", request=each, state=found[each].state)
        if sha256_hex(found[each].csr) != found[each].digest:
            raise WrongState("the request is not the one that was approved", request=each)
    _require_presents(session, list(found.values()))
    return [found[each] for each in ids]


def _require_presents(session: Session, renewing: Sequence[_Approved]) -> None:
    """What a certificate asked for falls with it; one certificate has one that follows it, whoever asked at once."""
    renewed = [each.renews for each in renewing if each.renews is not None]
    if not renewed:
        return
    if len(set(renewed)) != len(renewed):
        raise RenewalRefused("one certificate has one that follows it")
    row = CertificateRow
    present = select(row.fingerprint).where(row.fingerprint.in_(renewed), row.state == "issued")
    if set(renewed) - set(session.scalars(locked(session, present.order_by(row.fingerprint)))):
        raise WrongState("the certificate to be renewed is not in force any more")
    following = select(row.fingerprint).join(CertificateRequestRow, CertificateRequestRow.id == row.request)
    following = following.where(
        CertificateRequestRow.renews.in_(renewed), row.state.in_(("issued", "suspended"))
    )
    follower = session.scalar(following.limit(1))
    if follower is not None:
        raise RenewalRefused("it was renewed meanwhile: go on from the new one", by=follower)


def _spend_serials(uow: UnitOfWork, requests: Sequence[_Approved]) -> list[int]:
    """A serial number for each that no certificate and no intent ever had, once their keys may be certified.

    What the record has of keys, earlier intents and proposed numbers is asked for in one statement.
    """
    lock_scope(uow.session, KEYS)
    wanted = [
        WantedKey(each.id, each.spki, each.party, each.profile, each.renews is not None) for each in requests
    ]
    ids = [each.id for each in requests]
    asked = {"keys": [each.spki for each in wanted], "ids": ids}
    serials: list[int] = []
    while len(serials) < len(requests):
        proposed = {new_serial() for _ in range(len(requests) - len(serials))} - set(serials)
        numbers = [serial_text(each) for each in proposed]
        rows = uow.session.connection().execute(_HELD, {**asked, "serials": numbers}).all()
        if not serials:
            judge_keys(wanted, [HeldKey(*row[1:]) for row in rows])
            _abandon(
                uow,
                [(row.serial, row.request) for row in rows if row.state == "intended" and row.request in ids],
            )
        spent = {row.serial for row in rows}
        serials += [each for each in proposed if serial_text(each) not in spent]
    return serials


def _intended_row(intent: _Intent, at: str) -> dict[str, Any]:
    request = intent.request
    return {
        "serial": serial_text(intent.serial),
        "request": request.id,
        "issuer": intent.issuer,
        "profile": request.profile,
        "party": request.party,
        "name": request.name,
        "spki": request.spki,
        "state": "intended",
        "intended_at": at,
        "intended_by": intent.by,
    }


def _abandon(uow: UnitOfWork, intents: Sequence[tuple[str, str | None]]) -> None:
    """Serials with their requests; what was announced is the serial that stays spent."""
    if intents:
        rows = [{"serial": serial, "state": "abandoned"} for serial, _request in intents]
        write_many(uow.session, _GIVE_UP, rows)
        uow.emit_many(
            INTENT_ABANDONED,
            [(request or serial, {"request": request, "serial": serial}) for serial, request in intents],
        )


def _check_still_ours(session: Session, intents: Sequence[_Intent]) -> None:
    """Neither was a request issued by somebody else, nor an intent abandoned, while we signed."""
    serials = [serial_text(intent.serial) for intent in intents]
    rows = session.connection().execute(_STILL_OURS, {"serials": serials})
    lost = set(serials) - set(rows.scalars())
    if lost:
        raise WrongState("a request was taken up by somebody else", serials=sorted(lost)[:10])
    _require_presents(session, [intent.request for intent in intents])


def _record(
    uow: UnitOfWork, intents: Sequence[_Intent], certificates: Sequence[x509.Certificate]
) -> list[RecordedCertificate]:
    done = [_recorded(intent, certificate) for intent, certificate in zip(intents, certificates, strict=True)]
    facts = [
        issued_fact(each, intent.request.id, intent.by) for intent, each in zip(intents, done, strict=True)
    ]
    # The events' numbers are asked for first: what is written behind them goes in one statement on PostgreSQL.
    uow.emit_many(CERTIFICATE_ISSUED, facts)
    write_many(uow.session, _RECORD, [_recorded_row(each) for each in done])
    write_many(
        uow.session,
        _SETTLE,
        [
            {"id": intent.request.id, "state": "issued", "fingerprint": each.fingerprint}
            for intent, each in zip(intents, done, strict=True)
        ],
    )
    return done


def _recorded_row(issued: RecordedCertificate) -> dict[str, Any]:
    return {
        "serial": serial_text(issued.serial),
        "state": "issued",
        "der": der_of(issued.certificate),
        "fingerprint": issued.fingerprint,
        "not_after": format_utc(issued.certificate.not_valid_after_utc),
    }


def _recorded(intent: _Intent, certificate: x509.Certificate) -> RecordedCertificate:
    return RecordedCertificate(
        fingerprint=fingerprint_of(certificate),
        serial=intent.serial,
        issuer=intent.issuer,
        profile=intent.request.profile,
        party=intent.subject.party,
        name=intent.subject.common_name,
        state="issued",
        certificate=certificate,
        revoked_at=None,
        reason=None,
    )


def issued_fact(issued: RecordedCertificate, request: str | None, by: str) -> tuple[str, dict[str, Any]]:
    """Subject and data of the event that announces a certificate."""
    certificate = issued.certificate
    return issued.fingerprint, {
        "fingerprint": issued.fingerprint,
        "serial": serial_text(issued.serial),
        "issuer": issued.issuer,
        "profile": issued.profile,
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
