"""A commission session: attendance, the chair's start, the members' batches, the custodian last, the record."""

from __future__ import annotations

from typing import Any

from kernel.canonical import sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.errors import MalformedInput, WrongState
from procurement.ports import Actor, Desk, Repositories, StoredDocument, StoredSubmission
from procurement.rules.errors import BatchRepeated, DocumentMismatch, NotEligible, NotPresent
from procurement.rules.tender import RecordAttendance, StartOpening, Tender
from procurement.use_cases.signed_input import check_attendance_form, check_batch_form, check_session_form
from procurement.use_cases.step import require_role, take
from sealing.key_set import KeySet
from signing.cms import verify_detached
from signing.documents import read_document

_BEFORE = {"A": None, "B": "A", "C": "B"}


def record_attendance(tender_id: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk) -> None:
    """A member signs to be present at a stage and declares whether there is a conflict of interest."""
    require_role(actor, "member")
    now = desk.clock.now()
    declared = read_document(
        document,
        signature,
        desk.trust(),
        type_="mohr/attendance/v1",
        now=now,
        party=actor.party,
        revocation="ever",
    )
    check_attendance_form(declared)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        command = RecordAttendance(
            tender=declared["tender"],
            stage=declared["stage"],
            party=declared["party"],
            signer=actor.party,
            conflict=declared["conflict"],
            digest=sha256_hex(document),
        )
        tender = take(tender, command, desk.clock.now(), uow)
        repositories.documents.put(
            tender.id,
            "attendance",
            document,
            stage=declared["stage"],
            party=actor.party,
            signatures={actor.party: signature},
        )
        repositories.tenders.save(tender)
        uow.commit()


