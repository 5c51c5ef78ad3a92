"""Playing scripts: all tenders side by side, so that each jump of the demo clock serves every one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.demo.cast import ORGANISATION, SEATS, Cast
from app.demo.scripts import Script, ScriptedBid, party_of_name
from client.errors import ApiRefusal
from kernel.canonical import parse_canonical
from kernel.clock import DemoClock, format_utc, parse_utc

LOT = "1"
_TEN_DAYS = timedelta(days=10)
_DELIVERY = timedelta(days=1)
_CLOSING_WAIT_SECONDS = 60.0
Progress = Callable[[str, Iterable[Any]], Iterable[Any]]


class DemoFailed(Exception):
    """The play did not go as the product promises; the text says where."""


@dataclass
class Running:
    """A script while it is played."""

    script: Script
    tender: str
    ocid: str
    notice_digest: str = ""
    closes_at: datetime | None = None
    price_opening_at: datetime | None = None
    award: dict[str, Any] = field(default_factory=dict)
    returned: int = 0

    @property
    def winner(self) -> str | None:
        return self.award["lots"][0]["winner"] if self.award else None

    @property
    def amount(self) -> Decimal | None:
        ranking = self.award["lots"][0]["ranking"] if self.award else []
        return Decimal(ranking[0]["amount"]["amount"]) if ranking else None

    @property
    def second(self) -> str | None:
        return self.award["lots"][0]["second"] if self.award else None

    @property
    def agrees(self) -> bool:
        """Whether winner and amount (and the second winner and returns, where the script says) are as expected."""
        script = self.script
        expected = party_of_name("IRO", script.expected_winner)
        if (self.winner, self.amount) != (expected, script.expected_amount):
            return False
        if script.checks_second:
            second = script.expected_second
            if self.second != (party_of_name("IRO", second) if second else None):
                return False
        return self.returned == sum(1 for bid in script.bids if bid.rejected_at)


def play(scripts: list[Script], cast: Cast, clock: DemoClock, progress: Progress) -> list[Running]:
    """Play every script from draft to closed tender; raises DemoFailed or what a client raises."""
    _enrol(scripts, cast, progress)
    running = [publish(script, cast) for script in progress("notices", scripts)]
    clock.advance(_DELIVERY)
    for each in progress("bids", running):
        for bid in each.script.bids:
            _bid(each, bid, cast)
    _advance_to(clock, max(each.closes_at for each in running if each.closes_at))
    for each in progress("closing lists", running):
        await_closing(each, cast)
        for bid in each.script.bids:
            _check_listed(each, bid, cast)
    for each in progress("openings A and B", running):
        _open(each, "A", cast)
        _open(each, "B", cast)
    announced = [each.price_opening_at for each in running if each.price_opening_at]
    if announced:
        _advance_to(clock, max(announced))
    for each in progress("prices and awards", running):
        _open(each, "C", cast)
        _award(each, cast)
        cast.buyer().close(each.tender)
        each.returned = _check_returns(each, cast)
    return running


def _enrol(scripts: list[Script], cast: Cast, progress: Progress) -> None:
    """Everybody makes keys and is certified before anything begins."""
    for step in progress("certificates", [cast.buyer, cast.approver, cast.auditor]):
        step()
    for position in range(len(SEATS)):
        cast.member(position)
    names = list(dict.fromkeys(bid.bidder for script in scripts for bid in script.bids))
    for name in progress("bidders", names):
        cast.bidder(name)


def publish(script: Script, cast: Cast) -> Running:
    now = cast.clock.now()
    documents_until = now + _DELIVERY * 2
    deadline = documents_until + _TEN_DAYS
    opening = deadline + timedelta(days=3) if script.stages == 2 else None
    buyer = cast.buyer()
    tender = buyer.draft(_draft(script, now, documents_until, deadline, opening, cast))
    buyer.submit_for_approval(tender)
    approver = cast.approver()
    if approver.review(tender)["terms"]["title"] != script.title:
        raise DemoFailed("the approver was shown another draft")
    approver.approve(tender)
    buyer.compose_key_set(tender)
    for member in cast.key_holders():
        missing = member.countersign_key_set(tender)
    if missing:
        raise DemoFailed(f"countersignatures are missing: {missing}")
    digest = buyer.publish(tender)
    status = cast.auditor().api.get(f"/tenders/{tender}")
    return Running(script, tender, status["ocid"], digest, parse_utc(status["closes_at"]), opening)


def _draft(
    script: Script,
    now: datetime,
    documents_until: datetime,
    deadline: datetime,
    price_opening_at: datetime | None,
    cast: Cast,
) -> dict[str, Any]:
    day = now.date()
    return {
        "buyer": ORGANISATION,
        "title": script.title,
        "description": script.description,
        "nature": script.nature,
        "method": script.method,
        "stages": script.stages,
        "regime": script.regime,
        "lots": [{"id": LOT, "title": script.title}],
        "estimate": script.money(script.estimate).to_json() if script.estimate else None,
        "currency": script.currency,
        "guarantee": script.money(script.guarantee).to_json(),
        "documents_until": format_utc(documents_until),
        "submission_deadline": format_utc(deadline),
        "upload_grace_seconds": 600,
        "price_opening_at": format_utc(price_opening_at) if price_opening_at else None,
        "bid_valid_until": format_utc(deadline + timedelta(days=90)),
        "minimum_bidders": 1,
        "padding_floor_bytes": {"A": 8192, "B": 8192, "C": 16384},
        "max_envelope_bytes": 8 << 20,
        "publications": [
            {"medium": "official_gazette", "date": day.isoformat()},
            {"medium": "newspaper:همشهری", "date": day.isoformat()},
            {"medium": "newspaper:همشهری", "date": (day + timedelta(days=1)).isoformat()},
        ],
        "place": "تهران، سالن کمیسیون معاملات منطقه ۸",
        "commission": cast.commission,
        "quorum": 3,
        "opening_threshold": 3,
    }


def contents_of(script: Script, bid: ScriptedBid, valid_until: datetime) -> dict[str, dict[str, Any]]:
    return {
        "A": {
            "guarantee": {
                "kind": "bank_guarantee",
                "issuer": "بانک شهر",
                "number": party_of_name("G", bid.bidder),
                "amount": script.money(script.guarantee).to_json(),
                "valid_until": format_utc(valid_until),
            }
        },
        "B": {"statements": ["صلاحیت و تجهیزات طبق اسناد پیوست است"], "files": []},
        "C": {
            "price": script.money(bid.total).to_json(),
            "lines": [dict(line) for line in bid.lines],
            "currency": script.currency,
        },
    }


def _bid(running: Running, bid: ScriptedBid, cast: Cast) -> None:
    bidder = cast.bidder(bid.bidder)
    valid_until = cast.clock.now() + timedelta(days=200)
    contents = contents_of(running.script, bid, valid_until)
    submitted = bidder.submit(bidder.prepare_bid(running.tender, LOT, contents))
    if bid.replaces_first:
        bidder.replace(running.tender, LOT, contents)
    if bid.withdraws:
        bidder.withdraw(submitted.bid)


def await_closing(running: Running, cast: Cast) -> None:
    until = time.monotonic() + _CLOSING_WAIT_SECONDS
    while time.monotonic() < until:
        try:
            answer = cast.auditor().api.get(f"/tenders/{running.tender}/closing-list")
        except ApiRefusal as refusal:
            if refusal.code != "not-found":
                raise
        else:
            if answer["proof"] is not None:
                return
        time.sleep(0.1)
    raise DemoFailed("no closing list came into the log after the deadline")


def _check_listed(running: Running, bid: ScriptedBid, cast: Cast) -> None:
    for check in cast.bidder(bid.bidder).check_closing_list(running.tender):
        if not check.listed:
            raise DemoFailed(f"{bid.bidder} is missing from the closing list: {check.reason}")


def _open(running: Running, stage: str, cast: Cast) -> None:
    """One session: sign in, open, hand in, release, sign record and minutes, and for A and B decide."""
    tender, sitting = running.tender, cast.sitting()
    head = sitting[0]
    for member in sitting:
        member.attend(tender, stage)
    head.open_session(tender, stage)
    for member in sitting:
        member.hand_in_batch(tender, stage)
    head.release(tender, stage)
    for member in sitting:
        member.sign_record(tender, stage)
        missing = member.sign_minutes(tender, stage)
    if missing:
        raise DemoFailed(f"the minutes of {stage} lack signatures of {missing}")
    if stage == "C":
        return
    document = head.propose_decision(tender, stage, rejections=_rejections(running, stage, cast))
    in_force = False
    for member in sitting[:2]:
        in_force = member.sign_decision(tender, stage, document)
    if not in_force:
        raise DemoFailed(f"the decision on {stage} is not in force with two of three signatures")


def _rejections(running: Running, stage: str, cast: Cast) -> dict[str, str]:
    reasons = {
        party_of_name("IRO", bid.bidder): bid.reason
        for bid in running.script.bids
        if bid.rejected_at == stage
    }
    if not reasons:
        return {}
    record = cast.sitting()[0].check_record(running.tender, stage)
    return {
        result.manifest_digest: reasons[result.bidder]
        for result in record.results
        if result.bidder in reasons
    }


def _award(running: Running, cast: Cast) -> None:
    sitting = cast.sitting()
    document = sitting[0].award_draft(running.tender)
    in_force = [member.sign_award(running.tender, document) for member in sitting[:2]]
    if not in_force[-1]:
        raise DemoFailed("the award is not in force with two of three signatures")
    running.award = parse_canonical(document)
    for member in sitting:
        missing = member.sign_minutes(running.tender, "decision")
    if missing:
        raise DemoFailed(f"the minutes of the award lack signatures of {missing}")


def _check_returns(running: Running, cast: Cast) -> int:
    """Each rejected bidder gets a signed return; returns how many there are."""
    returned = 0
    for bid in running.script.bids:
        session = cast.organisation(bid.bidder, "bidder")
        answer = session.api.get(f"/tenders/{running.tender}/returns")
        returned += len(answer["returns"])
    return returned


def _advance_to(clock: DemoClock, instant: datetime) -> None:
    ahead = instant - clock.now()
    if ahead > timedelta(0):
        clock.advance(ahead + timedelta(seconds=1))
