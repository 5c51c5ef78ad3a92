"""Each rule of a regime refuses what breaks it, at its boundary, with its article."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from kernel.clock import format_utc
from procurement.rules.errors import (
    CommissionIncomplete,
    DatesOutOfOrder,
    KindNotAllowed,
    NoticeMismatch,
    PeriodTooShort,
    PublicationsMissing,
    QuorumTooSmall,
    RegimeUnknown,
    RuleBroken,
    ThresholdUnsafe,
)
from procurement.rules.notice_check import check_draft, check_notice
from tests.unit.procurement import journey as j

SECOND = timedelta(seconds=1)


def check(**changes: Any) -> None:
    check_draft(j.draft(j.draft_fields(**changes)), j.PUBLISHED)


def refused(kind: type[RuleBroken], **changes: Any) -> RuleBroken:
    with pytest.raises(kind) as refusal:
        check(**changes)
    return refusal.value


def at(instant: datetime) -> str:
    return format_utc(instant)


def newspapers(count: int, *others: str) -> list[dict[str, str]]:
    media = ["newspaper"] * count + list(others)
    return [{"medium": medium, "date": "2026-01-02"} for medium in media]


def test_the_builder_keeps_every_rule() -> None:
    """The call that the other tests change is allowed by both regimes."""
    check()
    check(regime="tehran-1355")
    check_draft(j.draft(j.two_stage_fields()), j.PUBLISHED)


def test_ten_days_to_the_second() -> None:
    """Exactly ten days are enough, one second less is refused by Art. 15(b)."""
    check(submission_deadline=at(j.DOCUMENTS_UNTIL + timedelta(days=10)))

    refusal = refused(PeriodTooShort, submission_deadline=at(j.DOCUMENTS_UNTIL + timedelta(days=10) - SECOND))
    assert refusal.article == "Tenders Law 1383 Art. 15(b)"
    assert refusal.fields == {"rule": "submission-days-domestic", "least_days": 10}


def test_a_month_when_the_call_is_international() -> None:
    """An international call leaves 31 days, to the second."""
    month = j.DOCUMENTS_UNTIL + timedelta(days=31)
    check(method="international_tender", submission_deadline=at(month))

    refusal = refused(PeriodTooShort, method="international_tender", submission_deadline=at(month - SECOND))
    assert refusal.fields["rule"] == "submission-days-international"


@pytest.mark.parametrize("count", [0, 1, 4])
def test_two_to_three_newspapers(count: int) -> None:
    """The Tenders Law wants two to three announcements."""
    refusal = refused(PublicationsMissing, publications=newspapers(count))

    assert refusal.article == "Tenders Law 1383 Art. 13"


@pytest.mark.parametrize("count", [2, 3])
def test_enough_newspapers(count: int) -> None:
    """Two and three announcements are enough without the gazette."""
    check(publications=newspapers(count))


def test_tehran_wants_the_gazette_and_one_newspaper() -> None:
    """The by-law wants the Official Gazette once and a newspaper one to three times."""
    check(regime="tehran-1355", publications=newspapers(1, "official_gazette"))

    refusal = refused(PublicationsMissing, regime="tehran-1355", publications=newspapers(1))
    assert refusal.article == "Tehran Transactions By-law 1355 Art. 6"
    refused(PublicationsMissing, regime="tehran-1355", publications=newspapers(0, "official_gazette"))


def test_a_limited_call_needs_no_press() -> None:
    """A limited tender goes to the invited."""
    check(method="limited_tender", publications=[])


def test_announcements_come_before_documents_end() -> None:
    """The last day of document delivery in Tehran is the last day for an announcement."""
    last = j.DOCUMENTS_UNTIL.date()
    days = (last, last + timedelta(days=1))
    check(publications=[{"medium": "newspaper", "date": last.isoformat()}] * 2)

    late = [{"medium": "newspaper", "date": day.isoformat()} for day in days]
    refused(PublicationsMissing, publications=late)


@pytest.mark.parametrize(
    ("regime", "nature", "method"),
    [
        ("tenders-1383", "revenue", "auction"),
        ("tenders-1383", "revenue", "open_tender"),
        ("tehran-1355", "expenditure", "auction"),
        ("tehran-1355", "partnership", "open_tender"),
    ],
)
def test_kinds_that_a_regime_does_not_govern(regime: str, nature: str, method: str) -> None:
    """A nature and a method that do not belong together under the regime are refused."""
    refused(KindNotAllowed, regime=regime, nature=nature, method=method)


def test_tehran_governs_auctions() -> None:
    """A revenue auction follows the municipality's by-law."""
    check(regime="tehran-1355", nature="revenue", method="auction")


