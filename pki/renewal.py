"""Use case of renewal: a holder asks for the certificate after his present one, before that ends.

The wish is a paper over the new CSR, signed with the present certificate (or, where that is not for signing, with the
party's own signing certificate). Subject and evidence of identity are taken over, so no registrar sees the person
again while the evidence is young enough. A *renewal* keeps the key and is given in the last part of the certificate's
life, as long as the key does not get too old; a *rekey* is for a new key, at any time before the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.canonical import parse_canonical
from kernel.clock import Clock, format_utc, parse_utc
from kernel.database import lock_scope, locked
from kernel.errors import Forbidden, NotFound, WrongState
from kernel.unit_of_work import UnitOfWork
from pki.algorithms import spki_of
from pki.authority import check_csr
from pki.certified_keys import check_keys
from pki.errors import KeyReused, RenewalRefused
from pki.installation import Authority
from pki.issuance import issue_approved
from pki.names import Subject
from pki.orm import ApplicationRow, CertificateRequestRow, CertificateRow
from pki.papers import RENEWAL, Application, Paper, Papers, ReadPaper, Renewal
from pki.profiles import Profile, profile_named
from pki.registration import REQUESTS, known_request, new_request, wanted_key
from pki.registry import Actor, RecordedCertificate, recorded

RENEWAL_ASKED = "ir.tehran.pki.certificate-renewal-asked.v1"


@dataclass(frozen=True, slots=True)
class RenewalRules:
    """``window``: how long before the end a renewal is given; ``key_life``: how long one key may be certified in all;
    ``evidence_life``: how long identity evidence is taken over; ``rekey_with_same_key``: whether a rekey may be none.
    """

    window: timedelta = timedelta(days=90)
    key_life: timedelta = timedelta(days=4 * 365)
    evidence_life: timedelta = timedelta(days=6 * 365)
    rekey_with_same_key: bool = False


def renew(
    paper: Paper,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
    papers: Papers,
    rules: RenewalRules,
) -> RecordedCertificate:
    """Certify the key of the CSR for the subject of the present certificate; the same paper again gives the same.

    Raises NotFound, Forbidden (another's), WrongState (no longer valid), RenewalRefused, KeyReused, RequestInvalid,
    MalformedInput, or what ``Papers.read`` raises.
    """
    read = papers.read(paper, type_=RENEWAL, party=actor.party)
    wish = Renewal.from_document(read.content)
    now = clock.now()
    with unit_of_work() as uow:
        lock_scope(uow.session, REQUESTS)
        present = _present(uow.session, wish.certificate, actor)
        profile = profile_named(present.profile)
        csr = check_csr(wish.csr, profile)
        known = known_request(uow.session, profile.name, csr)
        if known is not None and known.renews == present.fingerprint:
            issued = _issued(uow.session, known)
        else:
            _check_signer(read, present, profile)
            _check_last(uow.session, present)
            origin = _origin(uow.session, present)
            _check_age(uow.session, present, origin, wish, csr, now, rules)
            known, issued = _ask(uow, wish, csr, present, origin, read, paper, actor, now), None
        request = known.id
        uow.commit()
    if issued is not None:
        return issued
    (issued,) = issue_approved(
        [request], by=actor.party, unit_of_work=unit_of_work, clock=clock, authority=authority
    )
    return issued


def _present(session: Session, fingerprint: str, actor: Actor) -> CertificateRow:
    query = select(CertificateRow).where(CertificateRow.fingerprint == fingerprint)
    row = session.scalar(locked(session, query))
    if row is None:
        raise NotFound("no such certificate")
    if row.party != actor.party:
        raise Forbidden("a certificate is renewed by its holder")
    if row.state != "issued":
        raise WrongState("the certificate is not in force", state=row.state)
    if not profile_named(row.profile).from_outside:
        raise Forbidden("this profile is not given on request", profile=row.profile)
    return row


def _check_signer(read: ReadPaper, present: CertificateRow, profile: Profile) -> None:
    """A signing certificate signs for itself; for one that cannot, any signing certificate of the party does."""
    if "digital_signature" in profile.key_usages and read.certificate != present.fingerprint:
        raise Forbidden("a renewal is signed with the certificate that it renews")


def _check_last(session: Session, present: CertificateRow) -> None:
    """One certificate has one that follows it, so that a key that was lost or stolen does not multiply."""
    query = select(CertificateRow.fingerprint).join(
        CertificateRequestRow, CertificateRequestRow.id == CertificateRow.request
    )
    query = query.where(
        CertificateRequestRow.renews == present.fingerprint, CertificateRow.state.in_(("issued", "suspended"))
    )
    follower = session.scalar(query.limit(1))
    if follower is not None:
        raise RenewalRefused("it was renewed: go on from the new one, or revoke that first", by=follower)


@dataclass(frozen=True, slots=True)
class _Origin:
    """The request that led to the present certificate, and when identity was last established for it."""

    request: CertificateRequestRow | None
    seen_at: datetime


def _origin(session: Session, present: CertificateRow) -> _Origin:
    request = None if present.request is None else session.get(CertificateRequestRow, present.request)
    if request is None:
        return _Origin(None, parse_utc(present.intended_at))
    application = None if request.application is None else session.get(ApplicationRow, request.application)
    if application is not None:
        return _Origin(request, _seen_at(application))
    if request.renews is not None:
        earlier = session.scalar(select(CertificateRow).where(CertificateRow.fingerprint == request.renews))
        if earlier is not None:
            return _Origin(request, _origin(session, earlier).seen_at)
    return _Origin(request, parse_utc(request.entered_at))


def _seen_at(application: ApplicationRow) -> datetime:
    """When the youngest evidence was seen, which may be long before it was entered."""
    entered_at = parse_utc(application.entered_at)
    read = Application.from_document(parse_canonical(application.document), entered_at)
    return min(entered_at, max(each.seen_at for each in read.evidence))


def _check_age(
    session: Session,
    present: CertificateRow,
    origin: _Origin,
    wish: Renewal,
    csr: x509.CertificateSigningRequest,
    now: datetime,
    rules: RenewalRules,
) -> None:
    ends = recorded(present).certificate.not_valid_after_utc
    if now > ends:
        raise RenewalRefused("the certificate is over: apply for another", ended_at=format_utc(ends))
    if now > origin.seen_at + rules.evidence_life:
        raise RenewalRefused("the evidence of identity is too old: apply for another certificate")
    same_key = spki_of(csr.public_key()) == present.spki
    if wish.rekey:
        if same_key and not rules.rekey_with_same_key:
            raise KeyReused("a rekey is for a new key")
        if not same_key:
            _require_new_key(session, csr)
            return
    elif not same_key:
        raise RenewalRefused("a renewal keeps the key: ask for a rekey")
    if now < ends - rules.window:
        raise RenewalRefused("too early for a renewal", from_=format_utc(ends - rules.window))
    _check_key_age(session, present, now, rules)


def _require_new_key(session: Session, csr: x509.CertificateSigningRequest) -> None:
    """Two certificates of one holder do not keep each other's keys young."""
    query = select(CertificateRow.serial).where(
        CertificateRow.spki == spki_of(csr.public_key()), CertificateRow.state != "abandoned"
    )
    if session.scalar(query.limit(1)) is not None:
        raise KeyReused("a rekey is for a key that was never certified")


def _check_key_age(session: Session, present: CertificateRow, now: datetime, rules: RenewalRules) -> None:
    """The life of a key counts from its first certificate."""
    query = select(func.min(CertificateRow.intended_at)).where(CertificateRow.spki == present.spki)
    first = session.scalar(query) or present.intended_at
    if now + profile_named(present.profile).life > parse_utc(first) + rules.key_life:
        raise RenewalRefused("the key is too old to be certified once more: ask for a rekey", since=first)


def _ask(
    uow: UnitOfWork,
    wish: Renewal,
    csr: x509.CertificateSigningRequest,
    present: CertificateRow,
    origin: _Origin,
    read: ReadPaper,
    paper: Paper,
    actor: Actor,
    now: datetime,
) -> CertificateRequestRow:
    subject = _subject_of(present)
    row = new_request(
        uow,
        present.profile,
        csr,
        format_utc(now),
        state="approved",
        party=subject.party,
        name=subject.common_name,
        organization=subject.organization,
        application=None if origin.request is None else origin.request.application,
        renews=present.fingerprint,
        renewal=paper.document,
        renewal_signature=paper.signature,
    )
    check_keys(uow.session, [wanted_key(row, subject.party)])
    uow.emit(
        RENEWAL_ASKED,
        row.id,
        {
            "request": row.id,
            "kind": "rekey" if wish.rekey else "renewal",
            "renews": present.fingerprint,
            "profile": present.profile,
            "csr": row.digest,
            "party": present.party,
            "application": row.application,
            "digest": read.digest,
            "by": actor.party,
            "signed_with": read.certificate,
        },
    )
    return row


def _subject_of(row: CertificateRow) -> Subject:
    values = recorded(row).certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Subject(row.name, row.party, str(values[0].value) if values else None)


def _issued(session: Session, request: CertificateRequestRow) -> RecordedCertificate | None:
    if request.fingerprint is None:
        return None
    row = session.scalar(select(CertificateRow).where(CertificateRow.fingerprint == request.fingerprint))
    return None if row is None else recorded(row)
