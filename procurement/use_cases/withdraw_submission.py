"""Withdrawing a bid before the deadline, naming the manifest (Tenders Law Art. 16)."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.canonical import sha256_hex
from kernel.errors import NotFound
from procurement.ports import Actor, Desk, Repositories
from procurement.rules.errors import NothingToWithdraw
from procurement.rules.submission import check_withdrawal
from procurement.use_cases.receipts import BidderAct, Receipt, record_act
from procurement.use_cases.signed_input import check_withdrawal_form
from procurement.use_cases.step import require_role
from signing.documents import read_document


@dataclass(frozen=True)
class WithdrawSubmission:
    tender: str
    document: bytes
    signature: bytes


def withdraw_submission(command: WithdrawSubmission, *, actor: Actor, desk: Desk) -> Receipt:
    """Record the signed withdrawal and return its receipt; what was withdrawn is never opened.

    The same document again gets the first receipt: the sender may have lost our answer.
    """
    require_role(actor, "bidder")
    now = desk.clock.now()
    withdrawal = read_document(
        command.document,
        command.signature,
        desk.trust(),
        type_="mohr/withdrawal/v1",
        now=now,
        party=actor.party,
        revocation="ever",
    )
    check_withdrawal_form(withdrawal)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(command.tender)
        known = _receipt_for(sha256_hex(command.document), tender.id, actor, repositories)
        if known is not None:
            return known
        check_withdrawal(tender, withdrawal, bidder=actor.party, now=desk.clock.now())
        stored = repositories.submissions.by_manifest(tender.id, withdrawal["manifest_digest"])
        if stored is None or (stored.bidder, stored.lot) != (actor.party, withdrawal["lot"]):
            raise NotFound("there is no submission of yours with that manifest for that lot")
        if stored.state not in ("receiving", "complete"):
            raise tender.rules["one-bid"].refusal(
                NothingToWithdraw, "that submission was replaced or withdrawn before", state=stored.state
            )
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


def _receipt_for(digest: str, tender_id: str, actor: Actor, repositories: Repositories) -> Receipt | None:
    for act in repositories.submissions.acts(tender_id):
        if (act.act, act.digest, act.bidder) == ("withdrawal", digest, actor.party):
            return Receipt(act.receipt, act.receipt_signature, act.leaf_hash, act.counter)
    return None
