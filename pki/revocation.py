"""Use cases of revocation (RFC 5280 §5.3): revoke for good, suspend, resume.

A change and the lists that show it become durable in one transaction (list_issuing). The holder may revoke and
suspend his own certificates; those of authorities and services need two registrars (revocation_proposals).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from kernel.clock import Clock, format_utc
from kernel.errors import Forbidden, LimitExceeded, MalformedInput, NotFound, WrongState
from kernel.unit_of_work import UnitOfWork
from pki.errors import ProposalNeeded
from pki.installation import Authority
from pki.list_issuing import issue_change, lock_lists, take_number
from pki.orm import CertificateRow, RevocationRow
from pki.profiles import profile_named
from pki.registry import Actor, require_registrar
from pki.revocation_lists import HOLD

CERTIFICATE_REVOKED = "ir.tehran.pki.certificate-revoked.v1"
CERTIFICATE_SUSPENDED = "ir.tehran.pki.certificate-suspended.v1"
CERTIFICATE_RESUMED = "ir.tehran.pki.certificate-resumed.v1"
# What a process takes in before it knows the new list must stay valid for ever: the list says a moment later, in the
# whole seconds that it has, and whoever knows it takes nothing in from then on.
KNOWN_WITHIN = timedelta(seconds=2)
MAX_AT_ONCE = 1_000
HOLDER_REASONS = frozenset(
    {"unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"}
)
# A hold is a suspension, and removeFromCRL its end; aACompromise is for attribute authorities, which are none here.
REASONS = HOLDER_REASONS | {"privilegeWithdrawn"}
_IN_FORCE = ("issued", "suspended")
_COMPROMISES = frozenset({"keyCompromise", "cACompromise"})


@dataclass(frozen=True, slots=True)
class Change:
    """What was changed, and the lists (DER) that are in force from now on; the first of each issuer shows all of it."""

    fingerprints: tuple[str, ...]
    lists: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why, and for a compromise optionally since when the key may have been in other hands."""

    reason: str
    invalid_since: datetime | None = None


def revoke_certificate(
    fingerprint: str,
    reason: str,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
    invalid_since: datetime | None = None,
) -> Change:
    """Revoke one certificate; see ``revoke_certificates``."""
    return revoke_certificates(
        [fingerprint],
        Verdict(reason, invalid_since),
        actor=actor,
        unit_of_work=unit_of_work,
        clock=clock,
        authority=authority,
    )