def test_an_unknown_regime() -> None:
    """A rule set that does not exist governs nothing."""
    refused(RegimeUnknown, regime="tenders-1400")


def test_no_rules_before_the_law() -> None:
    """Before the law was confirmed, its rules are not in force."""
    with pytest.raises(RegimeUnknown):
        check_draft(j.draft(), datetime.fromisoformat("2005-01-21T12:00:00+00:00"))


def test_bids_stay_valid_beyond_the_grace() -> None:
    """Validity that ends with the grace is refused, a second longer is allowed."""
    check(bid_valid_until=at(j.CLOSES + SECOND))

    refused(DatesOutOfOrder, bid_valid_until=at(j.CLOSES))


def test_two_stages_announce_the_price_opening() -> None:
    """Two stages need the announcement, one stage has none."""
    refused(DatesOutOfOrder, stages=2)
    refused(DatesOutOfOrder, price_opening_at=at(j.PRICE_OPENING))


@pytest.mark.parametrize(
    ("opening", "allowed"),
    [
        (j.CLOSES, False),
        (j.CLOSES + SECOND, True),
        (j.VALID_UNTIL, True),
        (j.VALID_UNTIL + SECOND, False),
    ],
)
def test_prices_open_between_grace_and_validity(opening: datetime, allowed: bool) -> None:
    """The announced time lies after the grace and not after the validity of the bids."""
    if allowed:
        check(stages=2, price_opening_at=at(opening))
    else:
        refused(DatesOutOfOrder, stages=2, price_opening_at=at(opening))


def seats(*names: str) -> list[dict[str, str]]:
    return [
        {"party": f"IR-{number}", "name": "x", "seat": name} for number, name in enumerate(names, start=1)
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("finance", "technical", "alternate", "alternate"),
        ("head", "technical", "alternate", "alternate"),
        ("head", "head", "finance", "technical"),
        ("head", "finance", "technical", "technical"),
    ],
)
def test_each_seat_once(names: tuple[str, ...]) -> None:
    """Head, finance and technical have exactly one holder each (Art. 5)."""
    refusal = refused(CommissionIncomplete, commission=seats(*names))

    assert refusal.article == "Tenders Law 1383 Art. 5(a)"


def test_one_person_one_seat() -> None:
    """Nobody holds two seats."""
    doubled = seats("head", "finance", "technical", "alternate")
    doubled[3]["party"] = "IR-1"

    refused(CommissionIncomplete, commission=doubled)


def test_the_councils_observer() -> None:
    """The municipality's own calls name an observer, others need none (Art. 5(b))."""
    without = seats("head", "finance", "technical", "alternate")
    check(commission=without)

    refusal = refused(CommissionIncomplete, regime="tehran-1355", commission=without)
    assert refusal.article == "Tenders Law 1383 Art. 5(b)"


@pytest.mark.parametrize(("quorum", "allowed"), [(2, False), (3, True), (4, True), (5, False)])
def test_quorum_is_three_and_can_be_reached(quorum: int, allowed: bool) -> None:
    """Three at least, and no more than there are members with a vote: an observer does not count."""
    if allowed:
        check(quorum=quorum)
    else:
        assert refused(QuorumTooSmall, quorum=quorum).article == "Tenders Law 1383 Art. 5(c)"


@pytest.mark.parametrize(("threshold", "allowed"), [(1, False), (2, True), (3, True), (4, False)])
def test_key_holders_can_miss_one(threshold: int, allowed: bool) -> None:
    """Two at least open together, and of four holders one may be absent."""
    if allowed:
        check(opening_threshold=threshold)
    else:
        assert refused(ThresholdUnsafe, opening_threshold=threshold).article is None


def test_documents_end_after_publication() -> None:
    """A draft whose documents would end before now is refused."""
    check_draft(j.draft(), j.DOCUMENTS_UNTIL - SECOND)

    with pytest.raises(DatesOutOfOrder):
        check_draft(j.draft(), j.DOCUMENTS_UNTIL)


def test_a_notice_is_published_when_it_says() -> None:
    """A notice that claims the future, or a time more than a day ago, is refused."""
    notice = j.notice_of(j.keyed()).notice
    check_notice(notice, j.PUBLISHED)
    check_notice(notice, j.PUBLISHED + timedelta(days=1))

    for now in (j.PUBLISHED - SECOND, j.PUBLISHED + timedelta(days=1) + SECOND):
        with pytest.raises(NoticeMismatch):
            check_notice(notice, now)


def test_a_notice_whose_documents_have_ended() -> None:
    """A notice published as documents end is refused."""
    late = j.notice_of(j.keyed(), j.DOCUMENTS_UNTIL).notice

    with pytest.raises(DatesOutOfOrder):
        check_notice(late, j.DOCUMENTS_UNTIL)
