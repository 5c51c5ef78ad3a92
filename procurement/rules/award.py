"""Who wins: computed alike by server, members' clients and auditors from the opened prices (Art. 20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kernel.errors import MalformedInput
from kernel.money import Money
from procurement.rules.bid_content import Fault, price_remarks, read_price
from procurement.rules.errors import AwardNotByPrices, DocumentMismatch
from procurement.rules.facts import LotAward, OpeningResult, RankedBid, Record
from procurement.rules.fields import Fields
from procurement.rules.notice import Notice
from procurement.rules.regimes import rules_at
from procurement.rules.rule import Rule, RulesOfTheDay

AWARD_TYPE = "mohr/award/v1"


@dataclass(frozen=True, slots=True)
class PricedBid:
    """A bid whose price counts. ``sealed_at`` is the time stamp of its seal in the form of ``format_utc``."""

    manifest_digest: str
    bidder: str
    amount: Money
    sealed_at: str

    @property
    def ranked(self) -> RankedBid:
        return RankedBid(self.manifest_digest, self.bidder, self.amount)


def rank(bids: Sequence[PricedBid], best: str) -> tuple[PricedBid, ...]:
    """Best price first (``lowest`` or ``highest``); of equals who sealed first, then the lower digest."""
    if best not in ("lowest", "highest"):
        raise ValueError("best is lowest or highest")
    sign = 1 if best == "lowest" else -1
    return tuple(sorted(bids, key=lambda bid: (sign * bid.amount.amount, bid.sealed_at, bid.manifest_digest)))


def winners(ranking: Sequence[RankedBid], guarantee: Money) -> tuple[str | None, str | None]:
    """First and second winner; the second only if its price is apart by less than the guarantee."""
    if not ranking:
        return None, None
    if len(ranking) == 1:
        return ranking[0].bidder, None
    gap = abs((ranking[1].amount - ranking[0].amount).amount)
    return ranking[0].bidder, ranking[1].bidder if gap < guarantee.amount else None


def award_document(
    notice: Notice,
    *,
    record_digest: str,
    record: Mapping[str, Any],
    bids: Mapping[str, Any],
    sealed_at: Mapping[str, str],
    decided_at: str,
) -> dict[str, Any]:
    """The ``mohr/award/v1`` that follows from the opening record of stage C; nothing in it is chosen.

    ``record`` is the content of that record, ``bids`` the opened ``mohr/bid/v1`` and ``sealed_at`` the
    time stamps of the seals, both by manifest digest. Raises MalformedInput when an opened bid is missing.
    """
    results = [OpeningResult.parse(result) for result in record["results"]]
    return {
        "type": AWARD_TYPE,
        "tender": notice.tender,
        "record_digest": record_digest,
        "lots": [
            _lot_award(notice, lot, [r for r in results if r.lot == lot], bids, sealed_at).to_json()
            for lot in notice.lot_ids
        ],
        "decided_at": decided_at,
    }


def read_award(value: Any) -> tuple[str, str, tuple[LotAward, ...]]:
    """Tender, record digest and lots of a ``mohr/award/v1``; raises MalformedInput."""
    given = Fields(value, "award", ("type", "tender", "record_digest", "lots", "decided_at"))
    given.choice("type", (AWARD_TYPE,))
    given.instant("decided_at")
    lots = tuple(LotAward.parse(item) for item in given.items("lots", least=1, most=50))
    return given.name("tender"), given.digest("record_digest"), lots


def check_same(signed: Mapping[str, Any], computed: Mapping[str, Any], rules: RulesOfTheDay) -> None:
    """Raises AwardNotByPrices unless both say the same; only ``decided_at`` is the commission's own."""
    if {**signed, "decided_at": None} != {**computed, "decided_at": None}:
        raise rules["best-price"].refusal(
            AwardNotByPrices, "the award does not follow from the opened prices"
        )


