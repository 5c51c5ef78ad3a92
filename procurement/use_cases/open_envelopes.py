"""Opening a stage: the custodian releases last, then everything is rebuilt, compared and read at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from kernel.canonical import parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.errors import DomainError, StorageFull
from kernel.failpoints import reach
from kernel.storage import refusing_when_full
from procurement.ports import Actor, Desk, StoredDocument, StoredSubmission
from procurement.rules.errors import TooFewBatches
from procurement.rules.tender import RecordOpening, Tender
from procurement.use_cases.hold_opening import many, opening_package, wire
from procurement.use_cases.step import require_role, take
from sealing.coins import Secrets
from sealing.content import PIECE_BYTES, Blob
from sealing.context import EnvelopeContext
from sealing.envelope import EnvelopeHeader
from sealing.errors import Unopenable
from sealing.key_set import KeySet
from sealing.opening import judge_bad_share, open_envelope_to
from sealing.payload import examine_payload
from sealing.shares import Share, check_share
from signing.documents import read_document, sign_document


@dataclass(frozen=True)
class _Opened:
    result: dict[str, Any]
    bid: bytes | None


def open_stage(tender_id: str, stage: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Have the custodian release, open every envelope of the stage, and record it. Safe to repeat.

    Returns the signed opening record with its signatures. Raises TooFewBatches, WrongState, or what the
    custodian refused with; then nothing was recorded and the step can be taken again.
    """
    require_role(actor, "member")
    with desk.reading() as reader:
        repositories = desk.repositories(reader)
        tender = repositories.tenders.load(tender_id)
        done = repositories.documents.maybe(tender_id, "record", stage=stage)
        if done is not None:
            return many(done)
        session = repositories.documents.one(tender_id, "session", stage=stage)
        batches = repositories.documents.find(tender_id, "batch", stage=stage)
        key_set = KeySet.parse(repositories.documents.one(tender_id, "key-set").document)
    if len(batches) < key_set.threshold:
        raise tender.rules["opening-threshold"].refusal(
            TooFewBatches,
            "too few members have handed in their shares",
            batches=len(batches),
            needed=key_set.threshold,
        )
    package = opening_package(tender_id, stage, share_index=0, desk=desk)
    package["batches"] = [wire(batch) for batch in batches]
    release, release_signature = desk.custodian.release(package)
    reach("opening.released")
    released = read_document(
        release,
        release_signature,
        desk.trust(),
        type_="mohr/release/v1",
        now=desk.clock.now(),
        party=key_set.custodian.party,
    )
    opened = _open_all(tender, stage, key_set, batches, released, desk)
    return _record(tender_id, stage, session, (release, release_signature), key_set, opened, desk)


def _open_all(
    tender: Tender,
    stage: str,
    key_set: KeySet,
    batches: list[StoredDocument],
    released: dict[str, Any],
    desk: Desk,
) -> list[_Opened]:
    handed_in = [parse_canonical(batch.document) for batch in batches]
    releases = {each["manifest_digest"]: each for each in released["releases"]}
    opened = []
    for manifest_digest in tender.eligible(stage):
        with desk.reading() as session:
            stored = desk.repositories(session).submissions.by_manifest(tender.id, manifest_digest)
        assert stored is not None
        shares = [_share_of(batch, manifest_digest) for batch in handed_in]
        opened.append(
            _open_one(
                stored,
                stage,
                key_set,
                [share for share in shares if share is not None],
                [batch["index"] for batch in handed_in if _complains(batch, manifest_digest)],
                releases.get(manifest_digest),
                desk,
            )
        )
    return opened


def _open_one(
    stored: StoredSubmission,
    stage: str,
    key_set: KeySet,
    shares: list[Share],
    complaints: list[int],
    release: dict[str, Any] | None,
    desk: Desk,
) -> _Opened:
    header = EnvelopeHeader.parse(stored.headers[stage])
    good = [share for share in shares if _is_good(header, share)]
    if release is None or release["state"] != "ok":
        reason = release["reason"] if release else "the custodian released nothing for it"
        return _Opened(_result(stored, "disputed", reason=reason), None)
    custodian = Share(0, bytes.fromhex(release["share"]), bytes.fromhex(release["blinding"]))
    with refusing_when_full(), desk.objects.scratch() as content:
        try:
            blobs = blobs_of(header, desk)
            secrets = open_envelope_to(header, blobs, key_set, good, custodian, content)
        except StorageFull:
            raise  # nothing was found out of the bid; the step can be taken again
        except Unopenable as refusal:
            return _Opened(_result(stored, "unopenable", reason=refusal.detail, named=refusal.named), None)
        except DomainError as refusal:
            # Too few good shares, or a blob lost while it was kept here: neither is the bidder's doing.
            return _Opened(_result(stored, "disputed", reason=refusal.detail), None)
        named = _false_complaint(header, blobs, key_set, good, custodian, complaints)
        content.seek(0)
        try:
            bid = _read_bid(content, header.context, stored, desk)
        except DomainError as refusal:
            # It decrypted and rebuilt; what the bidder put inside is not a bid.
            known = _disclosed(secrets)
            result = _result(stored, "unopenable", reason=refusal.detail, named=stored.bidder, **known)
            return _Opened(result, None)
    result = _result(stored, "opened", bid_digest=sha256_hex(bid), named=named, **_disclosed(secrets))
    return _Opened(result, bid)


