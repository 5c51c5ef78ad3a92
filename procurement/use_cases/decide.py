"""The commission decides: one document, signed by a majority of the members present, moves the tender."""

from __future__ import annotations

from typing import Any

from kernel.canonical import parse_canonical, sha256_hex
from kernel.clock import format_utc
from kernel.errors import Conflict
from procurement.ports import Actor, Desk, Repositories, StoredDocument
from procurement.rules.award import award_document
from procurement.rules.errors import NotPresent
from procurement.rules.tender import Award, Command, Decide, Tender
from procurement.use_cases.step import require_role, take
from signing.documents import read_document


def decide_stage(
    tender_id: str, stage: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk
) -> bool:
    """Sign, or propose by signing first, a decision on A or B; returns whether it is in force now."""

    def command(tender: Tender, value: dict[str, Any], stored: StoredDocument) -> Command:
        return Decide(
            tender=value["tender"],
            stage=stage,
            document_stage=value["stage"],
            digest=stored.digest,
            record_digest=value["record_digest"],
            results=tuple(value["results"]),
            signers=tuple(stored.signatures),
        )

    return _sign(tender_id, "decision", stage, document, signature, command, actor, desk)


def decide_award(tender_id: str, document: bytes, signature: bytes, *, actor: Actor, desk: Desk) -> bool:
    """Sign, or propose by signing first, the award; returns whether it is in force now."""

    def command(tender: Tender, value: dict[str, Any], stored: StoredDocument) -> Command:
        return Award(digest=stored.digest, award=value, signers=tuple(stored.signatures))

    return _sign(tender_id, "award", None, document, signature, command, actor, desk, _check_award)


def draft_award(tender_id: str, *, actor: Actor, desk: Desk) -> dict[str, Any]:
    """The award as it follows from the opened prices by the tender's own rules, for members to check and sign."""
    require_role(actor, "member")
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        return _award_of(tender, format_utc(desk.clock.now()), repositories)


def _check_award(tender: Tender, value: dict[str, Any], repositories: Repositories) -> None:
    """What is decided must be what follows; only the instant of the decision is the commission's own."""
    if value != _award_of(tender, value["decided_at"], repositories):
        raise Conflict(
            "the award does not follow from the opened prices",
            article="Tenders Law 1383 Art. 20",
        )


def _award_of(tender: Tender, decided_at: str, repositories: Repositories) -> dict[str, Any]:
    record = repositories.documents.one(tender.id, "record", stage="C")
    bids = [parse_canonical(each.document) for each in repositories.documents.find(tender.id, "bid", stage="C")]
    by_manifest = {
        result["manifest_digest"]: next(
            (bid for bid in bids if _belongs(bid, result)),
            None,
        )
        for result in parse_canonical(record.document)["results"]
    }
    sealed_at = {
        each.manifest_digest: each.sealed_at for each in repositories.submissions.of_tender(tender.id)
    }
    return award_document(
        tender.published_notice,
        record_digest=record.digest,
        record=parse_canonical(record.document),
        bids=by_manifest,
        sealed_at=sealed_at,
        decided_at=decided_at,
    )


def _belongs(bid: dict[str, Any], result: dict[str, Any]) -> bool:
    return sha256_hex_of(bid) == result["bid_digest"]


def sha256_hex_of(value: dict[str, Any]) -> str:
    from kernel.canonical import digest_of

    return digest_of(value)
