"""The OCSP responder (RFC 6960): what the registry says of certificates, signed before it is asked for again.

An answer about one certificate without a nonce is kept after it was signed first, per digest of the CertID, and
signed anew past half of its time if anybody wanted it since; all others are signed when they are asked for. Statuses
in memory are as fresh as the last look at the database's changes, at most ``LOOK_SECONDS`` ago: when the database
does not answer, neither does the responder (tryLater).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import Clock, parse_utc
from kernel.database import read_only
from kernel.errors import DomainError, Unavailable, WrongState
from pki.algorithms import fingerprint_of
from pki.asn1.ocsp import MALFORMED_REQUEST, TRY_LATER, UNAUTHORIZED, failure
from pki.errors import KeyUnavailable
from pki.installation import Authority
from pki.instants import whole_second
from pki.issuers import Issuer
from pki.ocsp_kept import KeptAnswer, KeptAnswers
from pki.ocsp_request import (
    Asked,
    IssuerDigests,
    MalformedRequest,
    Question,
    all_digests,
    bare_cert_id,
    read_question,
)
from pki.ocsp_responders import Responder, load_responder
from pki.ocsp_signing import GOOD, UNKNOWN, Answer, Period, Status, sign_answer
from pki.orm import CertificateRow
from pki.registry import serial_text
from pki.status_changes import changes_since, newest_revision

LOOK_SECONDS = 0.4
RENEWED_AT_ONCE = 50
_MAX_SERIAL_BITS = 160
_LOG = logging.getLogger(__name__)
MALFORMED = Answer(failure(MALFORMED_REQUEST))
LATER = Answer(failure(TRY_LATER))
NOT_OURS = Answer(failure(UNAUTHORIZED))


class OcspResponder:
    """Answers for all authorities of an installation; safe for threads, one for each process.

    ``life`` is the time from thisUpdate to nextUpdate, ``timer`` counts seconds in any steady way.
    """

    def __init__(
        self,
        authority: Authority,
        sessions: sessionmaker[Session],
        clock: Clock,
        *,
        life: timedelta = timedelta(hours=1),
        max_answers: int = 100_000,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authority = authority
        self._sessions = sessions
        self._clock = clock
        self._life = life
        self._timer = timer
        self._known: tuple[Issuer, ...] = ()
        self._issuers: dict[IssuerDigests, str] = {}
        self._kept = KeptAnswers(max_answers)
        self._responder: Responder | None = None
        self._revision: int | None = None
        self._gone: Mapping[str, Status] = {}
        self._looked_at: float | None = None
        self._failed_at: float | None = None
        self._renewed_at = timer()
        self._looking, self._changing = threading.Lock(), threading.Lock()

    @property
    def kept(self) -> int:
        """How many answers are ready."""
        return len(self._kept)

    def at_once(self, request: bytes) -> Answer | None:
        """The answer, if it needs neither the database nor a signature; None when ``respond`` has to be asked."""
        kept = self._kept.get(bare_cert_id(request))
        if kept is None:
            try:
                question = read_question(request)
            except MalformedRequest:
                return MALFORMED
            if question.nonce is not None or len(question.asked) != 1:
                return None
            kept = self._kept.get(question.asked[0].cert_id)
        if kept is None or not self._is_fresh() or not kept.period.holds(self._clock.now()):
            return None
        kept.asked = True
        return kept.answer

    def respond(self, request: bytes) -> Answer:
        """The answer to a DER OCSPRequest, whatever that holds; may ask the database and sign."""
        try:
            question = read_question(request)
        except MalformedRequest:
            return MALFORMED
        try:
            self.look()
            if not any(asked.issuer in self._issuers for asked in question.asked):
                return NOT_OURS
            return self.at_once(request) or self._signed(question)
        except Exception as error:
            # RFC 6960 §2.3: whatever is wrong in here, the client may ask again, and learns nothing of it.
            told = None if isinstance(error, DomainError) else error
            _LOG.error("an OCSP request could not be answered: %s", error, exc_info=told)
            return LATER

    def look(self) -> None:
        """Take in what changed in the database, unless that was done within ``LOOK_SECONDS``.

        Raises Unavailable at once when that failed as lately: whoever waited does not wait again.
        """
        with self._looking:
            if self._is_fresh():
                return
            if self._is_recent(self._failed_at):
                raise Unavailable("the last look at the statuses failed a moment ago")
            started = self._timer()
            try:
                self._look()
            except Exception:
                self._failed_at = self._timer()
                raise
            self._looked_at = started

    def _look(self) -> None:
        self._learn_issuers()
        with read_only(self._sessions) as session:
            revision, changed = self._changes(session)
            responder = self._responder
            if responder is None or changed is None or changed:
                responder = load_responder(session, self._authority)
            gone = _given_up(session, self._authority)
        self._take_in(revision, changed, responder, gone)

    def is_renewal_due(self) -> bool:
        """Whether the last batch was ``LOOK_SECONDS`` ago."""
        return not self._is_recent(self._renewed_at)

    def renew(self) -> int:
        """Sign anew, in one batch, the oldest of the kept answers past half of their time; says how many.

        Does nothing unless ``is_renewal_due``, so it may be called after any answer.
        """
        if not self.is_renewal_due():
            return 0
        self._renewed_at = self._timer()
        gone, revision = self._gone, self._revision
        due = self._kept.take_due(self._clock.now(), RENEWED_AT_ONCE)
        for cert_id, kept in due:
            self._sign_and_keep(cert_id, kept.serial, kept.issuer, kept.status, revision, gone)
        return len(due)

    def _learn_issuers(self) -> None:
        """The authorities as they are now: one may come to a running server."""
        known = self._authority.answered_for
        if known != self._known:
            self._issuers = {
                digests: issuer.name for issuer in known for digests in all_digests(issuer.certificate)
            }
            self._known = known
            self._kept.clear()

    def _is_fresh(self) -> bool:
        return self._is_recent(self._looked_at)

    def _is_recent(self, instant: float | None) -> bool:
        return instant is not None and 0 <= self._timer() - instant < LOOK_SECONDS

    def _changes(self, session: Session) -> tuple[int, frozenset[int] | None]:
        if self._revision is None:
            return newest_revision(session), None
        return changes_since(session, self._revision)

    def _take_in(
        self,
        revision: int,
        changed: frozenset[int] | None,
        responder: Responder | None,
        gone: Mapping[str, Status],
    ) -> None:
        with self._changing:
            if changed is None or responder != self._responder or gone != self._gone:
                self._kept.clear()
            for serial in changed or ():
                self._kept.forget_serial(serial)
            self._responder, self._revision, self._gone = responder, revision, gone

    def _signed(self, question: Question) -> Answer:
        gone = self._gone
        revision, statuses = self._statuses(question, gone)
        asked, status = question.asked[0], statuses[0]
        if len(statuses) == 1 and question.nonce is None and status is not UNKNOWN:
            issuer = self._issuers[asked.issuer]
            return self._sign_and_keep(asked.cert_id, asked.serial, issuer, status, revision, gone)
        issuers = [self._issuers[each.issuer] for each in question.asked if each.issuer in self._issuers]
        pairs = [(each.cert_id, status) for each, status in zip(question.asked, statuses, strict=True)]
        return self._sign(list(dict.fromkeys(issuers)), pairs, question.nonce)

    def _statuses(self, question: Question, gone: Mapping[str, Status]) -> tuple[int | None, list[Status]]:
        """With the revision that they are of: what is newer may say otherwise."""
        revision = self._revision
        kept = [self._kept.get(asked.cert_id) for asked in question.asked]
        if all(kept):
            return revision, [each.status for each in kept if each is not None]
        with read_only(self._sessions) as session:
            revision = newest_revision(session)
            return revision, [self._recorded(session, asked, gone) for asked in question.asked]

    def _recorded(self, session: Session, asked: Asked, gone: Mapping[str, Status]) -> Status:
        issuer = self._issuers.get(asked.issuer)
        if issuer is None or not 0 < asked.serial < 1 << _MAX_SERIAL_BITS:
            return UNKNOWN
        row = session.execute(
            select(
                CertificateRow.issuer, CertificateRow.state, CertificateRow.revoked_at, CertificateRow.reason
            ).where(CertificateRow.serial == serial_text(asked.serial))
        ).one_or_none()
        if row is None or row.issuer != issuer:
            return UNKNOWN
        own = status_of(row.state, row.revoked_at, row.reason)
        return gone.get(issuer, GOOD) if own is GOOD else own

    def _sign_and_keep(
        self,
        cert_id: bytes,
        serial: int,
        issuer: str,
        status: Status,
        revision: int | None,
        gone: Mapping[str, Status],
    ) -> Answer:
        answer = self._sign([issuer], [(cert_id, status)], None)
        if answer.period is None:
            return answer
        with self._changing:
            # What was taken in after that revision may say otherwise: then the next one who asks is told.
            current = self._revision is not None and revision is not None and self._revision <= revision
            if current and self._gone == gone:
                self._kept.put(cert_id, KeptAnswer(answer, status, serial, issuer, answer.period))
        return answer

    def _sign(
        self, issuers: Sequence[str], statuses: Sequence[tuple[bytes, Status]], nonce: bytes | None
    ) -> Answer:
        responder, now = self._responder, self._clock.now()
        if responder is None:
            raise KeyUnavailable("the OCSP responder has no certificate yet")
        certificates = [responder.certificate_for(issuer, now) for issuer in issuers]
        ends = [whole_second(now) + self._life]
        for issuer, certificate in zip(issuers, certificates, strict=True):
            if certificate is None:
                raise KeyUnavailable("the OCSP responder has no valid certificate", issuer=issuer)
            ends.append(certificate.not_valid_after_utc)
        return sign_answer(
            responder.key,
            [responder.ders[issuer] for issuer in issuers],
            statuses,
            Period(whole_second(now), min(ends)),
            nonce=nonce,
            shared=nonce is None and all(status is not UNKNOWN for _, status in statuses),
        )


def _given_up(session: Session, authority: Authority) -> dict[str, Status]:
    """What is to be said of everything below an authority that was revoked (RFC 6960 §2.7), by its name.

    A ceremony writes it into the folder, and whoever sees it first into the record: either will do.
    """
    names = {fingerprint_of(each.certificate): each.name for each in authority.answered_for}
    row = CertificateRow
    query = select(row.fingerprint, row.revoked_at, row.reason).where(
        row.fingerprint.in_(names), row.state == "revoked"
    )
    found = {
        names[fingerprint]: (at, reason) for fingerprint, at, reason in session.execute(query) if fingerprint
    }
    for entry in authority.description.issuers:
        if entry.state == "revoked":
            found.setdefault(entry.name, (entry.revoked_at, entry.reason))
    return {name: _below(at, reason) for name, (at, reason) in found.items()}


def _below(revoked_at: str | None, reason: str | None) -> Status:
    told = status_of("revoked", revoked_at, reason)
    is_compromise = told.reason in ("keyCompromise", "cACompromise")
    return replace(told, reason="cACompromise") if is_compromise else told


def status_of(state: str, revoked_at: str | None, reason: str | None) -> Status:
    """What a state of the registry is to OCSP.

    A certificate on hold is revoked for the time being (RFC 6960 §2.2); a serial number that was only intended, or
    abandoned, is unknown: nobody can hold a certificate with it.
    """
    if state == "issued":
        return GOOD
    if state not in ("revoked", "suspended"):
        return UNKNOWN
    if revoked_at is None:
        raise WrongState("a revoked certificate without the time of its revocation")
    held = "certificateHold" if state == "suspended" else None
    return Status("revoked", parse_utc(revoked_at), held or reason or "unspecified")
