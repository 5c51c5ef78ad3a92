"""From a draft to a published notice: four eyes, a countersigned key set, the officer's signature."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kernel.canonical import canonical_bytes, from_base64, to_base64
from kernel.clock import parse_utc
from kernel.errors import LimitExceeded, MalformedInput, WrongState
from kernel.ids import new_id
from procurement.ports import Actor, Desk, StoredDocument
from procurement.rules.errors import NotAMember
from procurement.rules.notice import Notice, NoticeDraft, draft_from
from procurement.rules.tender import (
    Approve,
    PublishKeySet,
    PublishNotice,
    ReturnToDraft,
    SubmitForApproval,
    Tender,
    draft_tender,
    evolve_all,
)
from procurement.use_cases.hold_opening import many
from procurement.use_cases.step import require_role, take
from sealing.key_set import CustodianKeys, KeySet, KeySetMember
from sealing.padding import padme
from signing.cms import verify_detached
from signing.documents import read_document

# A notice is signed by a person: time enough to read it, too little to back-date it.
PUBLISHING_TIME_SECONDS = 15 * 60


def draft(fields: dict[str, Any], *, actor: Actor, desk: Desk) -> Tender:
    """Enter a draft; identifier, OCID and the demo mark are the server's."""
    require_role(actor, "buyer")
    tender_id = new_id()
    ocid = f"{desk.publisher['ocid_prefix']}-{tender_id}"
    content = draft_from(fields, tender=tender_id, ocid=ocid, demo=desk.demo)
    _check_envelope_limit(content, desk)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        events = draft_tender(content, by=actor.party, now=desk.clock.now())
        tender = evolve_all(None, events)
        for event in events:
            uow.emit(event.type, tender.id, event.data)
        repositories.tenders.add(tender, drafted_by=actor.party)
        uow.commit()
    return tender


def _check_envelope_limit(content: NoticeDraft, desk: Desk) -> None:
    """A call must not promise to take what no upload can bring; the padding alone must fit as well."""
    longest = max(content.max_envelope_bytes, *(padme(each) for each in content.padding_floor_bytes.values()))
    if longest > desk.max_envelope_bytes:
        raise LimitExceeded(
            "envelopes of that length cannot be uploaded here", limit_bytes=desk.max_envelope_bytes
        )


def submit_for_approval(tender_id: str, *, actor: Actor, desk: Desk) -> Tender:
    """The officer who drafted hands it to an approver."""
    require_role(actor, "buyer")
    return _move(tender_id, SubmitForApproval(by=actor.party), desk)


def approve(tender_id: str, *, actor: Actor, desk: Desk) -> Tender:
    """Another person approves (four eyes)."""
    require_role(actor, "approver")
    return _move(tender_id, Approve(by=actor.party), desk)


def return_to_draft(tender_id: str, reason: str, *, actor: Actor, desk: Desk) -> Tender:
    """The approver sends it back with a reason."""
    require_role(actor, "approver")
    return _move(tender_id, ReturnToDraft(by=actor.party, reason=reason), desk)


def _move(tender_id: str, command: SubmitForApproval | Approve | ReturnToDraft, desk: Desk) -> Tender:
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = take(repositories.tenders.load(tender_id), command, desk.clock.now(), uow)
        repositories.tenders.save(tender)
        uow.commit()
    return tender