def _false_complaint(
    header: EnvelopeHeader,
    blobs: dict[str, Blob],
    key_set: KeySet,
    shares: list[Share],
    custodian: Share,
    complaints: list[int],
) -> str | None:
    """The first member who called a share bad that opens for him, as the rebuild shows; else None."""
    for index in complaints:
        try:
            verdict = judge_bad_share(header, blobs, key_set, shares, custodian, index)
        except DomainError:
            continue
        if verdict.named != header.context.bidder:
            return verdict.named
    return None


def _read_bid(content: IO[bytes], context: EnvelopeContext, stored: StoredSubmission, desk: Desk) -> bytes:
    """The inner signature is judged as of the seal's time stamp: a certificate may have ended since."""
    now = _instant(stored.sealed_at)
    return examine_payload(content, context, desk.trust(), now=now, party=stored.bidder).bid_bytes


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def blobs_of(header: EnvelopeHeader, desk: Desk) -> dict[str, Blob]:
    """The stored blobs of an envelope: the ciphertext as a stream, what is small as it is. Raises NotFound."""
    blobs: dict[str, Blob] = {}
    for name, (length, digest) in header.expected_blobs().items():
        small = length <= PIECE_BYTES
        blobs[name] = desk.objects.read(digest) if small else desk.objects.content(digest)
    return blobs


def _share_of(batch: dict[str, Any], manifest_digest: str) -> Share | None:
    for entry in batch["shares"]:
        if entry["manifest_digest"] == manifest_digest and entry["state"] == "ok":
            return Share(batch["index"], bytes.fromhex(entry["share"]), bytes.fromhex(entry["blinding"]))
    return None


def _complains(batch: dict[str, Any], manifest_digest: str) -> bool:
    return any(
        entry["manifest_digest"] == manifest_digest and entry["state"] == "bad" for entry in batch["shares"]
    )


def _is_good(header: EnvelopeHeader, share: Share) -> bool:
    try:
        check_share(header, share)
    except DomainError:
        return False
    return True


def _disclosed(secrets: Secrets) -> dict[str, str]:
    return {"member_secret": secrets.member.hex(), "custodian_secret": secrets.custodian.hex()}


def _result(stored: StoredSubmission, outcome: str, **known: str | None) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(
        ("bid_digest", "member_secret", "custodian_secret", "named", "reason")
    )
    return {
        "manifest_digest": stored.manifest_digest,
        "lot": stored.lot,
        "bidder": stored.bidder,
        "outcome": outcome,
        **empty,
        **known,
    }


def _record(
    tender_id: str,
    stage: str,
    session: StoredDocument,
    release: tuple[bytes, bytes],
    key_set: KeySet,
    opened: list[_Opened],
    desk: Desk,
) -> dict[str, Any]:
    """Write release, record and bids together; whoever comes second gets what the first recorded."""
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        done = repositories.documents.maybe(tender_id, "record", stage=stage)
        if done is not None:
            return many(done)
        now = desk.clock.now()
        documents = repositories.documents
        release_digest = documents.put(
            tender_id, "release", release[0], stage=stage, signatures={key_set.custodian.party: release[1]}
        )
        signed = sign_document(
            {
                "type": "mohr/opening-record/v1",
                "tender": tender_id,
                "stage": stage,
                "session_digest": session.digest,
                "release_digest": release_digest,
                "results": [each.result for each in opened],
                "recorded_at": format_utc(now),
            },
            desk.receipt_signer,
            now,
        )
        server = desk.receipt_signer.party
        digest = documents.put(
            tender_id, "record", signed.document, stage=stage, signatures={server: signed.signature}
        )
        for each in opened:
            if each.bid is not None:
                documents.put(tender_id, "bid", each.bid, stage=stage, party=each.result["bidder"])
        command = RecordOpening(
            stage=stage, digest=digest, results=tuple(_public(each.result) for each in opened)
        )
        repositories.tenders.save(take(tender, command, now, uow))
        uow.commit()
    return {
        "document": to_base64(signed.document),
        "signatures": {server: to_base64(signed.signature)},
    }


def _public(result: dict[str, Any]) -> dict[str, Any]:
    """What the rules and the public event need of a result; the secrets stay in the record."""
    names = ("manifest_digest", "lot", "bidder", "outcome", "reason", "named", "bid_digest")
    return {name: result[name] for name in names}
