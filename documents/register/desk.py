"""What the use cases of the register are handed, and on whose behalf an officer acts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy.orm import Session

from authenticity.errors import UnitForbidden
from authenticity.papers import MAX_PAPER_BYTES, Entry
from authenticity.rule import DatedRule, KindRule
from documents.register.store import DocumentStore
from kernel.clock import Clock
from kernel.database import lock_scope
from kernel.errors import Forbidden
from kernel.unit_of_work import UnitOfWork
from pki.papers import Paper, Papers, ReadPaper
from pki.registry import find_certificate
from signing.cms import signer_certificates
from signing.validation.report import ValidationReport

SECRETARY = "secretary"
TEHRAN = timezone(timedelta(hours=3, minutes=30), "Asia/Tehran")
# What an officer's clock may be ahead.
_AHEAD = timedelta(minutes=5)
_SCOPE = "documents.register"


class Actor(Protocol):
    """Who asks: a party that proved its certificate (SHA-256 ``fingerprint``) in this session, with its roles."""

    @property
    def party(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...

    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Unit:
    """A registered party as the register knows it; only an organisation issues documents."""

    party: str
    name: str
    is_organisation: bool


# Raises RuleBroken.
Check = Callable[[Entry, KindRule, bytes, ValidationReport | None], None]


@dataclass(frozen=True)
class RegisterLimits:
    """``document_bytes``: of one file; ``reserved`` identifiers of one party wait at once, each ``reserved_for``."""

    document_bytes: int
    reserved: int
    reserved_for: timedelta


@dataclass(frozen=True)
class RegisterDesk:
    """``unit`` finds a party, ``judge`` verifies the signatures of a file, ``check`` holds it against the rule."""

    unit_of_work: Callable[[], UnitOfWork]
    reading: Callable[[], AbstractContextManager[Session]]
    clock: Clock
    papers: Papers
    files: DocumentStore
    unit: Callable[[Session, str], Unit | None]
    rule: DatedRule
    judge: Callable[[bytes], ValidationReport]
    check: Check
    limits: RegisterLimits


def read_paper(paper: Paper, type_: str, *, actor: Actor, desk: RegisterDesk) -> tuple[ReadPaper, str | None]:
    """What an officer signed, and the organisation (O=) that his certificate names.

    Raises Forbidden without the role, or what ``Papers.read`` raises: for a certificate that was ever revoked too.
    """
    require_secretary(actor)
    read = desk.papers.read(paper, type_=type_, party=actor.party, max_bytes=MAX_PAPER_BYTES)
    return read, _organisation(signer_certificates(paper.signature)[0])


def require_secretary(actor: Actor) -> None:
    """Raises Forbidden unless the actor is an officer of the secretariat."""
    if SECRETARY not in actor.roles:
        raise Forbidden("this step belongs to another role", role=SECRETARY)


def require_unit(session: Session, party: str, organisation: str | None, desk: RegisterDesk) -> Unit:
    """The unit, if the organisation of a certificate is that one by its name; raises UnitForbidden."""
    unit = desk.unit(session, party)
    if unit is None or not unit.is_organisation or organisation != unit.name:
        raise UnitForbidden("the certificate names another organisation than this unit", unit=party)
    return unit


def require_own_unit(session: Session, party: str, *, actor: Actor, desk: RegisterDesk) -> Unit:
    """The same for a session, by the certificate that it was opened with."""
    found = find_certificate(session, actor.fingerprint)
    return require_unit(session, party, None if found is None else _organisation(found.certificate), desk)


def take_register(session: Session) -> None:
    """One writer after the other: digests, identifiers and states are judged while nobody else changes them."""
    lock_scope(session, _SCOPE)


def today(now: datetime) -> date:
    """The day in Tehran, where documents are dated."""
    return now.astimezone(TEHRAN).date()


def latest_day(now: datetime) -> date:
    """The last day that a paper may name as that of issuing."""
    return today(now + _AHEAD)


def _organisation(certificate: x509.Certificate) -> str | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(names[0].value) if len(names) == 1 else None
