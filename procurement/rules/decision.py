"""Decisions on envelopes A and B: the document, and what the rules propose for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kernel.clock import format_utc
from procurement.rules.bid_content import guarantee_faults, technical_faults
from procurement.rules.errors import BidNotAcceptable, DecisionIncomplete
from procurement.rules.facts import OpeningResult, Record, Verdict
from procurement.rules.notice import NoticeDraft
from procurement.rules.rule import RulesOfTheDay

DECISION_TYPE = "mohr/decision/v1"


def decision_document(
    tender: str, stage: str, record_digest: str, verdicts: Sequence[Verdict], decided_at: datetime
) -> dict[str, Any]:
    """The ``mohr/decision/v1`` for the members to sign, its results in the order of the opening record."""
    return {
        "type": DECISION_TYPE,
        "tender": tender,
        "stage": stage,
        "record_digest": record_digest,
        "results": [
            {
                "manifest_digest": verdict.manifest_digest,
                "accepted": verdict.accepted,
                "reason": verdict.reason,
            }
            for verdict in verdicts
        ],
        "decided_at": format_utc(decided_at),
    }


def propose(
    notice: NoticeDraft, stage: str, results: Sequence[OpeningResult], bids: Mapping[str, Any]
) -> tuple[Verdict, ...]:
    """Accept what was opened and has no fault that a programme can see; a member may judge otherwise.

    ``bids`` are the opened ``mohr/bid/v1`` by manifest digest. Of A the guarantee is checked, of B the form.
    """
    return tuple(_verdict(notice, stage, result, bids.get(result.manifest_digest)) for result in results)


def check_verdicts(
    notice: NoticeDraft,
    stage: str,
    record: Record,
    verdicts: Sequence[Verdict],
    bids: Mapping[str, Any],
    rules: RulesOfTheDay,
) -> None:
    """Raises DecisionIncomplete or BidNotAcceptable unless the commission may decide so.

    Every bid of the record is named once; a rejection has a reason; only opened bids are accepted, and
    in stage A only those whose guarantee suffices, which needs their content in ``bids``.
    """
    rule = rules["technical-before-price" if stage == "B" else "envelope-order"]
    named = [verdict.manifest_digest for verdict in verdicts]
    if len(set(named)) != len(named) or set(named) != {each.manifest_digest for each in record.results}:
        raise rule.refusal(DecisionIncomplete, "a decision names every bid of its stage once, and no other")
    opened = {result.manifest_digest for result in record.opened}
    for verdict in verdicts:
        digest = verdict.manifest_digest
        if not verdict.accepted:
            if not verdict.reason.strip():
                raise rule.refusal(DecisionIncomplete, "a rejection needs its reason", manifest_digest=digest)
            continue
        if digest not in opened:
            raise rule.refusal(
                BidNotAcceptable, "what could not be opened cannot be accepted", manifest_digest=digest
            )
        faults = guarantee_faults(notice, bids.get(digest)) if stage == "A" else ()
        if faults:
            raise rules[faults[0].rule].refusal(
                BidNotAcceptable,
                "the guarantee falls short of what the notice demands",
                manifest_digest=digest,
                faults=[fault.code for fault in faults],
            )


def _verdict(notice: NoticeDraft, stage: str, result: OpeningResult, bid: Any) -> Verdict:
    if result.outcome != "opened":
        return Verdict(result.manifest_digest, False, result.outcome)
    faults = guarantee_faults(notice, bid) if stage == "A" else technical_faults(bid)
    reason = ", ".join(fault.code for fault in faults)
    return Verdict(result.manifest_digest, not faults, reason)
