"""Releases of how a tender ends: the award, a call that came to nothing, and what stayed closed to the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transparency.ocds_parts import Part, Step, envelopes, party_of, reference, value_of

_RETURNED = ("بازگرداندن پاکت‌ها", "Return of envelopes")
_DESTROYED = ("نابودی کلیدها", "Destruction of the keys")
_DESTROYED_WHY = (
    "پاکت‌هایی که بسته ماندند بازگردانده و کلیدهایشان نابود شد",
    "Envelopes that stayed closed were returned and their keys destroyed",
)
_ENDED = ("پایان فرایند", "End of the tender")


def award_decided(step: Step) -> tuple[list[str], Part]:
    """One award for each lot, the ranking of the bids with their prices, and the end of the tender."""
    titles = {lot["id"]: lot["title"] for lot in step.state.notice["lots"]}
    lots = step.data["lots"]
    ranked = _ranked(step.data.get("award"))
    winners = sorted({lot["winner"] for lot in lots if lot["winner"] is not None})
    body = step.tender(
        status="complete" if winners else "unsuccessful",
        lots=[{"id": lot["lot"], "status": "complete" if lot["winner"] else "unsuccessful"} for lot in lots],
    )
    body["awards"] = [_award(step, lot, titles[lot["lot"]], ranked.get(lot["lot"], ())) for lot in lots]
    details = [bid for ranking in ranked.values() for bid in _priced(ranking)]
    if details:
        body["bids"] = {"details": details}
    body["parties"] = [
        party_of(winner, step.state.name(winner), "tenderer", "supplier") for winner in winners
    ]
    return ["award", "tenderUpdate"], body


def envelopes_returned(step: Step) -> tuple[list[str], Part]:
    """Envelopes that nobody opened went back to their bidder."""
    data = step.data
    document = step.document("return", "envelopeReturn", _RETURNED, data["digest"])
    bid = {
        "id": data["manifest_digest"],
        "documents": [document],
        "sealing": {"envelopes": envelopes(data["kinds"], "returned", step.time)},
    }
    return ["tenderUpdate"], {**step.tender(), "bids": {"details": [bid]}}


def keys_destroyed(step: Step) -> tuple[list[str], Part]:
    """What stayed closed stays closed."""
    document = step.document("key-destruction", "keyDestruction", _DESTROYED, step.data["digest"])
    milestone = step.met("keys-destroyed", _DESTROYED, _DESTROYED_WHY)
    return ["tenderUpdate"], step.tender(milestones=[milestone], documents=[document])


def cancelled(step: Step) -> tuple[list[str], Part]:
    return ["tenderCancellation"], _ended("cancelled", step)


def unsuccessful(step: Step) -> tuple[list[str], Part]:
    return ["tenderUpdate"], _ended("unsuccessful", step)


def _ended(status: str, step: Step) -> Part:
    """The reason is in the words of those who gave it."""
    milestone = {**step.met("ended", _ENDED, ("", "")), "description": step.data["reason"]}
    lots = [{"id": lot["id"], "status": status} for lot in step.state.notice["lots"]]
    return step.tender(status=status, lots=lots, milestones=[milestone])


def _award(step: Step, lot: Mapping[str, Any], title: str, ranking: Any) -> Part:
    document = step.document("award", "awardNotice", ("رأی کمیسیون", "Award"), step.data["digest"])
    award: Part = {
        "id": f"{step.state.tender}-{lot['lot']}",
        "title": title,
        "status": "active" if lot["winner"] is not None else "unsuccessful",
        "date": step.time,
        "relatedLots": [lot["lot"]],
        "documents": [document],
    }
    if lot["winner"] is not None:
        award["value"] = value_of(lot["amount"])
        award["suppliers"] = [reference(lot["winner"], step.state.name(lot["winner"]))]
        if ranking:
            award["relatedBids"] = [ranking[0]["manifest_digest"]]
    return award


def _ranked(document: Mapping[str, Any] | None) -> dict[str, list[Mapping[str, Any]]]:
    """The ranking of each lot; an award too long for its event has it in the document only."""
    return {lot["lot"]: lot["ranking"] for lot in document["lots"]} if document else {}


def _priced(ranking: list[Mapping[str, Any]]) -> Iterator[Part]:
    for rank, bid in enumerate(ranking, start=1):
        yield {
            "id": bid["manifest_digest"],
            "value": value_of(bid["amount"]),
            "hasRank": True,
            "rank": rank,
        }
