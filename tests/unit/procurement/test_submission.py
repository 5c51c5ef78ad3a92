"""A bid is taken for this call, from who may bid, with the next number, and in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from kernel.errors import Forbidden, LimitExceeded
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
from procurement.rules.submission import (
    MAX_SUBMISSIONS,
    check_submission,
    check_upload_time,
    check_withdrawal,
)
from procurement.rules.tender import State
from tests.unit.procurement import journey as j

TICK = timedelta(microseconds=1)
TENDER = j.published()


def manifest(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "type": "mohr/manifest/v1",
        "notice_digest": TENDER.notice_digest,
        "tender": j.TENDER,
        "lot": "1",
        "bidder": "B-1",
        "submission_number": 1,
        "key_set_digest": j.digest("key set"),
        "headers": {},
    }
    return {**value, **changes}


def submit(
    sealed_at: datetime = j.PUBLISHED,
    now: datetime = j.PUBLISHED,
    last_number: int = 0,
    bidder: str = "B-1",
    **changes: Any,
) -> None:
    check_submission(
        TENDER, manifest(**changes), bidder=bidder, sealed_at=sealed_at, now=now, last_number=last_number
    )


def test_a_bid_in_time() -> None:
    """A first bid, and a second one with the next number, are taken."""
    submit()
    submit(last_number=1, submission_number=2)


def test_the_time_stamp_counts() -> None:
    """Sealed at the deadline is in time, a microsecond later is late, whenever it arrives (Art. 16(d))."""
    submit(sealed_at=j.DEADLINE, now=j.CLOSES)

    with pytest.raises(SubmissionLate) as refusal:
        submit(sealed_at=j.DEADLINE + TICK, now=j.DEADLINE + TICK)
    assert refusal.value.article == "Tenders Law 1383 Art. 16(d)"
    assert refusal.value.fields["rule"] == "within-deadline"


def test_the_manifest_arrives_within_the_grace() -> None:
    """Sealed in time, it may arrive until the grace ends and not a microsecond later."""
    submit(sealed_at=j.DEADLINE, now=j.CLOSES)

    with pytest.raises(SubmissionLate):
        submit(sealed_at=j.DEADLINE, now=j.CLOSES + TICK)


@pytest.mark.parametrize("number", [1, 3, 0])
def test_the_number_is_the_next_one(number: int) -> None:
    """Repeated, skipped and zero are refused; the expected number is said."""
    with pytest.raises(SubmissionNumberStale) as refusal:
        submit(last_number=1, submission_number=number)
    assert refusal.value.fields["expected"] == 2
    assert refusal.value.article == "Tenders Law 1383 Art. 16(a)"


def test_a_bid_is_replaced_so_many_times() -> None:
    """No bidder makes the closing list too long to be read."""
    submit(last_number=MAX_SUBMISSIONS - 1, submission_number=MAX_SUBMISSIONS)
    with pytest.raises(LimitExceeded):
        submit(last_number=MAX_SUBMISSIONS, submission_number=MAX_SUBMISSIONS + 1)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"notice_digest": j.digest("other")}, NoticeMismatch),
        ({"tender": "other"}, NoticeMismatch),
        ({"key_set_digest": j.digest("other")}, KeySetStale),
        ({"lot": "2"}, LotUnknown),
        ({"bidder": "B-2"}, Forbidden),
    ],
    ids=str,
)
def test_a_bid_for_something_else(changes: dict[str, Any], kind: type[Exception]) -> None:
    """Another notice, tender, key set, lot or bidder is refused."""
    with pytest.raises(kind):
        submit(**changes)


@pytest.mark.parametrize("party", [j.HEAD, j.ALTERNATE, j.OBSERVER])
def test_the_commission_does_not_bid(party: str) -> None:
    """Whoever holds a seat cannot bid."""
    with pytest.raises(BidderInCommission):
        check_submission(
            TENDER,
            manifest(bidder=party),
            bidder=party,
            sealed_at=j.PUBLISHED,
            now=j.PUBLISHED,
            last_number=0,
        )


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
def test_only_a_published_tender_takes_bids(state: State) -> None:
    """Before publication and after an early end it is not open; after closing it is late."""
    tender = j.IN_STATE[state]()
    value = manifest(notice_digest=tender.notice_digest)
    expected = {
        State.PUBLISHED: None,
        **dict.fromkeys(
            (State.DRAFT, State.IN_APPROVAL, State.APPROVED, State.CANCELLED, State.UNSUCCESSFUL),
            TenderNotOpen,
        ),
    }.get(state, SubmissionLate)

    def act() -> None:
        check_submission(tender, value, bidder="B-1", sealed_at=j.PUBLISHED, now=j.PUBLISHED, last_number=0)

    if expected is None:
        act()
        check_upload_time(tender, j.CLOSES)
    else:
        with pytest.raises(expected):
            act()


def withdrawal(**changes: Any) -> dict[str, Any]:
    value = {"tender": j.TENDER, "lot": "1", "bidder": "B-1", "manifest_digest": j.manifest("B-1")}
    return {**value, **changes}


def test_a_withdrawal_within_the_deadline() -> None:
    """At the deadline it counts, a microsecond later the bid binds: the grace is not for withdrawing."""
    check_withdrawal(TENDER, withdrawal(), bidder="B-1", now=j.DEADLINE, standing=j.manifest("B-1"))

    with pytest.raises(WithdrawalLate) as refusal:
        check_withdrawal(TENDER, withdrawal(), bidder="B-1", now=j.DEADLINE + TICK)
    assert refusal.value.article == "Tenders Law 1383 Art. 16(d)"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"bidder": "B-2"}, Forbidden),
        ({"tender": "other"}, NoticeMismatch),
        ({"lot": "2"}, LotUnknown),
        ({"manifest_digest": j.digest("older")}, NothingToWithdraw),
    ],
    ids=str,
)
def test_a_withdrawal_of_something_else(changes: dict[str, Any], kind: type[Exception]) -> None:
    """Another's bid, another tender or lot, or a manifest that does not stand is refused."""
    with pytest.raises(kind):
        check_withdrawal(
            TENDER, withdrawal(**changes), bidder="B-1", now=j.PUBLISHED, standing=j.manifest("B-1")
        )


def test_nothing_is_withdrawn_from_a_draft_or_after_closing() -> None:
    """A tender that is not published has nothing to withdraw, a closed one keeps its bids."""
    with pytest.raises(TenderNotOpen):
        check_withdrawal(j.drafted(), withdrawal(), bidder="B-1", now=j.PUBLISHED)
    with pytest.raises(WithdrawalLate):
        check_withdrawal(j.closed(), withdrawal(), bidder="B-1", now=j.DEADLINE)
