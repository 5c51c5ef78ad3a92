"""Guards where a phase ends: the closing list, the award, the closing of the tender, ending without award."""

from __future__ import annotations

from datetime import datetime

from kernel.errors import Conflict, MalformedInput
from procurement.rules import commands as c
from procurement.rules import events as e
from procurement.rules.aggregate import Tender
from procurement.rules.award import check_award
from procurement.rules.errors import (
    GroundUnknown,
    KeySetStale,
    LotUnknown,
    ReturnsIncomplete,
    SubmissionReplayed,
    TooEarly,
)
from procurement.rules.facts import AwardFact, ClosingList, Ending, ListedBid
from procurement.rules.opening import agreed
from procurement.rules.regimes import rules_at
from procurement.rules.rule import Rule
from procurement.rules.transitions import State


def close_submissions(tender: Tender, command: c.CloseSubmissions, now: datetime) -> list[e.Event]:
    """Once deadline and grace have passed; with fewer bidders than demanded the tender ends (Art. 24)."""
    notice, rules = tender.published_notice, tender.rules
    if now < tender.closes_instant:
        raise rules["within-deadline"].refusal(TooEarly, "the deadline and its grace have not passed yet")
    listed = tuple(ListedBid.parse(entry) for entry in command.submissions)
    unknown = sorted({bid.lot for bid in listed} - set(notice.lot_ids))
    if unknown:
        raise rules["same-documents"].refusal(LotUnknown, "the closing list names a lot the notice has not")
    _check_one_bid_each(listed, rules["one-bid"])
    closing = ClosingList(command.digest, tuple(sorted(listed, key=lambda bid: bid.counter)))
    events: list[e.Event] = [
        e.SubmissionClosed(tender.id, tender.ocid, closing, tuple(command.tenderers), now)
    ]
    if len(closing.bidders) < notice.minimum_bidders:
        reason = f"{len(closing.bidders)} of at least {notice.minimum_bidders} bidders"
        ending = Ending("too-few-bidders", rules["minimum-bidders"].article, reason)
        events.append(e.TenderUnsuccessful(tender.id, tender.ocid, ending))
    return events


def award(tender: Tender, command: c.Award, now: datetime) -> list[e.Event]:
    """A majority awards what follows from the prices; without any acceptable price the tender ends."""
    record = tender.records["C"]
    lots = check_award(tender.published_notice, record.digest, record, dict(command.award))
    fact = AwardFact(command.digest, lots, agreed(tender, "C", command.signers))
    events: list[e.Event] = [e.AwardDecided(tender.id, tender.ocid, fact, record.digest, dict(command.award))]
    if all(lot.outcome == "unsuccessful" for lot in lots):
        rule = tender.rules["minimum-bidders"]
        ending = Ending("too-few-bidders", rule.article, "no acceptable price was opened")
        events.append(e.TenderUnsuccessful(tender.id, tender.ocid, ending))
    return events


def close_tender(tender: Tender, command: c.CloseTender, now: datetime) -> list[e.Event]:
    """Every listed envelope that no session touched goes back, and the custodian's keys are gone (Art. 19).

    Of a call that ended before its closing list the application returns what it received.
    """
    if tender.key_set is None:
        raise rules_at(tender.draft.regime, now)["approved-notice"].refusal(
            KeySetStale, "the tender never had keys; there is nothing to close"
        )
    if tender.keys_destroyed is not None:
        raise Conflict("the tender is closed already", tender=tender.id)
    returned = {each.manifest_digest: tuple(sorted(each.kinds)) for each in command.returns}
    repeated = len(returned) != len(command.returns)
    if repeated or (tender.closing is not None and returned != tender.unopened()):
        raise rules_at(tender.draft.regime, now)["rejected-returned"].refusal(
            ReturnsIncomplete, "exactly the unopened envelopes are returned, each once"
        )
    returns = [e.EnvelopesReturned(tender.id, tender.ocid, each) for each in command.returns]
    destroyed = e.KeysDestroyed(tender.id, tender.ocid, command.key_destruction_digest, tender.key_set.digest)
    return [*returns, destroyed]


def cancel(tender: Tender, command: c.Cancel, now: datetime) -> list[e.Event]:
    """On a ground that the law names, with a reason for everybody to read (Art. 24)."""
    rule = rules_at(tender.draft.regime, now)["cancellation-grounds"]
    ending = _ending(rule, command.ground, command.reason)
    return [e.TenderCancelled(tender.id, tender.ocid, ending)]


def declare_unsuccessful(tender: Tender, command: c.DeclareUnsuccessful, now: datetime) -> list[e.Event]:
    """On a ground for renewal that applies now; too few bidders is found by the rules, never declared."""
    rule = tender.rules["renewal-grounds"]
    applies = {
        "board-ruling": True,
        "bid-validity-over": now > tender.published_notice.bid_valid_until,
        "prices-too-high": tender.state is State.COMMISSION_DECISION,
    }
    if not applies.get(command.ground, False):
        raise rule.refusal(
            GroundUnknown, "that ground for renewal does not apply now", ground=command.ground[:64]
        )
    ending = _ending(rule, command.ground, command.reason)
    return [e.TenderUnsuccessful(tender.id, tender.ocid, ending)]


def _ending(rule: Rule, ground: str, reason: str) -> Ending:
    if ground not in rule.words:
        raise rule.refusal(GroundUnknown, "the law does not know this ground", ground=ground[:64])
    if not 1 <= len(reason.strip()) <= 2000:
        raise MalformedInput("a reason has between 1 and 2000 characters", field="reason")
    return Ending(ground, rule.article, reason.strip())


def _check_one_bid_each(listed: tuple[ListedBid, ...], rule: Rule) -> None:
    for names in (
        [(bid.lot, bid.bidder) for bid in listed],
        [bid.manifest_digest for bid in listed],
        [bid.counter for bid in listed],
    ):
        if len(set(names)) != len(names):
            raise rule.refusal(
                SubmissionReplayed, "the closing list names a bidder, manifest or counter twice"
            )
