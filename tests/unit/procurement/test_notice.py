"""The notice is read strictly, written exactly, and digested by its canonical bytes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kernel.canonical import canonical_bytes, digest_of, parse_canonical
from kernel.clock import format_utc
from kernel.errors import LimitExceeded, MalformedInput
from procurement.rules.notice import (
    DRAFT_DEFAULTS,
    MAX_NOTICE_BYTES,
    CommissionSeat,
    Lot,
    Notice,
    NoticeDraft,
    draft_from,
)
from procurement.rules.notice_check import key_holders
from tests.unit.procurement import journey as j


def notice() -> Notice:
    return j.notice_of(j.keyed()).notice


def test_a_notice_is_read_as_it_was_written() -> None:
    """Parsing what was written gives the same notice, bytes and digest."""
    written = canonical_bytes(notice().to_json())
    read = Notice.parse(parse_canonical(written))

    assert read == notice()
    assert canonical_bytes(read.to_json()) == written
    assert read.digest == digest_of(read.to_json())


def test_the_wire_has_the_promised_fields() -> None:
    """A notice holds the fields of formats.md and no other."""
    assert set(notice().to_json()) == {
        *("type", "tender", "ocid", "buyer", "title", "description", "nature", "method", "stages", "regime"),
        *("lots", "estimate", "currency", "guarantee", "submission_deadline", "upload_grace_seconds"),
        *("documents_until", "published_at", "price_opening_at", "bid_valid_until", "minimum_bidders"),
        *("padding_floor_bytes", "max_envelope_bytes", "publications", "place", "commission", "quorum"),
        *("opening_threshold", "key_set_digest", "demo"),
    }


def test_publishing_adds_keys_and_time_only() -> None:
    """The terms inside a notice are the draft that was approved."""
    assert notice().draft == j.draft()
    assert notice().lots == (Lot("1", "همه"),)
    assert notice().commission[0] == CommissionSeat(j.HEAD, "عضو IR-1", "head")


def test_a_draft_survives_storage() -> None:
    """What a draft writes is read as the same draft."""
    assert NoticeDraft.from_json(parse_canonical(canonical_bytes(j.draft().to_json()))) == j.draft()


def test_a_draft_may_leave_out_what_has_a_default() -> None:
    """Fields with a default may be missing; they are then what DRAFT_DEFAULTS says."""
    entered = {key: value for key, value in j.draft_fields().items() if key not in DRAFT_DEFAULTS}
    read = draft_from(entered, tender=j.TENDER, ocid=j.OCID, demo=False)

    assert (read.quorum, read.description, read.estimate) == (3, "", None)
    assert dict(read.padding_floor_bytes) == DRAFT_DEFAULTS["padding_floor_bytes"]


@pytest.mark.parametrize("field", ["type", "tender", "ocid", "demo", "key_set_digest", "published_at"])
def test_a_buyer_does_not_enter_what_the_server_assigns(field: str) -> None:
    """Identity, demo mark, keys and time of publication are never the buyer's to say."""
    with pytest.raises(MalformedInput, match="assigns"):
        j.draft(j.draft_fields(**{field: "x"}))


def test_persian_is_normalised_once_on_entry() -> None:
    """Arabic yeh, kaf and digits become Persian letters and ASCII digits; ZWNJ stays."""
    entered = j.draft_fields(
        title=" شهرداري كوي می‌رود ", guarantee={"amount": "۵۰٬۰۰۰", "currency": "IRR"}, currency="IRR"
    )
    read = j.draft(entered)

    assert read.title == "شهرداری کوی می‌رود"
    assert read.guarantee.to_json() == j.irr(50_000)


def test_a_published_notice_is_never_touched() -> None:
    """Parsing keeps a title with Arabic letters as it was signed."""
    value = {**notice().to_json(), "title": "شهرداري"}

    assert Notice.parse(value).title == "شهرداري"


