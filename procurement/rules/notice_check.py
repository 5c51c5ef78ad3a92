"""Whether a notice keeps the rules of its regime; each refusal names the rule and its article."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from procurement.rules.errors import (
    CommissionIncomplete,
    DatesOutOfOrder,
    KindNotAllowed,
    NoticeMismatch,
    PeriodTooShort,
    PublicationsMissing,
    QuorumTooSmall,
    ThresholdUnsafe,
)
from procurement.rules.notice import Notice, NoticeDraft
from procurement.rules.regimes import rules_at
from procurement.rules.rule import TEHRAN, RulesOfTheDay

# Between composing the notice and signing it; beyond that it would claim to have been public earlier.
MAX_NOTICE_AGE = timedelta(days=1)


def check_draft(draft: NoticeDraft, now: datetime) -> None:
    """Check the terms against the rules in force at ``now``; raises the first refusal met."""
    _check_terms(draft, rules_at(draft.regime, now))
    if draft.documents_until <= now:
        raise rules_at(draft.regime, now)["notice-dates"].refusal(
            DatesOutOfOrder, "documents would end before the call is public"
        )


def check_notice(notice: Notice, now: datetime) -> None:
    """Check a notice that is to be published at ``now``; raises the first refusal met."""
    rules = rules_at(notice.regime, notice.published_at)
    _check_terms(notice, rules)
    if not now - MAX_NOTICE_AGE <= notice.published_at <= now:
        raise rules["approved-notice"].refusal(
            NoticeMismatch, "the notice claims another instant of publication than this"
        )
    if notice.documents_until <= notice.published_at:
        raise rules["notice-dates"].refusal(DatesOutOfOrder, "documents would end before the call is public")


def key_holders(draft: NoticeDraft) -> tuple[str, ...]:
    """The parties that hold a share of every key: all of the commission but observers, in its order."""
    return tuple(seat.party for seat in draft.commission if seat.seat != "observer")


def _check_terms(draft: NoticeDraft, rules: RulesOfTheDay) -> None:
    _check_kind(draft, rules)
    _check_dates(draft, rules)
    _check_publications(draft, rules)
    _check_commission(draft, rules)
    _check_threshold(draft, rules)


def _check_kind(draft: NoticeDraft, rules: RulesOfTheDay) -> None:
    rule = rules["transaction-kinds"]
    if f"{draft.method}:{draft.nature}" not in rule.words:
        raise rule.refusal(
            KindNotAllowed,
            "the regime does not govern this nature of transaction by this method",
            nature=draft.nature,
            method=draft.method,
            regime=draft.regime,
        )


def _check_dates(draft: NoticeDraft, rules: RulesOfTheDay) -> None:
    rule = rules["submission-days-international" if draft.international else "submission-days-domestic"]
    if draft.submission_deadline - draft.documents_until < timedelta(days=rule.number):
        raise rule.refusal(
            PeriodTooShort,
            "too few days between the end of document delivery and the submission deadline",
            least_days=rule.number,
        )
    order = rules["notice-dates"]
    closes_at = draft.submission_deadline + timedelta(seconds=draft.upload_grace_seconds)
    if draft.bid_valid_until <= closes_at:
        raise order.refusal(DatesOutOfOrder, "bids must stay valid beyond their deadline and its grace")
    if (draft.stages == 2) != (draft.price_opening_at is not None):
        raise rules["price-opening"].refusal(
            DatesOutOfOrder, "a two-stage call, and no other, announces when prices are opened"
        )
    if draft.price_opening_at and not closes_at < draft.price_opening_at <= draft.bid_valid_until:
        raise rules["price-opening"].refusal(
            DatesOutOfOrder, "prices are opened after the deadline and its grace, while bids are valid"
        )


def _check_publications(draft: NoticeDraft, rules: RulesOfTheDay) -> None:
    last_day = draft.documents_until.astimezone(TEHRAN).date()
    late = [item.medium for item in draft.publications if item.date > last_day]
    if late:
        raise rules["publications-in-time"].refusal(
            PublicationsMissing, "an announcement would appear after document delivery has ended", late=late
        )
    if draft.method == "limited_tender":
        # A limited call goes to the invited, not to the press.
        return
    counts = Counter(item.kind for item in draft.publications)
    rule = rules["publications-newspaper"]
    least, most = int(rule.table["least"]), int(rule.table["most"])
    if not least <= counts["newspaper"] <= most:
        raise rule.refusal(
            PublicationsMissing,
            "the number of announcements in a newspaper is not what the law demands",
            least=least,
            most=most,
            given=counts["newspaper"],
        )
    gazette = rules["publications-gazette"]
    if counts["official_gazette"] < gazette.number:
        raise gazette.refusal(PublicationsMissing, "the announcement in the Official Gazette is missing")


def _check_commission(draft: NoticeDraft, rules: RulesOfTheDay) -> None:
    seats = Counter(seat.seat for seat in draft.commission)
    rule = rules["commission-seats"]
    wrong = [seat for seat in rule.words if seats[seat] != 1]
    if wrong:
        raise rule.refusal(CommissionIncomplete, "each of these seats has exactly one holder", seats=wrong)
    if len({seat.party for seat in draft.commission}) != len(draft.commission):
        raise rule.refusal(CommissionIncomplete, "one person holds two seats")
    observers = rules["observer-seat"]
    if seats["observer"] < observers.number:
        raise observers.refusal(CommissionIncomplete, "the seat of the council's observer is missing")
    quorum = rules["quorum"]
    if not quorum.number <= draft.quorum <= len(key_holders(draft)):
        raise quorum.refusal(
            QuorumTooSmall, "the quorum is too small or cannot be reached", least=quorum.number
        )


def _check_threshold(draft: NoticeDraft, rules: RulesOfTheDay) -> None:
    rule = rules["opening-threshold"]
    holders = len(key_holders(draft))
    if not rule.number <= draft.opening_threshold <= holders - 1:
        raise rule.refusal(
            ThresholdUnsafe,
            "the number of members who open together is too small, or leaves no one to be absent",
            least=rule.number,
            most=holders - 1,
        )
