"""Receiving a bid: manifest, headers and seal first; they fix the time and earn the receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kernel.canonical import sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.errors import DomainError, LimitExceeded
from kernel.ids import new_id
from procurement.ports import Actor, Desk, Repositories, StoredBlob, StoredSubmission
from procurement.rules.errors import SubmissionReplayed
from procurement.rules.submission import check_submission
from procurement.rules.tender import Tender
from procurement.use_cases.receipts import BidderAct, Receipt, record_act, record_refusal, wire_receipt
from procurement.use_cases.step import require_role
from sealing.errors import EnvelopeInvalid
from sealing.manifest import Manifest, SealReport, verify_seal

REFUSED_WITH_EVIDENCE = frozenset(
    {"submission-late", "submission-number-stale", "notice-mismatch", "key-set-stale", "headers-mismatch"}
)


@dataclass(frozen=True)
class SubmitEnvelope:
    """``headers`` by kind; all three byte strings canonical, the seal a DER CMS."""

    tender: str
    manifest: bytes
    seal: bytes
    headers: Mapping[str, bytes]


@dataclass(frozen=True)
class Received:
    id: str
    receipt: Receipt
    missing: list[str]


def submit_envelope(command: SubmitEnvelope, *, actor: Actor, desk: Desk) -> Received:
    """Check in the order of the design and record durably; the receipt is made in the same transaction.

    Raises the refusals of ``procurement.rules.submission`` and ``sealing``; one that an authenticated
    sender earned (late, stale number, any digest off) carries a signed receipt in ``fields["receipt"]``.
    """
    require_role(actor, "bidder")
    now = desk.clock.now()
    seal = None
    try:
        seal = verify_seal(
            command.manifest, command.seal, command.headers, desk.trust(), now=now, party=actor.party
        )
        # The seal is judged as of its stamp; whoever hands it in must not be revoked now either.
        desk.trust().validate(seal.certificate, (), now, "signature", revocation="ever")
        return _record(command, seal, actor, desk)
    except DomainError as refusal:
        if refusal.code in REFUSED_WITH_EVIDENCE:
            _record_refusal(command, seal, refusal, actor, desk)
        raise


def _record(command: SubmitEnvelope, seal: SealReport, actor: Actor, desk: Desk) -> Received:
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(command.tender)
        # Read while the tender is held: what waited for another to finish is not dated before it.
        now = desk.clock.now()
        manifest = seal.manifest
        manifest_digest = sha256_hex(command.manifest)
        known, last = repositories.submissions.before(tender.id, manifest.lot, actor.party, manifest_digest)
        if known is not None:
            raise _replayed(known, repositories)
        check_submission(
            tender,
            manifest.to_json(),
            bidder=actor.party,
            sealed_at=seal.sealed_at,
            now=now,
            last_number=last,
        )
        _check_key_set(seal, tender)
        blobs = _expected_blobs(seal)
        act = BidderAct(
            act="submission",
            tender=tender.id,
            lot=manifest.lot,
            bidder=actor.party,
            submission_number=manifest.submission_number,
            digest=sha256_hex(command.seal),
            manifest_digest=manifest_digest,
            timestamp=seal.timestamp_token,
        )
        receipt = record_act(act, at=now, uow=uow, repositories=repositories, desk=desk)
        stored = StoredSubmission(
            id=new_id(),
            tender=tender.id,
            lot=manifest.lot,
            bidder=actor.party,
            submission_number=manifest.submission_number,
            manifest_digest=manifest_digest,
            manifest=command.manifest,
            seal=command.seal,
            headers=dict(command.headers),
            received_at=format_utc(now),
            sealed_at=format_utc(seal.sealed_at),
            state="receiving",
            counter=receipt.counter,
        )
        repositories.submissions.add(stored, blobs)
        uow.commit()
    return Received(stored.id, receipt, [blob.name for blob in blobs])


def _check_key_set(seal: SealReport, tender: Tender) -> None:
    """Each header has a share for every holder of the key set and no more, and keeps the notice's size."""
    holders = len(tender.key_set.members) + 1 if tender.key_set else 0
    limit = tender.published_notice.max_envelope_bytes
    for kind, header in seal.headers.items():
        if len(header.shares) != holders:
            raise EnvelopeInvalid("not one share for each holder of the key set", kind=kind)
        if header.length > limit:
            raise LimitExceeded("the envelope is larger than the notice allows", limit_bytes=limit, kind=kind)


def _expected_blobs(seal: SealReport) -> list[StoredBlob]:
    return [
        StoredBlob(name, length, digest, received=False)
        for header in seal.headers.values()
        for name, (length, digest) in header.expected_blobs().items()
    ]


def _replayed(known: StoredSubmission, repositories: Repositories) -> SubmissionReplayed:
    """The same bytes again: the sender may have lost our answer, so it gets the first receipt back."""
    act = next(each for each in repositories.submissions.acts(known.tender) if each.counter == known.counter)
    return SubmissionReplayed(
        "this manifest was received before",
        id=known.id,
        missing=known.missing,
        receipt={"document": to_base64(act.receipt), "signature": to_base64(act.receipt_signature)},
    )


def _record_refusal(
    command: SubmitEnvelope, seal: SealReport | None, refusal: DomainError, actor: Actor, desk: Desk
) -> None:
    manifest = Manifest.parse(command.manifest)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        notice = repositories.tenders.load(command.tender).notice
        if notice is None or manifest.lot not in notice.lot_ids:
            return  # not about this call: nothing of it belongs into its closing list
        act = BidderAct(
            act="refusal",
            tender=command.tender,
            lot=manifest.lot,
            bidder=actor.party,
            submission_number=manifest.submission_number,
            digest=sha256_hex(command.seal),
            manifest_digest=sha256_hex(command.manifest),
            reason=refusal.code,
            timestamp=seal.timestamp_token if seal else None,
        )
        receipt = record_refusal(act, uow=uow, repositories=repositories, desk=desk)
        uow.commit()
    if receipt is not None:
        refusal.fields["receipt"] = wire_receipt(receipt)