BAD: list[tuple[str, Any]] = [
    ("type", "mohr/notice/v2"),
    ("tender", "../x"),
    ("tender", 5),
    ("buyer", {"id": "IRO-1", "name": "x", "more": 1}),
    ("buyer", {"id": "IRO-1"}),
    ("buyer", "x"),
    ("title", ""),
    ("title", "a\u202eb"),
    ("title", "a\nb"),
    ("title", 7),
    ("description", "a\x00b"),
    ("nature", "gift"),
    ("method", "direct"),
    ("stages", True),
    ("stages", "1"),
    ("lots", "1"),
    ("lots", [{"id": "1", "title": "a"}, {"id": "1", "title": "b"}]),
    ("estimate", {"amount": "1.0e5", "currency": "IRR"}),
    ("estimate", {"amount": "0", "currency": "IRR"}),
    ("guarantee", {"amount": "5", "currency": "USD"}),
    ("guarantee", None),
    ("currency", "ir"),
    ("submission_deadline", "2026-01-16T08:00:00Z"),
    ("submission_deadline", "2026-01-16T11:30:00.000000+03:30"),
    ("submission_deadline", None),
    ("key_set_digest", "AB" * 32),
    ("publications", [{"medium": "radio", "date": "2026-01-01"}]),
    ("publications", [{"medium": "newspaper", "date": "2026-1-1"}]),
    ("publications", [{"medium": "newspaper", "date": "20260101"}]),
    ("commission", [{"party": "IR-1", "name": "x", "seat": "king"}]),
    ("demo", 1),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_malformed_fields_are_refused(field: str, value: Any) -> None:
    """A field of the wrong form is refused before anything else looks at it."""
    with pytest.raises((MalformedInput, LimitExceeded)):
        Notice.parse({**notice().to_json(), field: value})


LIMITS: list[tuple[str, Any]] = [
    ("title", "x" * 301),
    ("description", "x" * 4001),
    ("stages", 3),
    ("stages", 0),
    ("lots", []),
    ("lots", [{"id": str(number), "title": "x"} for number in range(51)]),
    ("upload_grace_seconds", 86_401),
    ("minimum_bidders", 0),
    ("padding_floor_bytes", {"A": -1, "B": 0, "C": 0}),
    ("max_envelope_bytes", 2**31),
    ("publications", [{"medium": "newspaper", "date": "2026-01-01"}] * 11),
    ("commission", [{"party": f"IR-{number}", "name": "x", "seat": "alternate"} for number in range(21)]),
]


@pytest.mark.parametrize(("field", "value"), LIMITS)
def test_limits_are_held(field: str, value: Any) -> None:
    """Lengths, counts and numbers beyond the limits are refused as such."""
    with pytest.raises(LimitExceeded):
        Notice.parse({**notice().to_json(), field: value})


def test_a_notice_fits_into_its_event() -> None:
    """However its parts are within their limits, the whole stays below the size of a log entry."""
    lots = [{"id": str(number), "title": "ب" * 300} for number in range(50)]
    media = [{"medium": "newspaper:" + "ب" * 90, "date": "2026-01-01"}] * 10
    value = {**notice().to_json(), "lots": lots, "publications": media, "description": "ب" * 4000}

    with pytest.raises(LimitExceeded):
        Notice.parse({**value, "place": "ب" * 300, "commission": seats(20)})
    assert len(canonical_bytes(Notice.parse({**value, "lots": lots[:40]}).to_json())) <= MAX_NOTICE_BYTES


def seats(count: int) -> list[dict[str, str]]:
    return [{"party": f"IR-{number}", "name": "ب" * 200, "seat": "alternate"} for number in range(count)]


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_exactly_the_promised_keys(change: str) -> None:
    """One key too few or too many is refused and named."""
    value = notice().to_json()
    if change == "missing":
        del value["place"]
    else:
        value["extra"] = 1

    with pytest.raises(MalformedInput) as refusal:
        Notice.parse(value)
    assert "place" in refusal.value.fields["missing"] or "extra" in refusal.value.fields["unknown"]


def test_observers_hold_no_key() -> None:
    """Every seat but the observer's holds a share, in the order of the notice."""
    assert key_holders(j.draft()) == (j.HEAD, j.FINANCE, j.TECHNICAL, j.ALTERNATE)


def test_instants_are_written_one_way() -> None:
    """An instant is in UTC with microseconds, so that equal notices have equal bytes."""
    moved = j.draft(j.draft_fields(bid_valid_until=format_utc(j.VALID_UNTIL + timedelta(microseconds=1))))

    assert moved.to_json()["bid_valid_until"].endswith(".000001Z")