def draft_session(tender_id: str, stage: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """The session document as the chair would sign it now, from what is recorded."""
    require_role(actor, "member")
    with desk.reading() as session:
        repositories = desk.repositories(session)
        tender = repositories.tenders.load(tender_id)
        closing_list = repositories.documents.one(tender_id, "closing-list")
        return {
            "type": "mohr/opening-session/v1",
            "tender": tender_id,
            "stage": stage,
            "closing_list_digest": closing_list.digest,
            "decision_digest": tender.decision_digest_before(stage),
            "present": list(tender.present(stage)),
            "manifests": list(tender.eligible(stage)),
            "opened_at": format_utc(desk.clock.now()),
        }


def start_opening(
    tender_id: str, stage: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk
) -> None:
    """The chair opens a stage; from here the list of those present and of the envelopes is fixed."""
    require_role(actor, "member")
    now = desk.clock.now()
    session = read_document(
        document,
        signature,
        desk.trust(),
        type_="mohr/opening-session/v1",
        now=now,
        party=actor.party,
        revocation="ever",
    )
    check_session_form(session)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        command = StartOpening(
            tender=session["tender"],
            stage=stage,
            session_stage=session["stage"],
            signer=actor.party,
            digest=sha256_hex(document),
            closing_list_digest=session["closing_list_digest"],
            decision_digest=session["decision_digest"],
            present=tuple(session["present"]),
            manifests=tuple(session["manifests"]),
            opened_at=session["opened_at"],
        )
        tender = take(tender, command, desk.clock.now(), uow)
        repositories.documents.put(
            tender_id, "session", document, stage=stage, signatures={actor.party: signature}
        )
        repositories.tenders.save(tender)
        uow.commit()


def opening_package(tender_id: str, stage: str, *, share_index: int, desk: Desk) -> dict[str, Any]:
    """Everything that a member (or, with index 0, the custodian) needs to check before opening its shares."""
    with desk.reading() as reader:
        repositories = desk.repositories(reader)
        tender = repositories.tenders.load(tender_id)
        session = repositories.documents.one(tender_id, "session", stage=stage)
        documents = repositories.documents
        before = _BEFORE[stage]
        decision_digest = tender.decision_digest_before(stage)
        decision = documents.by_digest(tender_id, decision_digest) if decision_digest else None
        record = documents.maybe(tender_id, "record", stage=before) if before else None
        before_session = documents.maybe(tender_id, "session", stage=before) if before else None
        submissions = [
            repositories.submissions.by_manifest(tender_id, digest) for digest in tender.eligible(stage)
        ]
        return {
            "stage": stage,
            "notice": wire(documents.one(tender_id, "notice")),
            "key_set": many(documents.one(tender_id, "key-set")),
            "closing_list": with_proof(tender_id, documents.one(tender_id, "closing-list"), reader, desk),
            "session": wire(session),
            "attendances": [wire(each) for each in documents.find(tender_id, "attendance", stage=stage)],
            "previous_decision": many(decision) if decision else None,
            "previous_record": many(record) if record else None,
            "previous_session": wire(before_session) if before_session else None,
            "crls": [to_base64(crl) for crl in desk.crls()],
            "submissions": [
                _submission(each, stage, share_index, repositories, desk) for each in submissions if each
            ],
        }


def hand_in_batch(
    tender_id: str, stage: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk
) -> tuple[int, int]:
    """Record a present member's signed batch of shares; returns how many there are and how many are needed."""
    require_role(actor, "member")
    batch = read_document(
        document,
        signature,
        desk.trust(),
        type_="mohr/share-batch/v1",
        now=desk.clock.now(),
        party=actor.party,
        revocation="ever",
    )
    check_batch_form(batch)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        _check_batch(batch, tender, stage, actor, repositories)
        digest = repositories.documents.put(
            tender_id,
            "batch",
            document,
            stage=stage,
            party=actor.party,
            signatures={actor.party: signature},
        )
        # The log holds the digest only: a share is not public before its envelope is.
        data = {"tender": tender_id, "stage": stage, "party": actor.party, "digest": digest}
        uow.emit("ir.tehran.procurement.share-batch-received.v1", tender_id, data)
        count = len(repositories.documents.find(tender_id, "batch", stage=stage))
        needed = tender.published_notice.opening_threshold
        uow.commit()
    return count, needed


def sign_record(tender_id: str, stage: str, signature: bytes, *, actor: Actor, desk: Desk) -> list[str]:
    """Record the signature of a member who was present under the opening record; returns who has not signed yet."""
    require_role(actor, "member")
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        stored = repositories.documents.one(tender_id, "record", stage=stage)
        present = tender.present(stage)
        if actor.party not in present:
            raise tender.rules["commission-seats"].refusal(
                NotPresent, "only a member who was present signs the record"
            )
        verify_detached(
            stored.document,
            signature,
            desk.trust(),
            now=desk.clock.now(),
            party=actor.party,
            revocation="ever",
        )
        if actor.party not in stored.signatures:
            repositories.documents.sign(tender_id, stored.digest, actor.party, signature)
            data = {"tender": tender_id, "stage": stage, "party": actor.party, "digest": stored.digest}
            uow.emit("ir.tehran.procurement.record-signed.v1", tender_id, data)
            uow.commit()
        signed = {*stored.signatures, actor.party}
    return [party for party in present if party not in signed]


def _check_batch(
    batch: dict[str, Any],
    tender: Tender,
    stage: str,
    actor: Actor,
    repositories: Repositories,
) -> None:
    """Of a present member, for the session that is open, under its own index, naming each envelope once."""
    session = tender.sessions.get(stage)
    if session is None or stage in tender.records or tender.state != f"opening_{stage.lower()}":
        raise WrongState("no session of that stage is open", state=tender.state.value, stage=stage)
    expected = {
        "tender": tender.id,
        "stage": stage,
        "session_digest": session.digest,
        "party": actor.party,
    }
    if any(batch.get(name) != value for name, value in expected.items()):
        raise tender.rules["envelope-order"].refusal(
            DocumentMismatch, "the batch was signed for another session"
        )
    if actor.party not in tender.present(stage):
        raise tender.rules["commission-seats"].refusal(
            NotPresent, "only a member who is present hands in shares"
        )
    if repositories.documents.find(tender.id, "batch", stage=stage, party=actor.party):
        raise BatchRepeated("this member has handed in a batch for this session already")
    key_set = KeySet.parse(repositories.documents.one(tender.id, "key-set").document)
    if (batch["index"], actor.party) not in {(each.index, each.party) for each in key_set.members}:
        raise MalformedInput("the batch is not under its member's own index", field="batch.index")
    if sorted(each["manifest_digest"] for each in batch["shares"]) != sorted(session.manifests):
        raise tender.rules["envelope-order"].refusal(
            NotEligible, "a batch names each envelope of its session once, and no other"
        )


def _submission(
    stored: StoredSubmission, stage: str, share_index: int, repositories: Repositories, desk: Desk
) -> dict[str, Any]:
    blob = repositories.submissions.blob(stored.id, f"{stage}.share-{share_index}.der")
    assert blob is not None
    return {
        "manifest_digest": stored.manifest_digest,
        "manifest": to_base64(stored.manifest),
        "seal": to_base64(stored.seal),
        "headers": {kind: to_base64(header) for kind, header in stored.headers.items()},
        "share": to_base64(desk.objects.read(blob.digest)),
    }


def wire(stored: StoredDocument) -> dict[str, str]:
    """A document with its first signature, in the wire form of formats.md."""
    signature = next(iter(stored.signatures.values()))
    return {"document": to_base64(stored.document), "signature": to_base64(signature)}


def many(stored: StoredDocument) -> dict[str, Any]:
    """A document with all its signatures by party."""
    signatures = {party: to_base64(each) for party, each in stored.signatures.items()}
    return {"document": to_base64(stored.document), "signatures": signatures}


def with_proof(tender_id: str, stored: StoredDocument, session: Any, desk: Desk) -> dict[str, Any]:
    """A document with the public event that names its digest and that event's inclusion proof, if there is one."""
    event = desk.event_naming(session, tender_id, stored.digest)
    proof = desk.proof_for(event) if event is not None else None
    return {**wire(stored), "event": to_base64(event) if event is not None else None, "proof": proof}
