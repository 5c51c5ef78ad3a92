"""Minutes of tenders that never were, for pages and signatures; every field may be set otherwise."""

from __future__ import annotations

from typing import Any

from kernel.canonical import canonical_bytes
from paper.minutes import render_minutes

DIGEST = "ab12" * 16
NAMES = (
    "راه‌سازان البرز",
    "شرکت مهندسی و ساختمانی بسیار پرآوازه راه و شهرسازی نوین‌گستر خاورمیانه (سهامی خاص)",
    "🏦 Long Latin Construction & Partners GmbH 2026",
    "ا" * 90,
)
MONEY = {"amount": "23475000000.50", "currency": "IRR"}
_SEATS = (
    ("head", "حسین رستگار", "chair"),
    ("finance", "مریم کاویانی", "present"),
    ("technical", "سعید نیک‌روش", "present"),
    ("alternate", "لیلا شفیعی", "conflict"),
    ("observer", "ناهید اکبری", "attended"),
)


def minutes(stage: str = "A", bids: int = 3, **changes: Any) -> dict[str, Any]:
    """A ``mohr/minutes/v1`` of an opening with that many envelopes, every seventh of them not opened."""
    document: dict[str, Any] = {
        "type": "mohr/minutes/v1",
        "stage": stage,
        "tender": "0193f2c4-0000-7000-8000-000000000001",
        "ocid": "ocds-abc123-0193f2c4-0000-7000-8000-000000000001",
        "title": "بهسازی و روکش آسفالت خیابان‌های محله نارمک",
        "buyer": {"id": "IRO-14000000001", "name": "شهرداری تهران، منطقه ۸"},
        "nature": "expenditure",
        "method": "open_tender",
        "stages": 1,
        "regime": "tenders-1383",
        "place": "تهران، سالن کمیسیون معاملات",
        "demo": True,
        "lots": [{"id": "1", "title": "روکش آسفالت"}],
        "guarantee": {"amount": "1300000000", "currency": "IRR"},
        "estimate": {"amount": "26000000000", "currency": "IRR"},
        "documents": {
            name: None if name in ("decision_before", "decided") else DIGEST
            for name in ("notice", "closing_list", "decision_before", "session", "record", "decided")
        },
        "times": {
            "submission_deadline": "2026-11-24T08:00:00.000000Z",
            "closed_at": "2026-11-24T08:10:00.000000Z",
            "opened_at": "2026-11-24T09:00:00.000000Z",
            "recorded_at": "2026-11-24T09:30:05.000000Z",
            "decided_at": None,
        },
        "commission": [
            {"party": f"IR-1000000000{number}", "name": name, "seat": seat, "part": part}
            for number, (seat, name, part) in enumerate(_SEATS)
        ],
        "received": {"listed": bids, "replaced": 1, "withdrawn": 0, "incomplete": 0, "refused": 2},
        "envelopes": [_envelope(stage, number) for number in range(1, bids + 1)],
        "kept_closed": [],
        "decision": None,
    }
    return {**document, **changes}


def final(bids: int = 4) -> dict[str, Any]:
    """The minutes of an award to the first of so many."""
    ranking = [
        {
            "manifest_digest": DIGEST,
            "bidder": f"IRO-{14000000000 + n}",
            "name": NAMES[n % 4],
            "amount": MONEY,
        }
        for n in range(bids)
    ]
    lot = {
        "lot": "1",
        "outcome": "award",
        "ranking": ranking,
        "winner": "IRO-14000000000",
        "second": "IRO-14000000001",
        "reason": "best-price (Tenders Law 1383 Art. 20(a)); IRO-14000000003: above-estimate",
    }
    base = minutes("decision", 0)
    times = {**base["times"], "decided_at": "2026-11-24T10:00:00.000000Z"}
    return {**base, "times": times, "decision": {"opened_stage": "C", "lots": [lot], "rejected": []}}


def pages(**changes: Any) -> bytes:
    """Rendered minutes of stage A."""
    return render_minutes(canonical_bytes(minutes(**changes)))


def _envelope(stage: str, number: int) -> dict[str, Any]:
    opened = number % 7 != 0
    return {
        "number": number,
        "lot": "1",
        "bidder": f"IRO-{14000000000 + number}",
        "name": NAMES[number % 4],
        "manifest_digest": DIGEST,
        "outcome": "opened" if opened else "unopenable",
        "bid_digest": DIGEST if opened else None,
        "content": _content(stage) if opened else None,
        "reason": None if opened else "the rebuilt blob differs",
        "named": None if opened else "IRO-1",
    }


def _content(stage: str) -> dict[str, Any]:
    if stage == "A":
        guarantee = {
            "kind": "bank_guarantee",
            "issuer": "بانک شهر",
            "number": "G-1",
            "amount": MONEY,
            "valid_until": "2027-06-12",
        }
        return {"guarantee": guarantee, "faults": ["guarantee-ends-early"]}
    if stage == "B":
        return {"statements": 2, "files": 1, "faults": []}
    return {"price": MONEY, "lines": 17, "remarks": ["line-products-differ:3"], "faults": []}
