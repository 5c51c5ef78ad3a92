"""The record of certificates: what was issued, found by party, name, serial, fingerprint, profile, state or end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from kernel.clock import format_utc
from kernel.errors import Forbidden, MalformedInput
from pki.name_search import name_has
from pki.orm import CertificateRow

CERTIFICATE_ISSUED = "ir.tehran.pki.certificate-issued.v1"
INSTALLER = "installation"
MAX_FOUND = 1_000
_STATES = frozenset({"issued", "suspended", "revoked"})


class Actor(Protocol):
    """Who is asking: a party and the roles it holds in this session."""

    @property
    def party(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...


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


@dataclass(frozen=True, slots=True)
class Search:
    """What certificates are looked for by; all that is given must fit.

    ``name``: a part of the common name, folded (``name_search``).
    ``expires_until``: still valid, and over by then. ``after``: the serial (40 hex digits) where the page before ended.
    """

    party: str | None = None
    name: str | None = None
    serial: str | None = None
    fingerprint: str | None = None
    profile: str | None = None
    state: str | None = None
    expires_until: datetime | None = None
    after: str | None = None
    limit: int = 100


def find_certificate(session: Session, fingerprint: str) -> RecordedCertificate | None:
    """What is recorded under that fingerprint, if anything."""
    row = session.scalar(select(CertificateRow).where(CertificateRow.fingerprint == fingerprint))
    return None if row is None else recorded(row)


def certificates_of(session: Session, party: str, profile: str | None = None) -> list[RecordedCertificate]:
    """The certificates of a party, the latest last."""
    query = select(CertificateRow).where(
        CertificateRow.party == party, CertificateRow.fingerprint.is_not(None)
    )
    if profile is not None:
        query = query.where(CertificateRow.profile == profile)
    return [recorded(row) for row in session.scalars(query.order_by(CertificateRow.intended_at))]


def search_certificates(session: Session, search: Search, *, now: datetime) -> list[RecordedCertificate]:
    """What was issued and fits, in the order of serial numbers, at most ``search.limit``; raises MalformedInput."""
    if not 0 < search.limit <= MAX_FOUND:
        raise MalformedInput("a page holds 1 to 1,000 certificates", limit=search.limit)
    if search.state is not None and search.state not in _STATES:
        raise MalformedInput(
            "no such state of a certificate", state=search.state[:32], states=sorted(_STATES)
        )
    query = select(CertificateRow).where(CertificateRow.fingerprint.is_not(None))
    query = _narrowed(query, search, format_utc(now))
    rows = session.scalars(query.order_by(CertificateRow.serial).limit(search.limit))
    return [recorded(row) for row in rows]


def require_registrar(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a registrar."""
    if "registrar" not in actor.roles:
        raise Forbidden("this step belongs to another role", role="registrar")


def serial_text(serial: int) -> str:
    """40 lower-case hexadecimal digits."""
    return f"{serial:040x}"


def recorded(row: CertificateRow) -> RecordedCertificate:
    """A row that was signed; raises MalformedInput for an intent."""
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


def _narrowed(query: Select[CertificateRow], search: Search, now: str) -> Select[CertificateRow]:
    exactly = (
        (CertificateRow.party, search.party),
        (CertificateRow.serial, None if search.serial is None else search.serial.lower().rjust(40, "0")),
        (CertificateRow.fingerprint, search.fingerprint),
        (CertificateRow.profile, search.profile),
        (CertificateRow.state, search.state),
    )
    for column, wanted in exactly:
        if wanted is not None:
            query = query.where(column == wanted)
    if search.name is not None:
        query = query.where(name_has(CertificateRow.name, search.name))
    if search.expires_until is not None:
        until = format_utc(search.expires_until)
        query = query.where(CertificateRow.not_after > now, CertificateRow.not_after <= until)
    if search.after is not None:
        query = query.where(CertificateRow.serial > search.after)
    return query
