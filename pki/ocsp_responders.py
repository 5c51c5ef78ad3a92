"""The delegated OCSP responder (RFC 6960 §4.2.2.2): one key, certified by each authority whose answers it signs.

So one answer about certificates of several authorities has a signature that each of them stands for, and no
authority's own key signs answers. Certificates are short-lived, never checked themselves, and renewed at half of
their life wherever the authority's key is at hand; where it is not, answers end with the last certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.clock import Clock, format_utc
from kernel.database import lock_scope, locked
from kernel.unit_of_work import UnitOfWork
from pki.algorithms import PrivateKey, der_of, fingerprint_of, spki_of
from pki.authority import issue, make_request, new_serial
from pki.errors import KeyUnavailable
from pki.installation import Authority
from pki.issuance import issued_fact
from pki.issuers import Issuer
from pki.names import Subject, name_of, party_of
from pki.orm import CertificateRow, note_status_change
from pki.profiles import OCSP_RESPONDER
from pki.registry import CERTIFICATE_ISSUED, INSTALLER, recorded, serial_text

RESPONDER_KEY = "ocsp"
_SCOPE = "pki.ocsp-responders"
_SUFFIX, _MAX_PARTY, _MAX_NAME = "-OCSP", 64, 64


@dataclass(frozen=True, slots=True)
class Responder:
    """The key, and its certificate by the name of the issuer."""

    key: PrivateKey = field(compare=False)
    certificates: dict[str, x509.Certificate]
    ders: dict[str, bytes] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        ders = {name: der_of(certificate) for name, certificate in self.certificates.items()}
        object.__setattr__(self, "ders", ders)

    def certificate_for(self, issuer: str, now: datetime) -> x509.Certificate | None:
        """The certificate of that issuer, if it is valid."""
        found = self.certificates.get(issuer)
        if found is None or not found.not_valid_before_utc <= now < found.not_valid_after_utc:
            return None
        return found


def load_responder(session: Session, authority: Authority) -> Responder | None:
    """The key with the newest certificate of each issuer; None before there is any.

    A certificate that was revoked, or that is for another key, is not used.
    """
    try:
        key = authority.keys.load(RESPONDER_KEY)
    except KeyUnavailable:
        return None
    certificates = {}
    for issuer in authority.answered_for:
        found = _newest(session, issuer.name, key)
        if found is not None:
            certificates[issuer.name] = found
    return Responder(key, certificates) if certificates else None


def responders_are_due(session: Session, authority: Authority, now: datetime) -> list[str]:
    """The issuers whose certificate for the responder is missing or past half of its life."""
    responder = load_responder(session, authority)
    certificates = {} if responder is None else responder.certificates
    return [each.name for each in authority.issuers if _is_due(certificates.get(each.name), now)]


def renew_responders(
    *, unit_of_work: Callable[[], UnitOfWork], clock: Clock, authority: Authority
) -> list[x509.Certificate]:
    """Certify the responder's key anew wherever that is due, making it if there is none; gives the new ones.

    As with every certificate the intent and its serial number are durable before anything is signed; what a crash
    left behind is marked as abandoned.
    """
    now = clock.now()
    with unit_of_work() as uow:
        lock_scope(uow.session, _SCOPE)
        due = [authority.issuer(name) for name in responders_are_due(uow.session, authority, now)]
        if not due:
            return []
        _abandon_intents(uow.session)
        key = _key_of(authority)
        intents = [(issuer, _subject(issuer), _intend(uow.session, issuer, now)) for issuer in due]
        uow.commit()
    made = {
        serial: issue(
            make_request(key, subject),
            OCSP_RESPONDER,
            subject,
            issuer.key,
            issuer.certificate,
            serial=serial,
            now=now,
        )
        for issuer, subject, serial in intents
    }
    with unit_of_work() as uow:
        lock_scope(uow.session, _SCOPE)
        completed = [each for serial, each in made.items() if _complete(uow, serial, each)]
        uow.commit()
    return completed


def _key_of(authority: Authority) -> PrivateKey:
    if RESPONDER_KEY in authority.keys.names():
        return authority.keys.load(RESPONDER_KEY)
    return authority.keys.create(RESPONDER_KEY)


def _newest(session: Session, issuer: str, key: PrivateKey) -> x509.Certificate | None:
    query = (
        select(CertificateRow.der)
        .where(
            CertificateRow.issuer == issuer,
            CertificateRow.profile == OCSP_RESPONDER.name,
            CertificateRow.state == "issued",
        )
        .order_by(CertificateRow.intended_at.desc())
        .limit(1)
    )
    der = session.scalar(query)
    if der is None:
        return None
    certificate = x509.load_der_x509_certificate(der)
    return certificate if certificate.public_key() == key.public_key() else None


def _is_due(certificate: x509.Certificate | None, now: datetime) -> bool:
    if certificate is None:
        return True
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return not starts <= now < starts + (ends - starts) / 2


def _subject(issuer: Issuer) -> Subject:
    party = party_of(issuer.certificate)[: _MAX_PARTY - len(_SUFFIX)] + _SUFFIX
    return Subject(f"{name_of(issuer.certificate)[: _MAX_NAME - 5].rstrip()} OCSP", party)


def _abandon_intents(session: Session) -> None:
    query = select(CertificateRow).where(
        CertificateRow.profile == OCSP_RESPONDER.name, CertificateRow.state == "intended"
    )
    for row in session.scalars(locked(session, query)):
        row.state = "abandoned"


def _intend(session: Session, issuer: Issuer, now: datetime) -> int:
    serial, subject = new_serial(), _subject(issuer)
    while session.get(CertificateRow, serial_text(serial)) is not None:
        serial = new_serial()
    session.add(
        CertificateRow(
            serial=serial_text(serial),
            issuer=issuer.name,
            profile=OCSP_RESPONDER.name,
            party=subject.party,
            name=subject.common_name,
            state="intended",
            intended_at=format_utc(now),
            intended_by=INSTALLER,
        )
    )
    return serial


def _complete(uow: UnitOfWork, serial: int, certificate: x509.Certificate) -> bool:
    row = uow.session.get_one(CertificateRow, serial_text(serial))
    if row.state != "intended":
        return False
    row.state, row.der, row.fingerprint = "issued", der_of(certificate), fingerprint_of(certificate)
    note_status_change(uow.session, row.serial)
    row.spki = spki_of(certificate.public_key())
    row.not_after = format_utc(certificate.not_valid_after_utc)
    uow.emit_many(CERTIFICATE_ISSUED, [issued_fact(recorded(row), None, INSTALLER)])
    return True
