"""The commission decides: one document, signed by a majority of the members present, moves the tender."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kernel.canonical import parse_canonical, sha256_hex
from kernel.clock import format_utc, parse_utc
from kernel.errors import WrongState
from kernel.unit_of_work import UnitOfWork
from procurement.ports import Actor, Desk, Repositories, StoredDocument
from procurement.rules.award import award_document, check_same, read_award
from procurement.rules.commission import seat_of
from procurement.rules.errors import DatesOutOfOrder, MajorityMissing, NotAMember
from procurement.rules.tender import Award, Command, Decide, Tender
from procurement.use_cases.signed_input import check_decision_form
from procurement.use_cases.step import require_role, take
from signing.documents import read_document

_MAX_RECORD_BYTES = 64 << 20


def decide_stage(
    tender_id: str, stage: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk
) -> bool:
    """Sign, or propose by signing first, a decision on A or B; returns whether it is in force now."""

    def command(
        tender: Tender, value: dict[str, Any], stored: StoredDocument, repositories: Repositories
    ) -> Command:
        return Decide(
            tender=value["tender"],
            stage=stage,
            document_stage=value["stage"],
            digest=stored.digest,
            record_digest=value["record_digest"],
            results=tuple(value["results"]),
            signers=tuple(stored.signatures),
            bids=opened_bids(repositories, tender_id, stage) if stage in tender.records else {},
        )

    def check(tender: Tender, value: dict[str, Any], repositories: Repositories) -> None:
        check_decision_form(value)

    return _sign(tender_id, "decision", stage, document, signature, command, actor, desk, check)


def decide_award(tender_id: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk) -> bool:
    """Sign, or propose by signing first, the award; returns whether it is in force now."""

    def command(
        tender: Tender, value: dict[str, Any], stored: StoredDocument, repositories: Repositories
    ) -> Command:
        return Award(digest=stored.digest, award=value, signers=tuple(stored.signatures))

    return _sign(tender_id, "award", None, document, signature, command, actor, desk, _check_award)


def draft_award(tender_id: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """The award as it follows from the opened prices by the tender's own rules, for members to check and sign."""
    require_role(actor, "member")
    with desk.reading() as session:
        repositories = desk.repositories(session)
        tender = repositories.tenders.load(tender_id)
        _require_vote(tender, actor)
        return _award_of(tender, format_utc(desk.clock.now()), repositories)


def _require_vote(tender: Tender, actor: Actor) -> None:
    seat = seat_of(tender.published_notice.commission, actor.party)
    if seat is None or seat == "observer":
        raise tender.rules["commission-seats"].refusal(NotAMember, "only a member with a vote decides")


def opened_bids(repositories: Repositories, tender_id: str, stage: str) -> dict[str, dict[str, Any]]:
    """The opened ``mohr/bid/v1`` of a stage by manifest digest."""
    record = parse_canonical(repositories.documents.one(tender_id, "record", stage=stage).document)
    by_digest = {
        each.digest: parse_canonical(each.document)
        for each in repositories.documents.find(tender_id, "bid", stage=stage)
    }
    return {
        result["manifest_digest"]: by_digest[result["bid_digest"]]
        for result in record["results"]
        if result["bid_digest"] is not None
    }


def _check_award(tender: Tender, value: dict[str, Any], repositories: Repositories) -> None:
    """What is decided must be what follows; only the instant of the decision is the commission's own."""
    read_award(value)
    check_same(value, _award_of(tender, value["decided_at"], repositories), tender.rules)


def _award_of(tender: Tender, decided_at: str, repositories: Repositories) -> dict[str, Any]:
    record = repositories.documents.maybe(tender.id, "record", stage="C")
    if record is None:
        raise WrongState("no prices have been opened yet", state=tender.state.value)
    sealed_at = {
        each.manifest_digest: each.sealed_at for each in repositories.submissions.of_tender(tender.id)
    }
    return award_document(
        tender.published_notice,
        record_digest=record.digest,
        record=parse_canonical(record.document),
        bids=opened_bids(repositories, tender.id, "C"),
        sealed_at=sealed_at,
        decided_at=decided_at,
    )


def _sign(
    tender_id: str,
    kind: str,
    stage: str | None,
    document: bytes,
    signature: bytes,
    command: Callable[[Tender, dict[str, Any], StoredDocument, Repositories], Command],
    actor: Actor,
    desk: Desk,
    check: Callable[[Tender, dict[str, Any], Repositories], None] | None = None,
) -> bool:
    require_role(actor, "member")
    now = desk.clock.now()
    value = read_document(
        document,
        signature,
        desk.trust(),
        type_=f"mohr/{kind}/v1",
        now=now,
        party=actor.party,
        revocation="ever",
    )
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        _require_vote(tender, actor)
        if check is not None:
            check(tender, value, repositories)
        _check_instant(tender, parse_utc(value["decided_at"]), stage or "C", desk.clock.now(), repositories)
        digest = sha256_hex(document)
        if repositories.documents.by_digest(tender_id, digest) is None:
            repositories.documents.put(tender_id, kind, document, stage=stage)
        repositories.documents.sign(tender_id, digest, actor.party, signature)
        stored = repositories.documents.by_digest(tender_id, digest)
        assert stored is not None
        if digest in tender.documents():
            # A vote that comes after the majority stands beside it.
            uow.commit()
            return True
        in_force = _try(tender, command(tender, value, stored, repositories), now, uow, repositories)
        uow.commit()
    return in_force


def _check_instant(
    tender: Tender, decided_at: datetime, stage: str, now: datetime, repositories: Repositories
) -> None:
    """Signatures and minutes are judged as of ``decided_at``: it lies between the record and now.

    Without a record the step itself says what is missing. Raises DatesOutOfOrder.
    """
    record = repositories.documents.maybe(tender.id, "record", stage=stage)
    if record is None:
        return
    recorded = parse_canonical(record.document, max_bytes=_MAX_RECORD_BYTES)
    recorded_at = parse_utc(recorded["recorded_at"])
    if not recorded_at <= decided_at <= now:
        raise tender.rules["majority"].refusal(
            DatesOutOfOrder, "the decision claims to be made before the record or later than now"
        )


def _try(
    tender: Tender, command: Command, now: datetime, uow: UnitOfWork, repositories: Repositories
) -> bool:
    """Take the step if the signatures are enough; a majority still missing only keeps the proposal."""
    try:
        moved = take(tender, command, now, uow)
    except MajorityMissing:
        return False
    repositories.tenders.save(moved)
    return True
