"""What may be asked of a tender without changing it, each answer no wider than the asker's right to it."""

from __future__ import annotations

from typing import Any

from kernel.canonical import parse_canonical, to_base64
from kernel.clock import format_utc
from kernel.errors import Forbidden, NotFound
from procurement.ports import Actor, Desk, StoredSubmission
from procurement.rules.commission import head_of, seat_of
from procurement.rules.errors import NotAMember
from procurement.rules.tender import Tender
from procurement.use_cases.decide import opened_bids
from procurement.use_cases.hold_opening import many, opening_package, wire, with_proof
from procurement.use_cases.step import require_role
from sealing.key_set import KeySet

_FOR_EVERYBODY = frozenset(
    {"notice", "key-set", "closing-list", "session", "decision", "award", "return", "key-destruction"}
)


def load_tender(tender_id: str, desk: Desk) -> Tender:
    """The tender as it stands; raises NotFound."""
    with desk.reading() as session:
        return desk.repositories(session).tenders.load(tender_id)


def published_tender(tender_id: str, desk: Desk) -> Tender:
    """A published tender; before that there is nothing for the public, not even that it exists."""
    tender = load_tender(tender_id, desk)
    if tender.notice is None:
        raise NotFound("no such tender", tender=tender_id[:64])
    return tender


def draft_of(tender_id: str, *, actor: Actor, desk: Desk) -> tuple[Tender, dict[str, Any]]:
    """A tender before publication with its terms, for those who prepare it."""
    require_role(actor, "buyer", "approver", "auditor", "member")
    tender = load_tender(tender_id, desk)
    member = seat_of(tender.draft.commission, actor.party) is not None
    if not member and not actor.roles & {"buyer", "approver", "auditor"}:
        raise Forbidden("a draft is shown to buyers, approvers, auditors and its own commission")
    return tender, tender.draft.to_json()


def published_tenders(desk: Desk, *, after: str, limit: int) -> list[Tender]:
    """Published tenders by identifier, which is by age, beyond ``after``; at most ``limit``."""
    with desk.reading() as session:
        tenders = desk.repositories(session).tenders
        return [tenders.load(each) for each in tenders.published_ids(after=after, limit=limit)]


def status_of(tender: Tender) -> dict[str, Any]:
    """What anybody may know of a call."""
    draft, notice = tender.draft, tender.notice
    announced = tender.price_opening_at
    return {
        "id": tender.id,
        "ocid": tender.ocid,
        "state": tender.state.value,
        "title": draft.title,
        "nature": draft.nature,
        "method": draft.method,
        "stages": draft.stages,
        "regime": draft.regime,
        "notice_digest": tender.notice_digest,
        "key_set_digest": tender.key_set_digest,
        "submission_deadline": format_utc(notice.submission_deadline) if notice else None,
        "closes_at": tender.closes_at,
        "price_opening_at": format_utc(announced) if announced else None,
        "demo": draft.demo,
    }


def key_set(tender_id: str, desk: Desk) -> dict[str, Any]:
    """The key set with every countersignature, its event and proof."""
    with desk.reading() as session:
        stored = desk.repositories(session).documents.one(tender_id, "key-set")
        event = desk.event_naming(session, tender_id, stored.digest)
        proof = desk.proof_for(event) if event is not None else None
    return {**many(stored), "event": to_base64(event) if event else None, "proof": proof}


def proven_document(tender_id: str, kind: str, desk: Desk) -> dict[str, Any]:
    """The notice or the closing list with its event and proof."""
    with desk.reading() as session:
        stored = desk.repositories(session).documents.one(tender_id, kind)
        return with_proof(tender_id, stored, session, desk)


def public_document(tender_id: str, digest: str, desk: Desk) -> dict[str, Any]:
    """A signed document for everybody, with its signatures; raises NotFound.

    It is public once a public event names it. Not so are the kinds that hold secrets or what only insiders
    are told: shares, opening records, attendances.
    """
    with desk.reading() as session:
        stored = desk.repositories(session).documents.by_digest(tender_id, digest)
        if (
            stored is None
            or stored.kind not in _FOR_EVERYBODY
            or desk.event_naming(session, tender_id, digest) is None
        ):
            raise NotFound("no public document of that digest", tender=tender_id[:64])
        return many(stored)


