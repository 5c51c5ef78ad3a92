"""Withdrawing a bid before the deadline, naming the manifest (Tenders Law Art. 16)."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import NotFound
from procurement.ports import Actor, Desk
from procurement.rules.submission import check_withdrawal
from procurement.use_cases.receipts import BidderAct, Receipt, record_act
from procurement.use_cases.step import require_role
from signing.documents import read_document


@dataclass(frozen=True)
class WithdrawSubmission:
    tender: str
    document: bytes
    signature: bytes


def withdraw_submission(command: WithdrawSubmission, *, actor: Actor, desk: Desk) -> Receipt:
    """Record the signed withdrawal and return its receipt; what was withdrawn is never opened."""
    require_role(actor, "bidder")
    now = desk.clock.now()
    withdrawal = read_document(
        command.document,
        command.signature,
        desk.trust(),
        type_="mohr/withdrawal/v1",
        now=now,
        party=actor.party,
    )
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(command.tender)
        check_withdrawal(tender, withdrawal, bidder=actor.party, now=desk.clock.now())
        stored = repositories.submissions.by_manifest(tender.id, withdrawal["manifest_digest"])
        if stored is None or stored.bidder != actor.party or stored.state not in ("receiving", "complete"):
            raise NotFound("there is no standing submission of yours with that manifest")
        repositories.submissions.set_state(stored.id, "withdrawn")
        digest = repositories.documents.put(
            tender.id,
            "withdrawal",
            command.document,
            party=actor.party,
            signatures={actor.party: command.signature},
        )
        act = BidderAct(
            act="withdrawal",
            tender=tender.id,
            lot=stored.lot,
            bidder=actor.party,
            submission_number=stored.submission_number,
            digest=digest,
            manifest_digest=stored.manifest_digest,
        )
        receipt = record_act(act, at=desk.clock.now(), uow=uow, repositories=repositories, desk=desk)
        uow.commit()
    return receipt