def revoke_certificates(
    fingerprints: Sequence[str],
    verdict: Verdict,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> Change:
    """Revoke all of them for good, or none, as of ``KNOWN_WITHIN`` from now; one on hold as of its hold.

    Raises Forbidden, ProposalNeeded, NotFound, WrongState (revoked already, or the root), MalformedInput (an unfit
    reason or invalidity date) or LimitExceeded beyond 1,000.
    """
    _require_few(len(fingerprints))
    with unit_of_work() as uow:
        lock_lists(uow.session)
        rows = [_own_or_any(uow.session, each, actor) for each in dict.fromkeys(fingerprints)]
        for row in rows:
            _require_alone(row)
        change = enter_revocation(uow, rows, verdict, actor, clock.now(), authority)
        uow.commit()
    return change


def revoke_party(
    party: str,
    verdict: Verdict,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> Change:
    """Revoke every certificate of a party that is in force or on hold, in one go.

    Raises NotFound when there is none, and what ``revoke_certificates`` raises.
    """
    require_registrar(actor)
    with unit_of_work() as uow:
        lock_lists(uow.session)
        query = select(CertificateRow).where(
            CertificateRow.party == party, CertificateRow.state.in_(_IN_FORCE), _below_living(authority)
        )
        rows = list(uow.session.scalars(query.order_by(CertificateRow.serial).limit(MAX_AT_ONCE + 1)))
        _require_few(len(rows))
        if not rows:
            raise NotFound("the party has no certificate to revoke", party=party[:64])
        for row in rows:
            _require_alone(row)
        change = enter_revocation(uow, rows, verdict, actor, clock.now(), authority)
        uow.commit()
    return change


def suspend_certificate(
    fingerprint: str,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> Change:
    """Put a certificate on hold, as of ``KNOWN_WITHIN`` from now: it is refused until it is resumed.

    Raises Forbidden (another party's, or one of an authority or service, which are never on hold), NotFound or
    WrongState (on hold already, or revoked).
    """
    with unit_of_work() as uow:
        lock_lists(uow.session)
        now = clock.now()
        row = _own_or_any(uow.session, fingerprint, actor)
        if not profile_named(row.profile).from_outside:
            raise Forbidden("a certificate of an authority or service is never on hold", profile=row.profile)
        _require_state(row, "issued")
        _require_living_issuer(row, authority)
        row.state, row.reason, row.revoked_at = "suspended", HOLD, format_utc(_effective(now))
        data = {**_told(row, actor), "suspended_at": row.revoked_at}
        uow.emit(CERTIFICATE_SUSPENDED, fingerprint, data)
        lists = _publish(uow, [row], "suspended", None, now, authority)
        uow.commit()
    return Change((fingerprint,), tuple(lists))


def resume_certificate(
    fingerprint: str,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> Change:
    """Lift a hold (registrar): the certificate is judged as if it had never been on hold.

    Raises Forbidden, NotFound or WrongState (not on hold; a revoked one never comes back).
    """
    require_registrar(actor)
    with unit_of_work() as uow:
        lock_lists(uow.session)
        now = clock.now()
        row = find_row(uow.session, fingerprint)
        _require_state(row, "suspended")
        _require_living_issuer(row, authority)
        row.state, row.reason, row.revoked_at = "issued", None, None
        data = {**_told(row, actor), "resumed_at": format_utc(now)}
        uow.emit(CERTIFICATE_RESUMED, fingerprint, data)
        lists = _publish(uow, [row], "resumed", None, now, authority)
        uow.commit()
    return Change((fingerprint,), tuple(lists))


def enter_revocation(
    uow: UnitOfWork,
    rows: Sequence[CertificateRow],
    verdict: Verdict,
    actor: Actor,
    now: datetime,
    authority: Authority,
) -> Change:
    """Record, announce and publish the revocation of ``rows`` in a transaction that holds ``lock_lists``.

    Who may do that was checked by the caller; what can be revoked, and for what, is checked here. A key that is in
    other hands takes every certificate of it along, as after a renewal: those come last.
    """
    if verdict.reason in _COMPROMISES:
        rows = [*rows, *_of_same_keys(uow.session, rows, authority)]
    for row in rows:
        _require_living_issuer(row, authority)
        check_revocable(row, verdict, actor, now)
        # A hold that becomes a revocation keeps its date: from then on the certificate was refused everywhere.
        since = row.revoked_at if row.state == "suspended" else None
        row.state, row.reason = "revoked", verdict.reason
        row.revoked_at = since or format_utc(_effective(now))
        data = {**_told(row, actor), "reason": verdict.reason, "revoked_at": row.revoked_at}
        uow.emit(CERTIFICATE_REVOKED, str(row.fingerprint), data)
    lists = _publish(uow, rows, "revoked", verdict.invalid_since, now, authority)
    return Change(tuple(str(row.fingerprint) for row in rows), tuple(lists))


def check_revocable(row: CertificateRow, verdict: Verdict, actor: Actor, now: datetime) -> None:
    """Raises WrongState (revoked already, or a root) or MalformedInput (an unfit reason or invalidity date)."""
    if row.profile == "root":
        raise WrongState("a root is not revoked: it is taken out of the trust stores")
    if row.profile in ("intermediate", "cross"):
        raise WrongState("an authority is revoked in a ceremony, by two operators")
    _require_state(row, *_IN_FORCE)
    _check_verdict(row, verdict, actor, now)


def find_row(session: Session, fingerprint: str) -> CertificateRow:
    """Raises NotFound."""
    row = session.scalar(select(CertificateRow).where(CertificateRow.fingerprint == fingerprint))
    if row is None:
        raise NotFound("no such certificate", fingerprint=fingerprint[:64])
    return row


def _own_or_any(session: Session, fingerprint: str, actor: Actor) -> CertificateRow:
    """A registrar may change any; who is none is not told whether there is one that is not his."""
    if "registrar" in actor.roles:
        return find_row(session, fingerprint)
    own = select(CertificateRow).where(
        CertificateRow.fingerprint == fingerprint, CertificateRow.party == actor.party
    )
    row = session.scalar(own)
    if row is None:
        raise Forbidden("only a registrar changes certificates of others", role="registrar")
    return row


def _of_same_keys(
    session: Session, rows: Sequence[CertificateRow], authority: Authority
) -> list[CertificateRow]:
    """What else is in force for the keys of ``rows``; authorities are revoked in ceremonies only."""
    query = select(CertificateRow).where(
        CertificateRow.spki.in_({row.spki for row in rows if row.spki is not None}),
        CertificateRow.serial.not_in([row.serial for row in rows]),
        CertificateRow.state.in_(_IN_FORCE),
        CertificateRow.profile.not_in(("root", "intermediate", "cross")),
        _below_living(authority),
    )
    return list(session.scalars(query.order_by(CertificateRow.serial)))


def _below_living(authority: Authority) -> ColumnElement[bool]:
    """What is below an authority that was revoked went with it: no list of it can be signed any more."""
    gone = [each.name for each in authority.known if each.state == "revoked"]
    return CertificateRow.issuer.not_in(gone)


def _require_living_issuer(row: CertificateRow, authority: Authority) -> None:
    if authority.issuer(row.issuer).state == "revoked":
        raise WrongState("the authority of this certificate was revoked, and the certificate with it")


def _require_few(count: int) -> None:
    if count > MAX_AT_ONCE:
        raise LimitExceeded("too many certificates at once", limit=MAX_AT_ONCE)


def _require_alone(row: CertificateRow) -> None:
    if row.profile != "root" and not profile_named(row.profile).from_outside:
        raise ProposalNeeded("one registrar proposes it and another one confirms", profile=row.profile)


def _require_state(row: CertificateRow, *allowed: str) -> None:
    if row.state in allowed:
        return
    told = {
        "revoked": "the certificate is revoked already, for good",
        "suspended": "the certificate is on hold already",
        "issued": "the certificate is not on hold",
    }
    raise WrongState(told.get(row.state, "the certificate was never in force"), state=row.state)


def _check_verdict(row: CertificateRow, verdict: Verdict, actor: Actor, now: datetime) -> None:
    reasons = HOLDER_REASONS
    if "registrar" in actor.roles:
        reasons = REASONS
    if verdict.reason not in reasons:
        raise MalformedInput(
            "no such reason of revocation", reason=verdict.reason[:32], reasons=sorted(reasons)
        )
    since = verdict.invalid_since
    if since is None:
        return
    if verdict.reason not in _COMPROMISES:
        raise MalformedInput("an invalidity date belongs to a compromise", reason=verdict.reason)
    if since > now:
        raise MalformedInput("an invalidity date lies in the past", invalid_since=format_utc(since))


def _told(row: CertificateRow, actor: Actor) -> dict[str, str]:
    return {
        "fingerprint": str(row.fingerprint),
        "serial": row.serial,
        "party": row.party,
        "by": actor.party,
    }


def _effective(now: datetime) -> datetime:
    """The first whole second that is ``KNOWN_WITHIN`` away."""
    return (now + KNOWN_WITHIN + timedelta(microseconds=999_999)).replace(microsecond=0)


def _publish(
    uow: UnitOfWork,
    rows: Sequence[CertificateRow],
    state: str,
    invalid_since: datetime | None,
    now: datetime,
    authority: Authority,
) -> list[bytes]:
    """Enter what the lists say from now on, issuer by issuer, and issue those that tell of it."""
    lists: list[bytes] = []
    for issuer in dict.fromkeys(row.issuer for row in rows):
        authority.issuer(issuer)
        concerned = [row for row in rows if row.issuer == issuer]
        number = take_number(uow.session, issuer)
        known = _known(uow.session, concerned)
        for row in concerned:
            entry = known.get(row.serial)
            if entry is None:
                entry = RevocationRow(serial=row.serial, issuer=issuer, tail=row.serial[-2:])
                uow.session.add(entry)
            entry.state, entry.changed_in = state, number
            entry.reason = row.reason or "unspecified"
            entry.revoked_at = row.revoked_at or format_utc(now)
            entry.invalid_since = None if invalid_since is None else format_utc(invalid_since)
        tails = {row.serial[-2:] for row in concerned}
        lists += issue_change(uow, authority, issuer, number, tails, now)
    return lists


def _known(session: Session, rows: Iterable[CertificateRow]) -> dict[str, RevocationRow]:
    query = select(RevocationRow).where(RevocationRow.serial.in_([row.serial for row in rows]))
    return {row.serial: row for row in session.scalars(query)}