def compose_key_set(tender_id: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Put the members' certificates and the custodian's new keys together, to be countersigned.

    Safe to repeat: the custodian makes its keys for a tender once, and the first key set stands.
    """
    require_role(actor, "buyer")
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        if tender.state != "approved":
            raise WrongState("a key set is made for an approved tender", state=tender.state)
        known = repositories.documents.maybe(tender_id, "key-set")
        if known is not None:
            return many(known)
        members = _members(tender, uow.session, desk)
    keys = desk.custodian.create_keys(tender_id)
    custodian = CustodianKeys(
        party=keys["party"],
        signing_certificate=keys["signing_certificate_digest"],
        keys={kind: from_base64(spki) for kind, spki in keys["keys"].items()},
    )
    key_set = KeySet.build(
        tender=tender_id,
        threshold=tender.draft.opening_threshold,
        members=members,
        custodian=custodian,
        created_at=desk.clock.now(),
        previous=None,
    )
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        repositories.tenders.load(tender_id)
        known = repositories.documents.maybe(tender_id, "key-set")
        if known is None:
            repositories.documents.put(tender_id, "key-set", key_set.document)
            uow.commit()
            known = StoredDocument("key-set", None, None, key_set.digest, key_set.document, {})
    return many(known)


def _members(tender: Tender, session: Any, desk: Desk) -> list[KeySetMember]:
    voting = [seat for seat in tender.draft.commission if seat.seat != "observer"]
    return [
        KeySetMember.of(
            index,
            seat.party,
            signing_certificate=desk.directory.signing_certificate_digest(session, seat.party),
            encryption_certificate=desk.directory.encryption_certificate(session, seat.party),
        )
        for index, seat in enumerate(voting, start=1)
    ]


def countersign_key_set(tender_id: str, signature: bytes, *, actor: Actor, desk: Desk) -> list[str]:
    """Record a member's countersignature; after the last member the custodian adds its own. Returns who is missing."""
    require_role(actor, "member")
    now = desk.clock.now()
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        repositories.tenders.load(tender_id)
        stored = repositories.documents.one(tender_id, "key-set")
        key_set = KeySet.parse(stored.document)
        if actor.party not in {member.party for member in key_set.members}:
            raise NotAMember("this key set has no share for that party")
        verify_detached(
            stored.document, signature, desk.trust(), now=now, party=actor.party, revocation="ever"
        )
        if actor.party not in stored.signatures:
            repositories.documents.sign(tender_id, stored.digest, actor.party, signature)
            uow.commit()
    return _complete_key_set(tender_id, desk)


def _complete_key_set(tender_id: str, desk: Desk) -> list[str]:
    with desk.reading() as session:
        repositories = desk.repositories(session)
        stored = repositories.documents.one(tender_id, "key-set")
        tender = repositories.tenders.load(tender_id)
    key_set = KeySet.parse(stored.document)
    members = [member.party for member in key_set.members]
    missing = [party for party in members if party not in stored.signatures]
    if missing or tender.key_set is not None:
        return missing
    signature = desk.custodian.countersign(stored.document, stored.signatures)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        if tender.key_set is None:
            repositories.documents.sign(tender_id, stored.digest, key_set.custodian.party, signature)
            command = PublishKeySet(
                digest=stored.digest,
                members=tuple(members),
                threshold=key_set.threshold,
                custodian=key_set.custodian.party,
                signers=(*members, key_set.custodian.party),
                document=to_base64(stored.document),
            )
            repositories.tenders.save(take(tender, command, desk.clock.now(), uow))
            uow.commit()
    return []


def draft_notice(tender_id: str, *, actor: Actor, desk: Desk) -> bytes:
    """The notice as the officer would sign it now."""
    require_role(actor, "buyer")
    with desk.reading() as session:
        tender = desk.repositories(session).tenders.load(tender_id)
    if tender.key_set is None:
        raise WrongState("the notice needs the countersigned key set", state=tender.state)
    notice = tender.draft.publish(key_set_digest=tender.key_set.digest, published_at=desk.clock.now())
    return canonical_bytes(notice.to_json())


def publish_notice(tender_id: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk) -> Tender:
    """The officer's signature publishes the notice; its digest is what every bid will name."""
    require_role(actor, "buyer")
    now = desk.clock.now()
    value = read_document(
        document,
        signature,
        desk.trust(),
        type_="mohr/notice/v1",
        now=now,
        party=actor.party,
        revocation="ever",
    )
    notice = Notice.parse(value)
    _check_fresh(value["published_at"], now)
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        if notice.tender != tender_id:
            raise MalformedInput("the notice is another tender's")
        tender = take(tender, PublishNotice(notice=notice, by=actor.party), now, uow)
        repositories.documents.put(tender_id, "notice", document, signatures={actor.party: signature})
        repositories.tenders.save(tender, closes_at=tender.closes_at)
        uow.commit()
    return tender


def _check_fresh(published_at: str, now: datetime) -> None:
    if not 0 <= (now - parse_utc(published_at)).total_seconds() <= PUBLISHING_TIME_SECONDS:
        raise MalformedInput("the notice was composed too long ago; compose and sign it again")
