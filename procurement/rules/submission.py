"""Whether a submission or withdrawal comes from who may, for this call, and in time (Art. 16)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kernel.errors import Forbidden, LimitExceeded
from procurement.rules.aggregate import Tender
from procurement.rules.commission import seat_of
from procurement.rules.errors import (
    BidderInCommission,
    KeySetStale,
    LotUnknown,
    NothingToWithdraw,
    NoticeMismatch,
    SubmissionLate,
    SubmissionNumberStale,
    TenderNotOpen,
    WithdrawalLate,
)
from procurement.rules.notice import Notice
from procurement.rules.regimes import rules_at
from procurement.rules.transitions import STAGE_OF, State

# Every submission and every withdrawal is a line of the closing list, which everybody must be able to read.
MAX_SUBMISSIONS = 100


def check_submission(
    tender: Tender,
    manifest: Mapping[str, Any],
    *,
    bidder: str,
    sealed_at: datetime,
    now: datetime,
    last_number: int,
) -> None:
    """Check a ``mohr/manifest/v1`` whose seal was verified to be ``bidder``'s; the first refusal is raised.

    ``sealed_at`` is the time of the time stamp over the seal: it must not be later than the deadline. The
    manifest itself must arrive before the grace ends. ``last_number`` is the bidder's last for that lot, 0
    if none; the next is exactly one more, up to ``MAX_SUBMISSIONS``. Raises Forbidden, TenderNotOpen, NoticeMismatch,
    KeySetStale, LotUnknown, BidderInCommission, SubmissionNumberStale, LimitExceeded, SubmissionLate.
    """
    notice = _called(tender, now)
    if manifest["bidder"] != bidder:
        raise Forbidden("the manifest is another bidder's")
    _check_context(tender, notice, manifest)
    rules = tender.rules
    if seat_of(notice.commission, bidder) is not None:
        raise rules["no-conflict"].refusal(
            BidderInCommission, "a member of the commission does not bid", bidder=bidder
        )
    if manifest["submission_number"] != last_number + 1:
        raise rules["one-bid"].refusal(
            SubmissionNumberStale,
            "the submission number is not the next one of this bidder and lot",
            expected=last_number + 1,
        )
    if last_number >= MAX_SUBMISSIONS:
        raise LimitExceeded("a bidder replaces a bid so many times and no more", limit=MAX_SUBMISSIONS)
    if sealed_at > notice.submission_deadline:
        raise rules["within-deadline"].refusal(
            SubmissionLate, "the seal was time-stamped after the submission deadline"
        )
    check_upload_time(tender, now)


def check_upload_time(tender: Tender, now: datetime) -> None:
    """Manifest and blobs arrive until the grace ends; raises SubmissionLate afterwards."""
    if now > tender.closes_instant or tender.state is not State.PUBLISHED:
        raise tender.rules["within-deadline"].refusal(
            SubmissionLate, "the deadline and its grace have passed"
        )


def check_withdrawal(
    tender: Tender, withdrawal: Mapping[str, Any], *, bidder: str, now: datetime, standing: str | None = None
) -> None:
    """Check a signed ``mohr/withdrawal/v1``: the bidder's own, for this tender, arrived within the deadline.

    With ``standing`` (the digest of the bidder's current manifest for the lot) it must name exactly that.
    Raises Forbidden, TenderNotOpen, NoticeMismatch, LotUnknown, WithdrawalLate, NothingToWithdraw.
    """
    notice = _called(tender, now)
    rules = tender.rules
    if withdrawal["bidder"] != bidder:
        raise Forbidden("the withdrawal is another bidder's")
    if withdrawal["tender"] != tender.id:
        raise rules["same-documents"].refusal(NoticeMismatch, "the withdrawal is for another tender")
    if withdrawal["lot"] not in notice.lot_ids:
        raise rules["same-documents"].refusal(LotUnknown, "the notice has no such lot")
    if now > notice.submission_deadline or tender.state is not State.PUBLISHED:
        raise rules["within-deadline"].refusal(
            WithdrawalLate, "after the submission deadline a bid binds its bidder"
        )
    if standing is not None and withdrawal["manifest_digest"] != standing:
        raise rules["one-bid"].refusal(
            NothingToWithdraw, "the manifest named is not the bidder's current one"
        )


def _called(tender: Tender, now: datetime) -> Notice:
    """The notice of a tender that takes or took bids; raises TenderNotOpen before and after an early end."""
    if tender.state is State.PUBLISHED or tender.state in STAGE_OF or tender.state is State.AWARDED:
        return tender.published_notice
    raise rules_at(tender.draft.regime, now)["within-deadline"].refusal(
        TenderNotOpen, "the tender takes no submissions", state=tender.state.value
    )


def _check_context(tender: Tender, notice: Notice, manifest: Mapping[str, Any]) -> None:
    rule = tender.rules["same-documents"]
    if manifest["tender"] != tender.id or manifest["notice_digest"] != tender.notice_digest:
        raise rule.refusal(NoticeMismatch, "the bid was sealed for another notice")
    if manifest["key_set_digest"] != notice.key_set_digest:
        raise rule.refusal(KeySetStale, "the bid was sealed for another key set than the notice names")
    if manifest["lot"] not in notice.lot_ids:
        raise rule.refusal(LotUnknown, "the notice has no such lot", lot=str(manifest["lot"])[:64])
