"""Receiving the blobs that a manifest declared, each checked against its header before it counts."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import Forbidden, NotFound
from kernel.failpoints import reach
from procurement.ports import Actor, Desk, Repositories, StoredBlob, StoredSubmission, Submissions, Upload
from procurement.rules.errors import BlobMismatch
from procurement.rules.submission import check_upload_time
from procurement.uploads import UploadPlace, UploadRestart
from procurement.use_cases.receipts import BidderAct, record_refusal, wire_receipt
from procurement.use_cases.step import require_role


@dataclass(frozen=True)
class ExpectedBlob:
    """What may be uploaded, decided before the first byte is read; ``received`` means there is nothing to do."""

    place: UploadPlace
    tender: str
    length: int
    digest: str
    received: bool


@dataclass(frozen=True)
class BlobState:
    """How far a declared blob has come: ``staged`` bytes are kept to go on from, ``missing`` names its fellows."""

    length: int
    staged: int
    received: bool
    missing: list[str]


def blob_state(submission: str, name: str, *, actor: Actor, desk: Desk) -> BlobState:
    """For the bidder alone. Raises NotFound, Forbidden."""
    require_role(actor, "bidder")
    with desk.reading() as session:
        stored, blob = _declared(submission, name, actor, desk.repositories(session))
    staged = 0 if blob.received else desk.objects.staged(UploadPlace(actor.party, submission, name))
    return BlobState(blob.length, staged, blob.received, stored.missing)


def expect_blob(submission: str, name: str, length: int | None, *, actor: Actor, desk: Desk) -> ExpectedBlob:
    """Check sender, time, name and announced length, which is that of the whole blob.

    Raises NotFound, Forbidden, SubmissionLate, BlobMismatch.
    """
    require_role(actor, "bidder")
    with desk.reading() as session:
        repositories = desk.repositories(session)
        stored, blob = _declared(submission, name, actor, repositories)
        if not blob.received:
            check_upload_time(repositories.tenders.load(stored.tender), desk.clock.now())
        if length is not None and length != blob.length:
            raise BlobMismatch("the announced length differs from the header", expected_length=blob.length)
    place = UploadPlace(actor.party, submission, name)
    return ExpectedBlob(place, stored.tender, blob.length, blob.digest, blob.received)


def accept_blob(expected: ExpectedBlob, upload: Upload, *, actor: Actor, desk: Desk) -> list[str]:
    """Adopt a wholly staged upload if it is what the header declared; returns the names still missing.

    Raises BlobMismatch, with a refusal recorded and receipted, or UploadRestart where a part was kept here
    meanwhile: then the difference may be ours. Either way nothing is kept.
    """
    digest = upload.digest()
    if upload.length != expected.length or digest != expected.digest:
        upload.drop()
        if upload.resumed:
            raise UploadRestart("the parts do not make the declared blob; send it whole")
        raise _refuse(expected, digest, actor, desk)
    upload.adopt()
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(expected.tender)
        stored = repositories.submissions.get(expected.place.submission)
        check_upload_time(tender, desk.clock.now())
        repositories.submissions.mark_received(expected.place.submission, expected.place.name)
        missing = repositories.submissions.get(expected.place.submission).missing
        if not missing and stored.state == "receiving":
            _complete(repositories.submissions, stored)
        uow.commit()
    reach("blob.marked")
    return missing


def _declared(
    submission: str, name: str, actor: Actor, repositories: Repositories
) -> tuple[StoredSubmission, StoredBlob]:
    stored = repositories.submissions.get(submission)
    if stored.bidder != actor.party:
        raise Forbidden("that submission is another bidder's")
    blob = repositories.submissions.blob(submission, name)
    if blob is None:
        raise NotFound("the manifest declares no blob of that name", name=name[:40])
    return stored, blob


def _complete(submissions: Submissions, stored: StoredSubmission) -> None:
    """All blobs are here: only now does it replace what the bidder sent before (decision 0004)."""
    alike = submissions.complete(stored.tender, stored.lot, stored.bidder)
    newer = any(each.submission_number > stored.submission_number for each in alike)
    submissions.set_state(stored.id, "replaced" if newer else "complete")
    for older in alike:
        if older.submission_number < stored.submission_number:
            submissions.set_state(older.id, "replaced")


def _refuse(expected: ExpectedBlob, digest: str, actor: Actor, desk: Desk) -> BlobMismatch:
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        repositories.tenders.load(expected.tender)
        stored = repositories.submissions.get(expected.place.submission)
        act = BidderAct(
            act="refusal",
            tender=stored.tender,
            lot=stored.lot,
            bidder=actor.party,
            submission_number=stored.submission_number,
            digest=digest,
            manifest_digest=stored.manifest_digest,
            reason=BlobMismatch.code,
        )
        receipt = record_refusal(act, uow=uow, repositories=repositories, desk=desk)
        uow.commit()
    refusal = BlobMismatch(
        "length or digest differs from the header; nothing was kept", expected_length=expected.length
    )
    if receipt is not None:
        refusal.fields["receipt"] = wire_receipt(receipt)
    return refusal
