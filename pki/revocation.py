"""Use cases of revocation: revoke a certificate, keep fresh revocation lists (RFC 5280 §5), hand them out.

A revocation and the list that shows it become durable in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.canonical import sha256_hex
from kernel.clock import Clock, format_utc, parse_utc
from kernel.database import lock_scope
from kernel.errors import MalformedInput, NotFound, WrongState
from kernel.unit_of_work import UnitOfWork
from pki.installation import Authority
from pki.issuers import Issuer
from pki.orm import CertificateRow, RevocationListRow
from pki.registry import Actor, require_registrar
from pki.revocation_lists import Revoked

CERTIFICATE_REVOKED = "ir.tehran.pki.certificate-revoked.v1"
REVOCATION_LIST_ISSUED = "ir.tehran.pki.revocation-list-issued.v1"
# One list after the other: each shows every revocation that was committed before it, under the next number.
LISTS = "pki.lists"
# What a process takes in before it knows the new list must stay valid for ever: the list says a moment later, in the
# whole seconds that it has, and whoever knows it takes nothing in from then on.
KNOWN_WITHIN = timedelta(seconds=2)
# Holds and their lifting are not offered; the reasons of authorities are for authorities.
REASONS = frozenset(
    {
        "unspecified",
        "keyCompromise",
        "affiliationChanged",
        "superseded",
        "cessationOfOperation",
        "privilegeWithdrawn",
    }
)


def revoke_certificate(
    fingerprint: str,
    reason: str,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> bytes:
    """Revoke for good, as of ``KNOWN_WITHIN`` from now; the answer is the new revocation list of the issuer (DER).

    Raises Forbidden, NotFound, WrongState (revoked already, or the root) or MalformedInput (an unknown
    reason).
    """
    require_registrar(actor)
    if reason not in REASONS:
        raise MalformedInput("no such reason of revocation", reason=reason[:32], reasons=sorted(REASONS))
    with unit_of_work() as uow:
        lock_scope(uow.session, LISTS)
        now = clock.now()
        row = _revocable(uow.session, fingerprint)
        row.state, row.reason = "revoked", reason
        row.revoked_at = format_utc(_effective(now))
        uow.emit(
            CERTIFICATE_REVOKED,
            fingerprint,
            {
                "fingerprint": fingerprint,
                "serial": row.serial,
                "party": row.party,
                "reason": reason,
                "revoked_at": row.revoked_at,
            },
        )
        uow.session.flush()
        crl = _issue_list(uow, row.issuer, now, authority)
        uow.commit()
    return crl


def refresh_crls(
    *, unit_of_work: Callable[[], UnitOfWork], clock: Clock, authority: Authority
) -> list[bytes]:
    """Re-issue each list that is missing, past half of its life, or dated after now; gives the new ones."""
    now = clock.now()
    with unit_of_work() as uow:
        lock_scope(uow.session, LISTS)
        due = [each for each in authority.issuers if _is_due(uow.session, each, now)]
        issued = [_issue_list(uow, each.name, now, authority) for each in due]
        uow.commit()
    return issued


def crls_are_due(session: Session, now: datetime, authority: Authority) -> bool:
    """Whether ``refresh_crls`` would issue anything, to be asked without the writer's lock."""
    return any(_is_due(session, each, now) for each in authority.issuers)


def current_crls(session: Session) -> list[bytes]:
    """The newest list of each authority that ever had one."""
    names = session.scalars(select(RevocationListRow.issuer).distinct().order_by(RevocationListRow.issuer))
    rows = [_newest(session, name) for name in names]
    return [row.der for row in rows if row is not None]


def current_crl(session: Session, issuer: str) -> bytes:
    """The newest list of that authority; raises NotFound."""
    row = _newest(session, issuer)
    if row is None:
        raise NotFound("no such revocation list", name=issuer[:64])
    return row.der


def _effective(now: datetime) -> datetime:
    """The first whole second that is ``KNOWN_WITHIN`` away."""
    return (now + KNOWN_WITHIN + timedelta(microseconds=999_999)).replace(microsecond=0)


def _revocable(session: Session, fingerprint: str) -> CertificateRow:
    row = session.scalar(select(CertificateRow).where(CertificateRow.fingerprint == fingerprint))
    if row is None:
        raise NotFound("no such certificate")
    if row.state != "issued":
        raise WrongState("the certificate is revoked already", state=row.state)
    if row.profile == "root":
        raise WrongState("a root is not revoked: it is taken out of the trust stores")
    if row.profile in ("intermediate", "cross"):
        raise WrongState("an authority is revoked in a ceremony, by two operators")
    return row


def _newest(session: Session, issuer: str) -> RevocationListRow | None:
    query = select(RevocationListRow).where(RevocationListRow.issuer == issuer)
    return session.scalar(query.order_by(RevocationListRow.number.desc()).limit(1))


def _is_due(session: Session, issuer: Issuer, now: datetime) -> bool:
    row = _newest(session, issuer.name)
    if row is None:
        return True
    this_update = parse_utc(row.this_update)
    return now < this_update or now >= this_update + issuer.lists.renew_after


def _issue_list(uow: UnitOfWork, issuer: str, now: datetime, authority: Authority) -> bytes:
    query = select(func.max(RevocationListRow.number)).where(RevocationListRow.issuer == issuer)
    number = (uow.session.scalar(query) or 0) + 1
    der = authority.crl(issuer, _revoked(uow.session, issuer), number, now)
    next_update = format_utc(now.replace(microsecond=0) + authority.issuer(issuer).lists.life)
    row = RevocationListRow(
        issuer=issuer,
        number=number,
        der=der,
        this_update=format_utc(now.replace(microsecond=0)),
        next_update=next_update,
    )
    uow.session.add(row)
    uow.emit(
        REVOCATION_LIST_ISSUED,
        f"crl-{issuer}",
        {"issuer": issuer, "number": number, "digest": sha256_hex(der), "next_update": next_update},
    )
    return der


def _revoked(session: Session, issuer: str) -> list[Revoked]:
    query = select(CertificateRow.serial, CertificateRow.revoked_at, CertificateRow.reason).where(
        CertificateRow.issuer == issuer, CertificateRow.state == "revoked"
    )
    return [
        Revoked(int(serial, 16), parse_utc(revoked_at or ""), reason or "unspecified")
        for serial, revoked_at, reason in session.execute(query.order_by(CertificateRow.serial))
    ]
