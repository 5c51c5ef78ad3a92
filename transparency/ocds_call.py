"""Releases of the call itself: the notice, a new date for the prices, the end of submission."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from kernel.clock import format_utc, parse_utc
from transparency.ocds_parts import (
    ENVELOPE_CONTENTS,
    Part,
    Step,
    Text,
    both,
    digest,
    envelopes,
    party_of,
    reference,
    statistic,
    value_of,
)

DEMO_TITLE = "DEMO - "
DEMO_DESCRIPTION = "DEMO: a made-up tender of a demonstration installation; nobody is called to bid. "
SUITE = "mohr-envelope-1"

_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "open_tender": "open",
        "limited_tender": "limited",
        "international_tender": "open",
        "auction": "open",
        "partnership_call": "open",
    }
)
_BEST: Mapping[str, Text] = MappingProxyType(
    {
        "revenue": ("بالاترین قیمت برنده است.", "The highest price wins."),
        "expenditure": ("کمترین قیمت برنده است.", "The lowest price wins."),
    }
)
_SUBMISSION: Text = (
    "پاکت‌های لاک و مهر شدهٔ الکترونیکی؛ برای هر تسلیم رسید و گواه ثبت در دفتر داده می‌شود.",
    "Sealed electronic envelopes; receipts and log proofs for every submission.",
)
_GUARANTEE: Text = ("تضمین شرکت در فرایند ارجاع کار", "Guarantee for taking part")
_SESSION: Text = (
    "پیشنهاددهندگان یا نمایندگان آنان حق حضور دارند.",
    "Bidders and those they send may attend.",
)
PRICE_OPENING: Text = ("بازگشایی پاکت‌های قیمت", "Opening of the price envelopes")
ANNOUNCED: Text = ("تاریخ اعلام‌شدهٔ بازگشایی قیمت‌ها", "The announced date of the opening of prices")


def published(step: Step) -> tuple[list[str], Part]:
    """The notice with all it says about how to take part, and the key set to which bids are sealed."""
    notice = step.state.notice
    buyer = notice["buyer"]
    title, description = notice["title"], notice["description"]
    if notice["demo"]:
        title, description = DEMO_TITLE + title, DEMO_DESCRIPTION + description
    tender: Part = {
        "title": title,
        "status": "active",
        "procuringEntity": reference(buyer["id"], buyer["name"]),
        "procurementMethod": _METHODS.get(notice["method"], "open"),
        "procurementMethodDetails": f"{notice['method']}, {notice['stages']}-stage, {notice['regime']}",
        "awardCriteria": "priceOnly",
        "submissionMethod": ["electronicSubmission"],
        "submissionMethodDetails": both(_SUBMISSION),
        "tenderPeriod": {"startDate": notice["published_at"], "endDate": notice["submission_deadline"]},
        "participationFees": [_guarantee(notice["guarantee"])],
        "bidOpening": _session(notice),
        "sealing": _sealing(notice),
        "lots": [_lot(lot) for lot in notice["lots"]],
        "documents": [
            step.document("notice", "tenderNotice", ("آگهی", "Notice"), step.data["digest"]),
            step.document(
                "key-set", "sealedBidKeySet", ("مجموعهٔ کلیدها", "Key set"), notice["key_set_digest"]
            ),
        ],
    }
    # OCDS has no empty text.
    if description.strip():
        tender["description"] = description
    best = _BEST.get(notice["nature"])
    if best is not None:
        tender["awardCriteriaDetails"] = both(best)
    if notice["estimate"] is not None:
        tender["value"] = value_of(notice["estimate"])
    if notice["price_opening_at"] is not None:
        tender["milestones"] = [price_opening(step, notice["price_opening_at"])]
    return ["tender"], step.tender(**tender)


def price_opening_extended(step: Step) -> tuple[list[str], Part]:
    """A later date for the prices is an amendment of the tender, with its reason."""
    amendment = {
        "id": f"price-opening-{step.event['sequence']}",
        "date": step.time,
        "rationale": step.data["reason"],
        "description": f"tender.milestones[opening-C].dueDate: {step.data['previous']}",
        "releaseID": step.release_id,
    }
    milestone = price_opening(step, step.data["price_opening_at"])
    return ["tenderAmendment"], step.tender(milestones=[milestone], amendments=[amendment])


def submission_closed(step: Step) -> tuple[list[str], Part]:
    """Who bids, and every bid that stands, still closed."""
    data, names = step.data, step.state.names
    tender: Part = {
        "numberOfTenderers": data["bidders"],
        "documents": [
            step.document("closing-list", "closingList", ("فهرست پایان مهلت", "Closing list"), data["digest"])
        ],
    }
    bids: Part = {
        "statistics": [
            statistic("bids", data["listed"], step.time),
            statistic("electronicBids", data["listed"], step.time),
            statistic("bidders", data["bidders"], step.time),
        ]
    }
    details = [_bid(step, bid) for bid in data.get("submissions", [])]
    if details:
        bids["details"] = details
    if names:
        tender["tenderers"] = [reference(party, name) for party, name in sorted(names.items())]
    parties = [party_of(party, name, "tenderer") for party, name in sorted(names.items())]
    return ["tenderUpdate"], {**step.tender(**tender), "bids": bids, "parties": parties}


def price_opening(step: Step, due: str) -> Part:
    """The opening of C as it is announced in a call of two stages."""
    return {**step.milestone("opening-C", PRICE_OPENING, ANNOUNCED), "dueDate": due, "status": "scheduled"}


def _lot(lot: Mapping[str, Any]) -> Part:
    return {"id": lot["id"], "title": lot["title"], "status": "active"}


def _guarantee(amount: Mapping[str, str]) -> Part:
    return {
        "id": "bid-guarantee",
        "type": ["deposit"],
        "value": value_of(amount),
        "description": both(_GUARANTEE),
    }


def _session(notice: Mapping[str, Any]) -> Part:
    """The first opening follows once deadline and grace are over."""
    grace = timedelta(seconds=notice["upload_grace_seconds"])
    return {
        "date": format_utc(parse_utc(notice["submission_deadline"]) + grace),
        "address": {"streetAddress": notice["place"]},
        "description": both(_SESSION),
    }


def _sealing(notice: Mapping[str, Any]) -> Part:
    return {
        "suite": SUITE,
        "keySetDigest": digest(notice["key_set_digest"]),
        "openingThreshold": notice["opening_threshold"],
        "envelopes": [{"id": kind, "title": both(text)} for kind, text in ENVELOPE_CONTENTS.items()],
    }


def _bid(step: Step, bid: Mapping[str, Any]) -> Part:
    return {
        "id": bid["manifest_digest"],
        "submissionType": "bid",
        "date": bid["received_at"],
        "status": "pending",
        "tenderers": [reference(bid["bidder"], step.state.name(bid["bidder"]))],
        "relatedLots": [bid["lot"]],
        "sealing": {
            "manifestDigest": digest(bid["manifest_digest"]),
            "counter": bid["counter"],
            "submissionNumber": bid["submission_number"],
            "envelopes": envelopes(ENVELOPE_CONTENTS, "sealed", step.time),
        },
    }
