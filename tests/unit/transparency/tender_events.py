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


def notice(**changes: Any) -> dict[str, Any]:
    """The parts of a ``mohr/notice/v1`` that concern publication."""
    return {
        "type": "mohr/notice/v1",
        "tender": TENDER,
        "ocid": OCID,
        "buyer": BUYER,
        "title": "بهسازی پیاده‌رو",
        "description": "دو قطعه",
        "method": "open_tender",
        "stages": 2,
        "regime": "municipality-tehran",
        "lots": [{"id": "1", "title": "شمال"}, {"id": "2", "title": "جنوب"}],
        "estimate": {"amount": "123456789012345678.25", "currency": "IRR"},
        "submission_deadline": "2026-12-20T10:30:00.000000Z",
        "published_at": "2026-11-24T08:00:00.000000Z",
        "price_opening_at": "2027-01-05T06:30:00.000000Z",
        "demo": False,
        **changes,
    }


def story(**notice_changes: Any) -> list[dict[str, Any]]:
    """Each step once, with lot 1 awarded and lot 2 unsuccessful."""
    digest = "cd" * 32
    steps: list[tuple[str, dict[str, Any]]] = [
        ("tender-drafted", {"buyer": BUYER, "draft_digest": digest}),
        (
            "key-set-published",
            {"digest": digest, "threshold": 2, "members": [], "custodian": "C", "previous": None},
        ),
        ("tender-published", {"digest": digest, "notice": notice(**notice_changes)}),
        (
            "submission-closed",
            {"digest": digest, "closed_at": "", "listed": 2, "bidders": 2, "tenderers": TENDERERS},
        ),
        (
            "attendance-recorded",
            {"stage": "A", "party": "P", "seat": "head", "conflict": False, "digest": digest},
        ),
    ]
    for stage in "ABC":
        steps.append(
            (
                "opening-started",
                {
                    "stage": stage,
                    "digest": digest,
                    "chair": "P",
                    "present": ["P", "Q"],
                    "envelopes": 2,
                    "opened_at": "",
                },
            )
        )
        steps.append(
            (
                "opening-recorded",
                {"stage": stage, "digest": digest, "opened": 2, "unopenable": 0, "disputed": 0},
            )
        )
        if stage != "C":
            steps.append(
                (
                    "decision-made",
                    {
                        "stage": stage,
                        "digest": digest,
                        "record_digest": digest,
                        "accepted": 2,
                        "rejected": 0,
                        "signers": ["P"],
                    },
                )
            )
    steps.insert(
        -2,
        (
            "price-opening-extended",
            {"previous": "", "price_opening_at": "2027-01-09T06:30:00.000000Z", "reason": "holiday"},
        ),
    )
    won = {"lot": "1", "outcome": "award", "winner": TENDERERS[1]["party"], "second": None, "prices": 2}
    lost = {
        "lot": "2",
        "outcome": "unsuccessful",
        "winner": None,
        "second": None,
        "amount": None,
        "prices": 0,
    }
    amount = {"amount": "987654321098765432.10", "currency": "IRR"}
    steps += [
        (
            "award-decided",
            {
                "digest": digest,
                "record_digest": digest,
                "signers": ["P"],
                "lots": [{**won, "amount": amount}, lost],
            },
        ),
        ("envelopes-returned", {"digest": digest, "manifest_digest": digest, "kinds": ["C"]}),
        ("keys-destroyed", {"digest": digest, "key_set_digest": digest}),
    ]
    return [event(fact, number, data) for number, (fact, data) in enumerate(steps, start=1)]


def event(fact: str, sequence: int, data: dict[str, Any]) -> dict[str, Any]:
    """One public event as the outbox holds it."""
    return {
        "id": f"0193f2c4-0000-7000-8000-{sequence:012d}",
        "type": f"{PREFIX}{fact}.v1",
        "subject": TENDER,
        "time": f"2026-11-24T08:{sequence:02d}:00.000000Z",
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
