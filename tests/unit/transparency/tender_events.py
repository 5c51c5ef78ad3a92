"""The public events of one made-up tender, from notice to destroyed keys, in the published form."""

from __future__ import annotations

from typing import Any

from procurement.rules.events import Event as RuleEvent

TENDER, OCID = "0193f2c4-0000-7000-8000-000000000001", "ocds-demo00-1405-17"
PREFIX = "ir.tehran.procurement."
BUYER = {"id": "IRO-14000000001", "name": "شهرداری تهران، منطقه ۶"}
TENDERERS = [
    {"party": "IRO-10100000001", "name": "شرکت الف"},
    {"party": "IRO-10100000002", "name": "شرکت ب"},
]


DIGEST = "cd" * 32
CLOSED_AT = "2026-12-20T10:41:00.000000Z"
# Manifest digest, lot, bidder: two bids for each lot.
BIDS = [
    ("a1" * 32, "1", TENDERERS[0]["party"]),
    ("a2" * 32, "1", TENDERERS[1]["party"]),
    ("b1" * 32, "2", TENDERERS[0]["party"]),
    ("b2" * 32, "2", TENDERERS[1]["party"]),
]
# Lot 2 comes to nothing: one of its bids is rejected at B, the other does not open.
REJECTED, UNOPENABLE = BIDS[2][0], BIDS[3][0]
Json = dict[str, Any]


def notice(**changes: Any) -> Json:
    """The parts of a ``mohr/notice/v1`` that concern publication."""
    return {
        "type": "mohr/notice/v1",
        "tender": TENDER,
        "ocid": OCID,
        "buyer": BUYER,
        "title": "بهسازی پیاده‌رو",
        "description": "دو قطعه",
        "nature": "expenditure",
        "method": "open_tender",
        "stages": 2,
        "regime": "municipality-tehran",
        "lots": [{"id": "1", "title": "شمال"}, {"id": "2", "title": "جنوب"}],
        "estimate": {"amount": "123456789012345678.25", "currency": "IRR"},
        "guarantee": {"amount": "1300000000", "currency": "IRR"},
        "submission_deadline": "2026-12-20T10:30:00.000000Z",
        "upload_grace_seconds": 600,
        "published_at": "2026-11-24T08:00:00.000000Z",
        "price_opening_at": "2027-01-05T06:30:00.000000Z",
        "place": "تهران، سالن کمیسیون معاملات",
        "opening_threshold": 2,
        "key_set_digest": DIGEST,
        "demo": False,
        **changes,
    }


def story(**notice_changes: Any) -> list[Json]:
    """Each step once, with lot 1 awarded and lot 2 unsuccessful; the last date for prices is put off once."""
    return _told(
        [
            *_call(notice_changes),
            *_stage("A", [bid[0] for bid in BIDS]),
            *_stage("B", [bid[0] for bid in BIDS]),
            (
                "price-opening-extended",
                {
                    "previous": "2027-01-05T06:30:00.000000Z",
                    "price_opening_at": "2027-01-09T06:30:00.000000Z",
                    "reason": "holiday",
                },
            ),
            *_stage("C", [BIDS[0][0], BIDS[1][0]]),
            ("award-decided", _award()),
            ("envelopes-returned", {"digest": "ee" * 32, "manifest_digest": REJECTED, "kinds": ["C"]}),
            ("keys-destroyed", {"digest": DIGEST, "key_set_digest": DIGEST}),
        ]
    )


def _call(notice_changes: Json) -> list[tuple[str, Json]]:
    submissions = [
        {
            "manifest_digest": manifest,
            "counter": counter,
            "lot": lot,
            "bidder": bidder,
            "submission_number": 1,
            "received_at": f"2026-12-20T10:0{counter}:00.000000Z",
        }
        for counter, (manifest, lot, bidder) in enumerate(BIDS, start=1)
    ]
    return [
        ("tender-drafted", {"buyer": BUYER, "draft_digest": DIGEST}),
        (
            "key-set-published",
            {"digest": DIGEST, "threshold": 2, "members": [], "custodian": "C", "previous": None},
        ),
        ("tender-published", {"digest": DIGEST, "notice": notice(**notice_changes)}),
        (
            "submission-closed",
            {
                "digest": DIGEST,
                "closed_at": CLOSED_AT,
                "listed": len(BIDS),
                "bidders": 2,
                "submissions": submissions,
                "tenderers": TENDERERS,
            },
        ),
        (
            "attendance-recorded",
            {"stage": "A", "party": "P", "seat": "head", "conflict": False, "digest": DIGEST},
        ),
    ]


