"""The end of a tender: what stayed closed goes back, provably, and the custodian destroys its keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kernel.canonical import sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.errors import WrongState
from kernel.failpoints import reach
from procurement.ports import Actor, Desk, Repositories, StoredDocument
from procurement.rules.facts import Return
from procurement.rules.tender import CloseTender, State, Tender
from procurement.use_cases.hold_opening import many, wire
from procurement.use_cases.step import require_role, take
from sealing.key_set import KeySet
from signing.documents import read_document, sign_document


def close_tender(tender_id: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Have the custodian destroy the tender's keys, then record its attestation and the signed returns.

    Returns the attestation in wire form. Safe to repeat: the custodian attests a destruction once.
    """
    require_role(actor, "buyer")
    with desk.reading() as session:
        repositories = desk.repositories(session)
        tender = repositories.tenders.load(tender_id)
        done = repositories.documents.maybe(tender_id, "key-destruction")
        if done is not None:
            return wire(done)
        kind, end = _end_of(tender, repositories)
        key_set = repositories.documents.one(tender_id, "key-set")
        request = {
            "tender": tender_id,
            kind: many(end),
            "notice": wire(repositories.documents.one(tender_id, "notice")),
            "key_set": many(key_set),
            "crls": [to_base64(crl) for crl in desk.crls()],
        }
    document, signature = desk.custodian.destroy(request)
    reach("ending.destroyed")
    custodian = KeySet.parse(key_set.document).custodian.party
    read_document(
        document,
        signature,
        desk.trust(),
        type_="mohr/key-destruction/v1",
        now=desk.clock.now(),
        party=custodian,
    )
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        done = repositories.documents.maybe(tender_id, "key-destruction")
        if done is not None:
            return wire(done)
        now = desk.clock.now()
        repositories.documents.put(tender_id, "key-destruction", document, signatures={custodian: signature})
        returns = _sign_returns(tender, now, repositories, desk)
        command = CloseTender(
            returns=tuple(returns), key_destruction_digest=sha256_hex(document), by=actor.party
        )
        repositories.tenders.save(take(tender, command, now, uow))
        uow.commit()
    return {"document": to_base64(document), "signature": to_base64(signature)}


def _end_of(tender: Tender, repositories: Repositories) -> tuple[str, StoredDocument]:
    """What the commission signed as the end: the award, or a decision that accepted nobody.

    Raises WrongState while there is none; a call that ended before any opening has nothing the custodian
    could take for an end, so its keys stay where they are and open nothing.
    """
    if tender.state in (State.AWARDED, State.UNSUCCESSFUL):
        if tender.award is not None:
            return "award", _in_force(tender, tender.award.digest, repositories)
        for decision in tender.decisions.values():
            if not decision.accepted:
                return "decision", _in_force(tender, decision.digest, repositories)
    raise WrongState("the commission has not signed an end of this tender", state=tender.state.value)


def _in_force(tender: Tender, digest: str, repositories: Repositories) -> StoredDocument:
    stored = repositories.documents.by_digest(tender.id, digest)
    assert stored is not None
    return stored


def _sign_returns(tender: Tender, now: datetime, repositories: Repositories, desk: Desk) -> list[Return]:
    returns = []
    bidders = {bid.manifest_digest: bid.bidder for bid in tender.closing.listed} if tender.closing else {}
    for manifest_digest, kinds in tender.unopened().items():
        signed = sign_document(
            {
                "type": "mohr/return/v1",
                "tender": tender.id,
                "manifest_digest": manifest_digest,
                "bidder": bidders[manifest_digest],
                "kinds": list(kinds),
                "decision_digest": _rejection_of(tender, manifest_digest),
                "returned_at": format_utc(now),
            },
            desk.receipt_signer,
            now,
        )
        digest = repositories.documents.put(
            tender.id,
            "return",
            signed.document,
            party=bidders[manifest_digest],
            signatures={desk.receipt_signer.party: signed.signature},
        )
        returns.append(Return(manifest_digest, kinds, digest))
    return returns


def _rejection_of(tender: Tender, manifest_digest: str) -> str | None:
    """The digest of the decision that kept the rest of this bid closed."""
    for decision in tender.decisions.values():
        if any(each.manifest_digest == manifest_digest and not each.accepted for each in decision.verdicts):
            return decision.digest
    return None