def next_submission_number(tender_id: str, lot: str, *, actor: Actor, desk: Desk) -> int:
    """One above the asking bidder's last number for that lot."""
    require_role(actor, "bidder")
    with desk.reading() as session:
        repositories = desk.repositories(session)
        repositories.tenders.load(tender_id)
        return repositories.submissions.last_number(tender_id, lot, actor.party) + 1


def own_submissions(tender_id: str, *, actor: Actor, desk: Desk) -> list[StoredSubmission]:
    """The asking bidder's own submissions; nobody can ask for another's."""
    require_role(actor, "bidder")
    with desk.reading() as session:
        stored = desk.repositories(session).submissions.of_tender(tender_id)
    return [each for each in stored if each.bidder == actor.party]


def own_submission(submission_id: str, *, actor: Actor, desk: Desk) -> StoredSubmission:
    """One of the asking bidder's own submissions; another's is not found."""
    require_role(actor, "bidder")
    with desk.reading() as session:
        stored = desk.repositories(session).submissions.get(submission_id)
    if stored.bidder != actor.party:
        raise NotFound("no such submission")
    return stored


def member_package(tender_id: str, stage: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """The opening package with the asking member's own share blobs."""
    require_role(actor, "member")
    with desk.reading() as session:
        stored = desk.repositories(session).documents.one(tender_id, "key-set")
    for member in KeySet.parse(stored.document).members:
        if member.party == actor.party:
            return opening_package(tender_id, stage, share_index=member.index, desk=desk)
    raise Forbidden("this key set has no share for you")


def record_of(tender_id: str, stage: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """The signed opening record. Its secrets open the envelopes, so it goes to members and auditors."""
    require_insider(tender_id, actor, desk)
    with desk.reading() as session:
        return many(desk.repositories(session).documents.one(tender_id, "record", stage=stage))


def bids_of(tender_id: str, stage: str, *, actor: Actor, desk: Desk) -> list[dict[str, Any]]:
    """The opened bids of a stage, all at once, to members and auditors."""
    require_insider(tender_id, actor, desk)
    with desk.reading() as session:
        repositories = desk.repositories(session)
        record = parse_canonical(repositories.documents.one(tender_id, "record", stage=stage).document)
        bids = opened_bids(repositories, tender_id, stage)
    return [
        {
            "manifest_digest": result["manifest_digest"],
            "bidder": result["bidder"],
            "lot": result["lot"],
            "bid": bids[result["manifest_digest"]],
        }
        for result in record["results"]
        if result["manifest_digest"] in bids
    ]


def returns_of(tender_id: str, *, actor: Actor, desk: Desk) -> list[dict[str, str]]:
    """Signed returns of unopened envelopes: a bidder's own, an auditor's all."""
    require_role(actor, "bidder", "auditor")
    party = None if "auditor" in actor.roles else actor.party
    with desk.reading() as session:
        documents = desk.repositories(session).documents
        return [wire(each) for each in documents.find(tender_id, "return", party=party)]


def require_chair(tender_id: str, actor: Actor, desk: Desk) -> None:
    """Raises Forbidden, or NotAMember unless the actor holds the head's seat."""
    require_role(actor, "member")
    tender = load_tender(tender_id, desk)
    if head_of(tender.published_notice.commission) != actor.party:
        raise tender.rules["head-attends"].refusal(NotAMember, "only the head of the commission does this")


def require_insider(tender_id: str, actor: Actor, desk: Desk) -> None:
    """Raises RoleMissing, NotFound or Forbidden unless the actor sits in the commission or audits."""
    require_role(actor, "member", "auditor")
    tender = load_tender(tender_id, desk)
    if seat_of(tender.published_notice.commission, actor.party) is None and "auditor" not in actor.roles:
        raise Forbidden("opened bids are shown to the commission and to auditors")
