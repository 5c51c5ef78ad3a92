"""Minutes as a member checks them before signing: computed anew from what this member has itself verified.

(1) the final decision, where the minutes are of it, is signed by a majority and may be made by the record; (2) the
pages are byte for byte those that this member renders from its own papers; (3) whatever was added to them is a valid
signature of a member present, once each; (4) the last addition is the empty room for this member's own, at this time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from client.errors import NotVerified
from client.opening_record import CheckedRecord
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex
from kernel.clock import format_utc, parse_utc
from paper.minutes import render_minutes
from pki.trust import TrustStore
from procurement.package import MAX_DOCUMENT_BYTES, StagePackage, require_majority
from procurement.published import read_signed
from procurement.rules.award import award_document, check_same
from procurement.rules.decision import check_verdicts
from procurement.rules.facts import Record, Verdict
from procurement.rules.minutes import StagePapers, final_minutes, names_in, opening_minutes
from procurement.rules.regimes import rules_at
from signing.pades import MAX_PDF_BYTES, Revision, put_in, read_pdf, verify_revision

__all__ = ["Decided", "HeldStage", "check_prepared", "decided_in", "put_in"]
_MAX_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class HeldStage:
    """A stage as this member checked it: the package as it came, what was made of it, and the record with its bids."""

    raw: Mapping[str, Any]
    package: StagePackage
    record: CheckedRecord


@dataclass(frozen=True, slots=True)
class Decided:
    """What is said to be the final decision, not verified yet; ``stage`` is the opened stage that it ends."""

    document: bytes
    content: dict[str, Any]
    signatures: Mapping[str, str]
    stage: str


def decided_in(answer: Mapping[str, Any]) -> Decided:
    """Read the final decision that came with prepared minutes."""
    wire = answer["decided"]
    document = from_base64(wire["document"], max_bytes=MAX_DOCUMENT_BYTES)
    content = parse_canonical(document, max_bytes=MAX_DOCUMENT_BYTES)
    stage = "C" if content["type"] == "mohr/award/v1" else str(content["stage"])
    return Decided(document, content, wire["signatures"], stage)


def check_prepared(
    answer: Mapping[str, Any],
    held: HeldStage,
    decided: Decided | None,
    party: str,
    trust: TrustStore,
    now: datetime,
) -> Revision:
    """Checks (1) to (4) on prepared minutes; the revision to sign. Raises NotVerified and DomainErrors."""
    papers = papers_of(held, trust, now)
    if decided is None:
        source = opening_minutes(papers)
    else:
        _check_decided(decided, held, trust, now)  # (1)
        source = final_minutes(papers, decided.content)
    base, revisions = read_pdf(from_base64(answer["pdf"], max_bytes=MAX_PDF_BYTES))
    if base != render_minutes(canonical_bytes(source)):  # (2)
        raise NotVerified("minutes", "the pages are not those that follow from this member's own papers")
    *earlier, own = revisions
    _check_earlier(earlier, held.package.session.present, party, trust, now)  # (3)
    claimed = parse_utc(answer["signed_at"])
    if (own.update.party, own.update.signed_at, own.update.cms) != (party, claimed, b""):  # (4)
        raise NotVerified("minutes", "the room to sign in was prepared for somebody or something else")
    if abs(now - claimed) > _MAX_SKEW or answer["revision"] != len(revisions):
        raise NotVerified("minutes", "the minutes were prepared for another time or place in their order")
    return own


def papers_of(held: HeldStage, trust: TrustStore, now: datetime) -> StagePapers:
    """The signed documents of the stage out of the checked package; each is the very one that was checked."""
    raw, package = held.raw, held.package
    event = parse_canonical(from_base64(raw["closing_list"]["event"]))
    before = raw["previous_decision"] if package.previous else None
    decision = _document(before, package.previous.decision_digest) if package.previous else None
    attendances = [_attendance(wire, trust, now) for wire in raw["attendances"]]
    about = (package.tender, package.stage)
    return StagePapers(
        notice=package.notice.notice,
        closing_list=_document(raw["closing_list"], package.closing_list.digest),
        session=_document(raw["session"], package.session.digest),
        record=held.record.content,
        attendances=[each for each in attendances if (each["tender"], each["stage"]) == about],
        bids=held.record.bids,
        decision_before=decision,
        names=names_in(event["data"]),
    )


def _document(wire: Any, digest: str) -> dict[str, Any]:
    document = from_base64(wire["document"], max_bytes=MAX_DOCUMENT_BYTES)
    if sha256_hex(document) != digest:
        raise NotVerified("minutes", "a document of the package is not the one that was checked")
    return parse_canonical(document, max_bytes=MAX_DOCUMENT_BYTES)


def _attendance(wire: Mapping[str, Any], trust: TrustStore, now: datetime) -> dict[str, Any]:
    document = from_base64(wire["document"])
    party = parse_canonical(document)["party"]
    signature = from_base64(wire["signature"])
    signed = read_signed(document, signature, trust, type_="mohr/attendance/v1", now=now, party=party)
    return signed.document


def _check_decided(decided: Decided, held: HeldStage, trust: TrustStore, now: datetime) -> None:
    """(1)"""
    package, record, value = held.package, held.record, decided.content
    notice = package.notice.notice
    present = package.session.present
    require_majority(decided.document, decided.signatures, notice, present, trust, now, check=5)
    rules = rules_at(notice.regime, notice.published_at)
    if (value["tender"], value["record_digest"]) != (package.tender, record.digest):
        raise NotVerified("minutes", "the final decision is about another tender or record")
    if value["type"] == "mohr/award/v1":
        sealed_at = {each.manifest_digest: format_utc(each.sealed_at) for each in package.submissions}
        computed = award_document(
            notice,
            record_digest=record.digest,
            record=record.content,
            bids=record.bids,
            sealed_at=sealed_at,
            decided_at=value["decided_at"],
        )
        check_same(value, computed, rules)
        return
    verdicts = [Verdict.parse(result) for result in value["results"]]
    opened = Record(record.digest, record.results)
    check_verdicts(notice, package.stage, opened, verdicts, record.bids, rules)


def _check_earlier(
    earlier: Sequence[Revision], present: Sequence[str], party: str, trust: TrustStore, now: datetime
) -> None:
    """(3)"""
    signers = [verify_revision(revision, trust, now=now).party for revision in earlier]
    if len(set(signers)) != len(signers) or not set(signers) <= set(present) - {party}:
        raise NotVerified("minutes", "somebody signed the minutes who was not present, or twice")
