"""Use cases of registration: a request, the application of one registrar, the decision of another, the hand-over.

entered -> applied -> approved -> issued -> handed-over, or rejected in place of approved. Application and decision are
papers that their authors sign; nobody decides on what he entered. Issuing stands in issuance.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.canonical import parse_canonical, sha256_hex
from kernel.clock import Clock, format_utc
from kernel.database import lock_scope, locked
from kernel.errors import Forbidden, FourEyes, LimitExceeded, MalformedInput, NotFound, WrongState
from kernel.ids import new_id
from kernel.unit_of_work import UnitOfWork
from pki.algorithms import spki_of
from pki.authority import check_csr
from pki.certified_keys import WantedKey, check_keys
from pki.names import Subject
from pki.orm import ApplicationRow, CertificateRequestRow
from pki.papers import APPLICATION, DECISION, Application, Decision, Paper, Papers, ReadPaper
from pki.profiles import profile_named
from pki.registry import INSTALLER, Actor, find_certificate, require_registrar

REQUEST_ENTERED = "ir.tehran.pki.certificate-requested.v1"
REQUEST_LAPSED = "ir.tehran.pki.certificate-request-lapsed.v1"
APPLIED = "ir.tehran.pki.certificate-applied.v1"
APPROVED = "ir.tehran.pki.certificate-approved.v1"
REJECTED = "ir.tehran.pki.certificate-rejected.v1"
HANDED_OVER = "ir.tehran.pki.certificate-handed-over.v1"
REQUESTS = "pki.requests"
MAX_OPEN_REQUESTS = 10_000
TAKEN_UP_WITHIN = timedelta(days=14)
_LAPSE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class EnterRequest:
    """``csr`` in PEM or DER; ``profile`` one of those that may be asked for from outside."""

    profile: str
    csr: bytes


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """``state``: see above; ``digest``: SHA-256 of the CSR; party and application once they are known; ``reason`` of a
    rejection."""

    id: str
    profile: str
    state: str
    digest: str
    party: str | None
    application: str | None
    reason: str | None
    certificate: x509.Certificate | None


@dataclass(frozen=True, slots=True)
class RecordedApplication:
    """``state``: ``applied``, ``approved`` or ``rejected``; ``decision`` once there is one."""

    digest: str
    state: str
    party: str
    entered_by: str
    requests: tuple[str, ...]
    paper: Paper = field(repr=False)
    decision: Paper | None = field(repr=False)


def enter_request(
    command: EnterRequest,
    *,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    actor: Actor | None = None,
) -> CertificateRequest:
    """Keep a request with proof of possession; entering the same one again gives the one that is there.

    Anybody may ask, so strangers can fill the room: a registrar enters requests all the same, and what nobody
    took up for ``TAKEN_UP_WITHIN`` makes room.

    Raises RequestInvalid, MalformedInput, LimitExceeded, or Forbidden for profiles that the installation
    gives itself.
    """
    profile = profile_named(command.profile)
    if not profile.from_outside:
        raise Forbidden("this profile is not given on request", profile=profile.name)
    csr = check_csr(command.csr, profile)
    with unit_of_work() as uow:
        lock_scope(uow.session, REQUESTS)
        row = known_request(uow.session, profile.name, csr)
        if row is None:
            if actor is None or "registrar" not in actor.roles:
                _check_room(uow, clock.now())
            row = new_request(uow, profile.name, csr, format_utc(clock.now()))
        entered = _request(uow.session, row)
        uow.commit()
    return entered


def apply_for(
    paper: Paper, *, actor: Actor, unit_of_work: Callable[[], UnitOfWork], clock: Clock, papers: Papers
) -> RecordedApplication:
    """Keep what a registrar established about the subject of one or several requests; twice the same paper is once.

    Raises Forbidden, NotFound, WrongState, KeyReused, MalformedInput (also where the requests are others than the paper
    says), or what ``Papers.read`` raises.
    """
    require_registrar(actor)
    read = papers.read(paper, type_=APPLICATION, party=actor.party)
    application = Application.from_document(read.content, clock.now())
    with unit_of_work() as uow:
        known = uow.session.get(ApplicationRow, read.digest)
        if known is not None and known.entered_by == actor.party:
            return _application(uow.session, known)
        requests = take_requests(uow.session, sorted(application.requests), "entered")
        for request in requests:
            if request.digest != application.requests[request.id]:
                raise MalformedInput("the application names another certificate request", request=request.id)
        check_keys(uow.session, [wanted_key(each, application.subject.party) for each in requests])
        at = format_utc(clock.now())
        row = _applied(read, paper, application.subject.party, actor.party, at)
        uow.session.add(row)
        uow.session.flush()
        for request in requests:
            _name_subject(request, application.subject)
            request.state, request.application = "applied", row.digest
        facts = _application_facts(requests, application, read, actor)
        uow.emit_many(APPLIED, facts)
        uow.session.flush()
        kept = _application(uow.session, row)
        uow.commit()
    return kept


def decide(
    paper: Paper, *, actor: Actor, unit_of_work: Callable[[], UnitOfWork], clock: Clock, papers: Papers
) -> RecordedApplication:
    """Approve or reject an application that another registrar entered; twice the same paper is once.

    Raises Forbidden, FourEyes, NotFound, WrongState, MalformedInput, or what ``Papers.read`` raises.
    """
    require_registrar(actor)
    read = papers.read(paper, type_=DECISION, party=actor.party)
    decision = Decision.from_document(read.content)
    state = "approved" if decision.approved else "rejected"
    with unit_of_work() as uow:
        row = _taken_application(uow.session, decision.application)
        if row.decision == paper.document and row.decided_by == actor.party:
            return _application(uow.session, row)
        if row.state != "applied":
            raise WrongState("the application was decided already", state=row.state)
        if actor.party in (row.entered_by, row.party):
            raise FourEyes(
                "an application is decided by another registrar than who entered it or is its subject"
            )
        row.state, row.decided_by, row.decided_at = state, actor.party, format_utc(clock.now())
        row.decision, row.decision_signature = paper.document, paper.signature
        requests = take_requests(uow.session, _requests_of(uow.session, row.digest), "applied")
        for request in requests:
            request.state = state
        type_ = APPROVED if decision.approved else REJECTED
        uow.emit_many(type_, [(each.id, _decided(each, row, read, actor)) for each in requests])
        uow.session.flush()
        kept = _application(uow.session, row)
        uow.commit()
    return kept


def admit_at_installation(
    request_id: str, subject: Subject, *, unit_of_work: Callable[[], UnitOfWork], clock: Clock
) -> None:
    """Approve without papers, because there is no registrar yet: for ``mohr init`` alone, never over HTTP.

    Raises NotFound, WrongState, or KeyReused.
    """
    with unit_of_work() as uow:
        (request,) = take_requests(uow.session, [request_id], "entered")
        check_keys(uow.session, [wanted_key(request, subject.party)])
        _name_subject(request, subject)
        request.state = "approved"
        data = {"request": request.id, "csr": request.digest, "party": subject.party, "by": INSTALLER}
        uow.emit(
            APPROVED, request.id, {**data, "profile": request.profile, "application": None, "digest": None}
        )
        uow.commit()


def hand_over(request_id: str, *, actor: Actor, unit_of_work: Callable[[], UnitOfWork], clock: Clock) -> None:
    """Record that the holder has his certificate: said by a registrar, or by the holder himself.

    Raises Forbidden, NotFound or WrongState.
    """
    with unit_of_work() as uow:
        (request,) = take_requests(uow.session, [request_id], "issued")
        if actor.party != request.party:
            require_registrar(actor)
        request.state, request.handed_over_by = "handed-over", actor.party
        request.handed_over_at = format_utc(clock.now())
        data = {"request": request.id, "fingerprint": request.fingerprint, "party": request.party}
        uow.emit(HANDED_OVER, request.id, {**data, "by": actor.party, "at": request.handed_over_at})
        uow.commit()


def find_request(session: Session, request_id: str) -> CertificateRequest:
    """Raises NotFound."""
    row = session.get(CertificateRequestRow, request_id)
    if row is None:
        raise NotFound("no such certificate request")
    return _request(session, row)


def requests_in(session: Session, state: str, limit: int = 100) -> list[CertificateRequest]:
    """The requests in a state, oldest first: ``entered`` and ``approved`` ones wait for a registrar."""
    query = select(CertificateRequestRow).where(CertificateRequestRow.state == state)
    rows = session.scalars(query.order_by(CertificateRequestRow.id).limit(limit))
    return [_request(session, row) for row in rows]


def find_application(session: Session, digest: str) -> RecordedApplication:
    """Raises NotFound."""
    row = session.get(ApplicationRow, digest)
    if row is None:
        raise NotFound("no such application")
    return _application(session, row)


def applications_in(session: Session, state: str, limit: int = 100) -> list[RecordedApplication]:
    """The applications in a state, oldest first: ``applied`` ones wait for another registrar."""
    query = select(ApplicationRow).where(ApplicationRow.state == state)
    rows = session.scalars(query.order_by(ApplicationRow.entered_at, ApplicationRow.digest).limit(limit))
    return [_application(session, row) for row in rows]


def requests_in_application(session: Session, application: str) -> list[CertificateRequest]:
    """The requests that an application is for."""
    query = select(CertificateRequestRow).where(CertificateRequestRow.application == application)
    rows = session.scalars(query.order_by(CertificateRequestRow.id))
    return [_request(session, row) for row in rows if row.renews is None]


def take_requests(session: Session, ids: Sequence[str], state: str) -> list[CertificateRequestRow]:
    """The rows in the order of ``ids``, taken for this transaction; raises NotFound or WrongState."""
    query = select(CertificateRequestRow).where(CertificateRequestRow.id.in_(ids))
    found = {
        row.id: row for row in session.scalars(locked(session, query.order_by(CertificateRequestRow.id)))
    }
    for each in ids:
        if each not in found:
            raise NotFound("no such certificate request", request=each[:36])
        if found[each].state != state:
            raise WrongState(
                f"the request is not {state}", request=each, state=found[each].state, needed=state
            )
    return [found[each] for each in ids]


def wanted_key(request: CertificateRequestRow, party: str) -> WantedKey:
    """The key of a request, to be certified for a party."""
    return WantedKey(request.id, request.spki, party, request.profile, request.renews is not None)


def known_request(
    session: Session, profile: str, csr: x509.CertificateSigningRequest
) -> CertificateRequestRow | None:
    """The request that was entered with the same bytes for the same profile."""
    digest = sha256_hex(csr.public_bytes(Encoding.DER))
    return session.scalar(
        select(CertificateRequestRow).where(
            CertificateRequestRow.profile == profile, CertificateRequestRow.digest == digest
        )
    )


def new_request(
    uow: UnitOfWork, profile: str, csr: x509.CertificateSigningRequest, at: str, **known: Any
) -> CertificateRequestRow:
    """Write and announce a request; ``known`` are columns that are filled from the beginning."""
    der = csr.public_bytes(Encoding.DER)
    row = CertificateRequestRow(
        id=new_id(), profile=profile, digest=sha256_hex(der), csr=der, spki=spki_of(csr.public_key())
    )
    row.state, row.entered_at = "entered", at
    for name, value in known.items():
        setattr(row, name, value)
    uow.session.add(row)
    uow.emit(
        REQUEST_ENTERED, row.id, {"request": row.id, "profile": profile, "csr": row.digest, "key": row.spki}
    )
    return row


def _check_room(uow: UnitOfWork, now: datetime) -> None:
    waiting = select(func.count()).where(CertificateRequestRow.state == "entered")
    if uow.session.scalars(waiting).one() < MAX_OPEN_REQUESTS:
        return
    old = select(CertificateRequestRow).where(
        CertificateRequestRow.state == "entered",
        CertificateRequestRow.entered_at < format_utc(now - TAKEN_UP_WITHIN),
    )
    lapsed = list(uow.session.scalars(locked(uow.session, old.limit(_LAPSE_AT_ONCE))))
    if not lapsed:
        raise LimitExceeded("too many requests wait for a registrar", limit=MAX_OPEN_REQUESTS)
    uow.emit_many(REQUEST_LAPSED, [(row.id, {"request": row.id, "csr": row.digest}) for row in lapsed])
    for row in lapsed:
        uow.session.delete(row)


def _applied(read: ReadPaper, paper: Paper, party: str, by: str, at: str) -> ApplicationRow:
    return ApplicationRow(
        digest=read.digest,
        party=party,
        document=paper.document,
        signature=paper.signature,
        state="applied",
        entered_by=by,
        entered_at=at,
    )


def _name_subject(request: CertificateRequestRow, subject: Subject) -> None:
    request.party, request.name = subject.party, subject.common_name
    request.organization = subject.organization


def _application_facts(
    requests: Sequence[CertificateRequestRow], application: Application, read: ReadPaper, actor: Actor
) -> list[tuple[str, dict[str, Any]]]:
    common = {
        "party": application.subject.party,
        "evidence": application.evidence_digest,
        "digest": read.digest,
        "by": actor.party,
        "signed_with": read.certificate,
    }
    return [
        (each.id, {"request": each.id, "profile": each.profile, "csr": each.digest, **common})
        for each in requests
    ]


def _decided(
    request: CertificateRequestRow, row: ApplicationRow, read: ReadPaper, actor: Actor
) -> dict[str, Any]:
    return {
        "request": request.id,
        "profile": request.profile,
        "csr": request.digest,
        "party": row.party,
        "application": row.digest,
        "digest": read.digest,
        "by": actor.party,
        "signed_with": read.certificate,
    }


def _taken_application(session: Session, digest: str) -> ApplicationRow:
    row = session.scalar(locked(session, select(ApplicationRow).where(ApplicationRow.digest == digest)))
    if row is None:
        raise NotFound("no such application")
    return row


def _requests_of(session: Session, application: str) -> list[str]:
    query = select(CertificateRequestRow.id).where(
        CertificateRequestRow.application == application, CertificateRequestRow.renews.is_(None)
    )
    return list(session.scalars(query.order_by(CertificateRequestRow.id)))


def _application(session: Session, row: ApplicationRow) -> RecordedApplication:
    decided = row.decision is not None and row.decision_signature is not None
    return RecordedApplication(
        digest=row.digest,
        state=row.state,
        party=row.party,
        entered_by=row.entered_by,
        requests=tuple(_requests_of(session, row.digest)),
        paper=Paper(row.document, row.signature),
        decision=Paper(row.decision or b"", row.decision_signature or b"") if decided else None,
    )


def _request(session: Session, row: CertificateRequestRow) -> CertificateRequest:
    found = None if row.fingerprint is None else find_certificate(session, row.fingerprint)
    return CertificateRequest(
        row.id,
        row.profile,
        row.state,
        row.digest,
        row.party,
        row.application,
        _reason(session, row) if row.state == "rejected" else None,
        None if found is None else found.certificate,
    )


def _reason(session: Session, row: CertificateRequestRow) -> str | None:
    application = None if row.application is None else session.get(ApplicationRow, row.application)
    if application is None or application.decision is None:
        return None
    return Decision.from_document(parse_canonical(application.decision)).reason