def check_award(notice: Notice, record_digest: str, record: Record, award: Any) -> tuple[LotAward, ...]:
    """What can be checked of an award without the bids: lots, order of prices, first and second winner.

    Raises MalformedInput, DocumentMismatch or AwardNotByPrices.
    """
    rules = rules_at(notice.regime, notice.published_at)
    tender, named_record, lots = read_award(award)
    if (tender, named_record) != (notice.tender, record_digest):
        raise rules["envelope-order"].refusal(
            DocumentMismatch, "the award is of another tender or rests on another opening record"
        )
    if tuple(lot.lot for lot in lots) != notice.lot_ids:
        raise rules["best-price"].refusal(AwardNotByPrices, "the award does not name each lot once, in order")
    opened = {(result.manifest_digest, result.lot, result.bidder) for result in record.opened}
    for lot in lots:
        _check_lot(notice, lot, opened, rules)
    return lots


def best_price(notice: Notice) -> Rule:
    """The rule that says whether the lowest or the highest price wins."""
    return rules_at(notice.regime, notice.published_at)["best-price"]


def _check_lot(
    notice: Notice, lot: LotAward, opened: set[tuple[str, str, str]], rules: RulesOfTheDay
) -> None:
    rule = rules["best-price"]
    ranked = [(bid.manifest_digest, lot.lot, bid.bidder) for bid in lot.ranking]
    if len(set(ranked)) != len(ranked) or not set(ranked) <= opened:
        raise rule.refusal(AwardNotByPrices, "the ranking names a bid that was not opened", lot=lot.lot)
    if any(bid.amount.currency != notice.currency for bid in lot.ranking):
        raise rule.refusal(AwardNotByPrices, "a price is in another currency than the notice", lot=lot.lot)
    lowest = rule.table[notice.nature] == "lowest"
    for better, worse in pairwise(lot.ranking):
        if better.amount != worse.amount and (better.amount < worse.amount) != lowest:
            raise rule.refusal(AwardNotByPrices, "the ranking is not by price", lot=lot.lot)
    first, second = winners(lot.ranking, notice.guarantee)
    if lot.second != second:
        raise rules["second-winner"].refusal(
            AwardNotByPrices, "the second winner does not follow from the gap", lot=lot.lot
        )
    if lot.winner != first or (lot.outcome == "award") != (first is not None):
        raise rule.refusal(AwardNotByPrices, "the winner is not the best price", lot=lot.lot)


def _lot_award(
    notice: Notice,
    lot: str,
    results: Sequence[OpeningResult],
    bids: Mapping[str, Any],
    sealed_at: Mapping[str, str],
) -> LotAward:
    rules = rules_at(notice.regime, notice.published_at)
    priced: list[PricedBid] = []
    remarks: list[str] = []
    for result in sorted(results, key=lambda result: result.manifest_digest):
        price = _price_of(notice, result, bids, sealed_at)
        if isinstance(price, Fault):
            remarks.append(f"{result.bidder} rejected: {price.code}")
            continue
        amount, said = price
        priced.append(
            PricedBid(result.manifest_digest, result.bidder, amount, sealed_at[result.manifest_digest])
        )
        said += price_remarks(notice, amount, rules["price-warnings"].number)
        remarks += [f"{result.bidder}: {remark}" for remark in said]
    ranked = rank(priced, rules["best-price"].table[notice.nature])
    ranking = tuple(bid.ranked for bid in ranked)
    if len(ranking) > 1 and ranking[0].amount == ranking[1].amount:
        remarks.append("equal best prices: sealed first stands first")
    winner, second = winners(ranking, notice.guarantee)
    rule = rules["best-price" if winner else "minimum-bidders"]
    grounds = f"{rule.id} ({rule.article})" if rule.article else rule.id
    outcome = "award" if winner else "unsuccessful"
    return LotAward(lot, outcome, ranking, winner, second, "; ".join([grounds, *remarks]))


def _price_of(
    notice: Notice, result: OpeningResult, bids: Mapping[str, Any], sealed_at: Mapping[str, str]
) -> tuple[Money, tuple[str, ...]] | Fault:
    if result.outcome != "opened":
        return Fault(result.outcome, "envelope-order")
    bid = bids.get(result.manifest_digest)
    if bid is None or result.manifest_digest not in sealed_at:
        raise MalformedInput(
            "an opened bid or the time of its seal is missing", manifest_digest=result.manifest_digest
        )
    price = read_price(notice, bid)
    return price if isinstance(price, Fault) else (price.amount, price.remarks)
