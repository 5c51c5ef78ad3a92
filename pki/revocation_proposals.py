"""Use cases of revocation by four eyes: for certificates of authorities and services (time stamping, receipts, OCSP).

One registrar proposes, another one confirms, and with that the certificate is revoked; either may withdraw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.clock import Clock, format_utc, parse_utc
from kernel.database import locked
from kernel.errors import FourEyes, NotFound, WrongState
from kernel.ids import new_id
from kernel.unit_of_work import UnitOfWork
from pki.installation import Authority
from pki.list_issuing import lock_lists
from pki.orm import RevocationProposalRow
from pki.registry import Actor, require_registrar
from pki.revocation import Change, Verdict, check_revocable, enter_revocation, find_row

REVOCATION_PROPOSED = "ir.tehran.pki.revocation-proposed.v1"
REVOCATION_WITHDRAWN = "ir.tehran.pki.revocation-withdrawn.v1"


@dataclass(frozen=True, slots=True)
class Proposal:
    """``state``: ``proposed``, ``confirmed`` or ``withdrawn``."""

    id: str
    fingerprint: str
    reason: str
    invalid_since: str | None
    state: str
    proposed_by: str
    proposed_at: str


def propose_revocation(
    fingerprint: str,
    verdict: Verdict,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
) -> Proposal:
    """Propose to revoke any certificate but a root's; nothing is revoked by that.

    Raises Forbidden, NotFound, WrongState (revoked, or proposed already) or MalformedInput.
    """
    require_registrar(actor)
    with unit_of_work() as uow:
        lock_lists(uow.session)
        now = clock.now()
        check_revocable(find_row(uow.session, fingerprint), verdict, actor, now)
        if _open(uow.session, fingerprint) is not None:
            raise WrongState("the revocation of this certificate is proposed already")
        row = RevocationProposalRow(
            id=new_id(),
            fingerprint=fingerprint,
            reason=verdict.reason,
            invalid_since=None if verdict.invalid_since is None else format_utc(verdict.invalid_since),
            state="proposed",
            proposed_by=actor.party,
            proposed_at=format_utc(now),
        )
        uow.session.add(row)
        data = {"proposal": row.id, "fingerprint": fingerprint, "reason": row.reason, "by": actor.party}
        uow.emit(REVOCATION_PROPOSED, fingerprint, data)
        proposal = _proposal(row)
        uow.commit()
    return proposal


def confirm_revocation(
    proposal: str,
    *,
    actor: Actor,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> Change:
    """Revoke what another registrar proposed.

    Raises Forbidden, FourEyes, NotFound or WrongState (decided already, or revoked meanwhile).
    """
    require_registrar(actor)
    with unit_of_work() as uow:
        lock_lists(uow.session)
        now = clock.now()
        row = _undecided(uow.session, proposal)
        if row.proposed_by == actor.party:
            raise FourEyes("another registrar confirms it")
        row.state, row.decided_by, row.decided_at = "confirmed", actor.party, format_utc(now)
        since = None if row.invalid_since is None else parse_utc(row.invalid_since)
        verdict = Verdict(row.reason, since)
        certificate = find_row(uow.session, row.fingerprint)
        change = enter_revocation(uow, [certificate], verdict, actor, now, authority)
        uow.commit()
    return change


def withdraw_proposal(
    proposal: str, *, actor: Actor, unit_of_work: Callable[[], UnitOfWork], clock: Clock
) -> Proposal:
    """Take a proposal back (any registrar). Raises Forbidden, NotFound or WrongState (decided already)."""
    require_registrar(actor)
    with unit_of_work() as uow:
        lock_lists(uow.session)
        row = _undecided(uow.session, proposal)
        row.state, row.decided_by, row.decided_at = "withdrawn", actor.party, format_utc(clock.now())
        data = {"proposal": row.id, "fingerprint": row.fingerprint, "by": actor.party}
        uow.emit(REVOCATION_WITHDRAWN, row.fingerprint, data)
        withdrawn = _proposal(row)
        uow.commit()
    return withdrawn


def open_proposals(session: Session, limit: int = 100) -> list[Proposal]:
    """What waits for a second registrar, oldest first."""
    query = select(RevocationProposalRow).where(RevocationProposalRow.state == "proposed")
    return [_proposal(row) for row in session.scalars(query.order_by(RevocationProposalRow.id).limit(limit))]


def _undecided(session: Session, proposal: str) -> RevocationProposalRow:
    query = select(RevocationProposalRow).where(RevocationProposalRow.id == proposal)
    row = session.scalar(locked(session, query))
    if row is None:
        raise NotFound("no such proposal")
    if row.state != "proposed":
        raise WrongState("the proposal was decided already", state=row.state)
    return row


def _open(session: Session, fingerprint: str) -> RevocationProposalRow | None:
    return session.scalar(
        select(RevocationProposalRow).where(
            RevocationProposalRow.fingerprint == fingerprint, RevocationProposalRow.state == "proposed"
        )
    )


def _proposal(row: RevocationProposalRow) -> Proposal:
    return Proposal(
        row.id,
        row.fingerprint,
        row.reason,
        row.invalid_since,
        row.state,
        row.proposed_by,
        row.proposed_at,
    )
