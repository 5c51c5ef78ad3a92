"""Tenders brought to where a test needs them, by the clients that everybody uses."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from app.demo.cast import ORGANISATION, Cast
from client.bidder import Submitted
from client.sealed_bids import SealedBid
from kernel.clock import format_utc

LOT = "1"
DAYS = timedelta(days=1)
GRACE = timedelta(seconds=600)
DEADLINE = 12 * DAYS
PRICE = "23000000000"


def fields(cast: Cast, **changes: Any) -> dict[str, Any]:
    """What a buyer enters for a call that keeps every rule, but for ``changes``."""
    now = cast.clock.now()
    return {
        "buyer": ORGANISATION,
        "title": "روکش آسفالت خیابان آزمون",
        "description": "تهیه مصالح و اجرا",
        "nature": "expenditure",
        "method": "open_tender",
        "stages": 1,
        "regime": "tenders-1383",
        "lots": [{"id": LOT, "title": "روکش آسفالت"}],
        "estimate": {"amount": "26000000000", "currency": "IRR"},
        "currency": "IRR",
        "guarantee": {"amount": "1300000000", "currency": "IRR"},
        "documents_until": format_utc(now + 2 * DAYS),
        "submission_deadline": format_utc(now + DEADLINE),
        "upload_grace_seconds": int(GRACE.total_seconds()),
        "price_opening_at": None,
        "bid_valid_until": format_utc(now + DEADLINE + 90 * DAYS),
        "minimum_bidders": 1,
        "padding_floor_bytes": {"A": 1024, "B": 1024, "C": 1024},
        "max_envelope_bytes": 1 << 20,
        "publications": [
            {"medium": "official_gazette", "date": now.date().isoformat()},
            {"medium": "newspaper:همشهری", "date": now.date().isoformat()},
            {"medium": "newspaper:همشهری", "date": (now.date() + DAYS).isoformat()},
        ],
        "place": "تهران، سالن کمیسیون معاملات",
        "commission": cast.commission,
        "quorum": 3,
        "opening_threshold": 3,
        **changes,
    }


def drafted(cast: Cast, **changes: Any) -> str:
    return cast.buyer().draft(fields(cast, **changes))


def in_approval(cast: Cast, **changes: Any) -> str:
    tender = drafted(cast, **changes)
    cast.buyer().submit_for_approval(tender)
    return tender


def approved(cast: Cast, **changes: Any) -> str:
    tender = in_approval(cast, **changes)
    cast.approver().approve(tender)
    return tender


def keyed(cast: Cast, **changes: Any) -> str:
    """Approved, with a key set that everybody countersigned."""
    tender = approved(cast, **changes)
    holders = cast.key_holders()
    cast.buyer().compose_key_set(tender)
    for member in holders:
        missing = member.countersign_key_set(tender)
    assert missing == []
    return tender


def published(cast: Cast, **changes: Any) -> str:
    tender = keyed(cast, **changes)
    cast.buyer().publish(tender)
    return tender


def prepared(cast: Cast, tender: str, name: str) -> SealedBid:
    """A good bid, sealed and kept in its bidder's folder, not sent."""
    return cast.bidder(name).prepare_bid(tender, LOT, contents(cast))


def contents(cast: Cast) -> dict[str, dict[str, Any]]:
    """What stands in a good bid, by kind."""
    return {
        "A": {
            "guarantee": {
                "kind": "bank_guarantee",
                "issuer": "بانک شهر",
                "number": "G-1",
                "amount": {"amount": "1300000000", "currency": "IRR"},
                "valid_until": format_utc(cast.clock.now() + 200 * DAYS),
            }
        },
        "B": {"statements": ["صلاحیت طبق اسناد پیوست است"], "files": []},
        "C": {
            "price": {"amount": PRICE, "currency": "IRR"},
            "lines": [
                {
                    "id": "1",
                    "description": "روکش آسفالت",
                    "quantity": "1",
                    "unit": "مترمربع",
                    "unit_price": PRICE,
                    "amount": PRICE,
                }
            ],
            "currency": "IRR",
        },
    }


def submitted(cast: Cast, tender: str, name: str) -> Submitted:
    return cast.bidder(name).submit(prepared(cast, tender, name))


def await_closing(cast: Cast, tender: str) -> None:
    """Until the closing list is in the log under a cosigned checkpoint."""
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        answer = cast.auditor().api.get(f"/tenders/{tender}")
        if answer["state"] == "submission_closed":
            assert cast.auditor().published(f"/tenders/{tender}/closing-list")
            return
        time.sleep(0.1)
    raise AssertionError("no closing list came into the log after the deadline")


def in_session(cast: Cast, tender: str, stage: str) -> None:
    """The three sit, the head has opened the session; no batch is handed in."""
    for member in cast.sitting():
        member.attend(tender, stage)
    cast.sitting()[0].open_session(tender, stage)


def recorded(cast: Cast, tender: str, stage: str) -> None:
    """Opened and recorded, signed by the three, nothing decided."""
    in_session(cast, tender, stage)
    for member in cast.sitting():
        member.hand_in_batch(tender, stage)
    cast.sitting()[0].release(tender, stage)
    for member in cast.sitting():
        member.sign_record(tender, stage)


def decided(cast: Cast, tender: str, stage: str) -> bytes:
    """A decision that accepts everybody, in force."""
    recorded(cast, tender, stage)
    document = cast.sitting()[0].propose_decision(tender, stage)
    for member in cast.sitting()[:2]:
        in_force = member.sign_decision(tender, stage, document)
    assert in_force
    return document


def priced(cast: Cast, tender: str) -> None:
    """Every stage opened, A and B decided; the award is next."""
    for stage in "AB":
        decided(cast, tender, stage)
    recorded(cast, tender, "C")


def awarded(cast: Cast, tender: str) -> bytes:
    priced(cast, tender)
    document = cast.sitting()[0].award_draft(tender)
    in_force = [member.sign_award(tender, document) for member in cast.sitting()[:2]]
    assert in_force[-1]
    return document
