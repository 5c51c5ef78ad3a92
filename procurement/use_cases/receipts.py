"""Receipts: the server's signature over what it was given, when, and under which leaf of the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kernel.canonical import to_base64
from kernel.clock import format_utc
from kernel.unit_of_work import EmittedCommitment, UnitOfWork
from procurement.ports import Desk, Repositories, StoredAct
from signing.documents import sign_document

MAX_REFUSALS = 100


@dataclass(frozen=True)
class BidderAct:
    """What a bidder did, before it is recorded. ``digest`` is of the seal, the withdrawal or the refused bytes."""

    act: str
    tender: str
    lot: str
    bidder: str
    submission_number: int | None
    digest: str
    manifest_digest: str | None = None
    reason: str | None = None
    timestamp: bytes | None = None


@dataclass(frozen=True)
class Receipt:
    """A signed ``mohr/receipt/v1`` and the counter of the act, which stays closed until the closing list."""

    document: bytes
    signature: bytes
    leaf_hash: str
    counter: int


def record_act(
    act: BidderAct, *, at: datetime, uow: UnitOfWork, repositories: Repositories, desk: Desk
) -> Receipt:
    """Write the act, its outbox row and its log commitment, and sign the receipt; the caller commits."""
    received_at = format_utc(at)
    data = {
        "act": act.act,
        "lot": act.lot,
        "bidder": act.bidder,
        "submission_number": act.submission_number,
        "manifest_digest": act.manifest_digest,
        "reason": act.reason,
        "received_at": received_at,
    }
    type_ = f"ir.tehran.procurement.{_FACTS[act.act]}.v1"
    emitted = uow.emit_confidential(type_, act.act, act.tender, act.digest, data)
    signed = sign_document(_receipt_document(act, received_at, emitted, desk.demo), desk.receipt_signer, at)
    repositories.submissions.add_act(
        StoredAct(
            tender=act.tender,
            act=act.act,
            lot=act.lot,
            bidder=act.bidder,
            submission_number=act.submission_number,
            digest=act.digest,
            manifest_digest=act.manifest_digest,
            received_at=received_at,
            counter=emitted.counter,
            counter_salt=emitted.counter_salt,
            salt=emitted.salt,
            leaf_hash=emitted.leaf_hash,
            content=emitted.content,
            receipt=signed.document,
            receipt_signature=signed.signature,
            reason=act.reason,
        )
    )
    return Receipt(signed.document, signed.signature, emitted.leaf_hash, emitted.counter)


def record_refusal(
    act: BidderAct, *, uow: UnitOfWork, repositories: Repositories, desk: Desk
) -> Receipt | None:
    """Record a refusal once: the same refusal again gets the first receipt, and beyond a limit there is none.

    Every act is a line of the closing list; without a limit one bidder could make it too long to be read.
    """
    own = [
        each
        for each in repositories.submissions.acts(act.tender)
        if each.act == "refusal" and each.bidder == act.bidder
    ]
    for each in own:
        if (each.digest, each.reason) == (act.digest, act.reason):
            return Receipt(each.receipt, each.receipt_signature, each.leaf_hash, each.counter)
    if len(own) >= MAX_REFUSALS:
        return None
    return record_act(act, at=desk.clock.now(), uow=uow, repositories=repositories, desk=desk)


def wire_receipt(receipt: Receipt) -> dict[str, str]:
    """The receipt in the wire form of formats.md."""
    return {"document": to_base64(receipt.document), "signature": to_base64(receipt.signature)}


_FACTS = {
    "submission": "submission-received",
    "withdrawal": "submission-withdrawn",
    "refusal": "submission-refused",
}


def _receipt_document(
    act: BidderAct, received_at: str, emitted: EmittedCommitment, demo: bool
) -> dict[str, object]:
    return {
        "type": "mohr/receipt/v1",
        "tender": act.tender,
        "lot": act.lot,
        "bidder": act.bidder,
        "submission_number": act.submission_number,
        "act": act.act,
        "digest": act.digest,
        "reason": act.reason,
        "received_at": received_at,
        "timestamp": to_base64(act.timestamp) if act.timestamp is not None else None,
        "content": emitted.content,
        "salt": emitted.salt,
        "leaf_hash": emitted.leaf_hash,
        "demo": demo,
    }