def _stage(stage: str, manifests: list[str]) -> list[tuple[str, Json]]:
    """A session, its record and, but for C, its decision; at B one does not open and one is rejected."""
    closed = {UNOPENABLE} if stage == "B" else set()
    parts = {manifest: (lot, bidder) for manifest, lot, bidder in BIDS}
    results = [
        {
            "manifest_digest": manifest,
            "lot": parts[manifest][0],
            "bidder": parts[manifest][1],
            "outcome": "unopenable" if manifest in closed else "opened",
            "reason": "rebuilt bytes differ" if manifest in closed else None,
            "named": parts[manifest][1] if manifest in closed else None,
            "bid_digest": None if manifest in closed else DIGEST,
        }
        for manifest in manifests
    ]
    verdicts = [
        {"manifest_digest": manifest, "accepted": manifest not in refused, "reason": reason}
        for refused in [{REJECTED} if stage == "B" else set()]
        for manifest in manifests
        if manifest not in closed
        for reason in ["گواهی ایمنی نیست" if manifest in refused else ""]
    ]
    accepted = sum(1 for verdict in verdicts if verdict["accepted"])
    session = {
        "stage": stage,
        "digest": DIGEST,
        "chair": "P",
        "present": ["P", "Q"],
        "envelopes": len(manifests),
        "opened_at": "2026-12-21T06:30:00.000000Z",
    }
    opened = len(manifests) - len(closed)
    record = {"stage": stage, "digest": DIGEST, "opened": opened, "unopenable": len(closed), "disputed": 0}
    decision = {
        "stage": stage,
        "digest": DIGEST,
        "record_digest": DIGEST,
        "accepted": accepted,
        "rejected": len(verdicts) - accepted,
        "results": verdicts,
        "signers": ["P"],
    }
    steps: list[tuple[str, Json]] = [
        ("opening-started", session),
        ("opening-recorded", {**record, "results": results}),
    ]
    return steps if stage == "C" else [*steps, ("decision-made", decision)]


def _award() -> Json:
    amounts = [
        {"amount": "987654321098765432.10", "currency": "IRR"},
        {"amount": "987654321098765433", "currency": "IRR"},
    ]
    ranking = [
        {"manifest_digest": BIDS[1][0], "bidder": BIDS[1][2], "amount": amounts[0]},
        {"manifest_digest": BIDS[0][0], "bidder": BIDS[0][2], "amount": amounts[1]},
    ]
    won = {"lot": "1", "outcome": "award", "winner": BIDS[1][2], "second": None}
    lost = {"lot": "2", "outcome": "unsuccessful", "winner": None, "second": None}
    return {
        "digest": DIGEST,
        "record_digest": DIGEST,
        "signers": ["P"],
        "award": {"lots": [{**won, "ranking": ranking}, {**lost, "ranking": []}]},
        "lots": [{**won, "amount": amounts[0], "prices": 2}, {**lost, "amount": None, "prices": 0}],
    }


def _told(steps: list[tuple[str, Json]]) -> list[Json]:
    return [event(fact, number, data) for number, (fact, data) in enumerate(steps, start=1)]


def event(fact: str, sequence: int, data: dict[str, Any]) -> dict[str, Any]:
    """One public event as the outbox holds it."""
    return {
        "id": f"0193f2c4-0000-7000-8000-{sequence:012d}",
        "type": f"{PREFIX}{fact}.v1",
        "subject": TENDER,
        "time": f"2026-{'11-24' if sequence < 4 else '12-21'}T08:{sequence:02d}:00.000000Z",
        "sequence": sequence,
        "data": {"tender": TENDER, "ocid": OCID, **data},
    }


def types_of_the_rules() -> set[str]:
    """The event types that the rules of procurement can decide on."""
    found, waiting = set(), [RuleEvent]
    while waiting:
        each = waiting.pop()
        waiting += each.__subclasses__()
        if "type" in vars(each):
            found.add(each.type)
    return found
