"""The notice (آگهی): what is called for, by which terms; ``mohr/notice/v1`` and the draft it grows from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Self

from kernel.canonical import canonical_bytes, digest_of
from kernel.clock import format_utc
from kernel.errors import LimitExceeded, MalformedInput
from kernel.money import Money
from procurement.rules.fields import Fields, plain_digits, plain_letters

NOTICE_TYPE = "mohr/notice/v1"
KINDS = ("A", "B", "C")
NATURES = ("expenditure", "revenue", "partnership")
METHODS = ("open_tender", "limited_tender", "international_tender", "auction", "partnership_call")
SEATS = ("head", "finance", "technical", "alternate", "observer")
MEDIA = ("official_gazette", "newspaper", "notice_hall", "foreign_newspaper")

# The notice travels inside its public event, whose log entry is below 65,535 bytes.
MAX_NOTICE_BYTES = 48_000
_MAX_ENVELOPE_BYTES = 1 << 30

_ASSIGNED = ("tender", "ocid", "demo")
_SEALED = ("type", "key_set_digest", "published_at")
DRAFT_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "description": "",
        "estimate": None,
        "upload_grace_seconds": 600,
        "price_opening_at": None,
        "minimum_bidders": 1,
        "padding_floor_bytes": {"A": 16_384, "B": 65_536, "C": 16_384},
        "max_envelope_bytes": 64 << 20,
        "publications": [],
        "quorum": 3,
    }
)


@dataclass(frozen=True, slots=True)
class Buyer:
    """دستگاه مناقصه‌گزار: who calls."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Lot:
    """A part of the call that is bid for and awarded by itself."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class CommissionSeat:
    """Who sits in the commission and as what: head (who chairs), finance, technical, alternate, observer."""

    party: str
    name: str
    seat: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One announcement: ``medium`` is a word of MEDIA, optionally followed by a colon and a name."""

    medium: str
    date: date

    @property
    def kind(self) -> str:
        return self.medium.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDraft:
    """The terms of a call before they are published. Amounts are exact, instants aware and in UTC."""

    tender: str
    ocid: str
    demo: bool
    buyer: Buyer
    title: str
    description: str
    nature: str
    method: str
    stages: int
    regime: str
    lots: tuple[Lot, ...]
    estimate: Money | None
    currency: str
    guarantee: Money
    documents_until: datetime
    submission_deadline: datetime
    upload_grace_seconds: int
    price_opening_at: datetime | None
    bid_valid_until: datetime
    minimum_bidders: int
    padding_floor_bytes: Mapping[str, int]
    max_envelope_bytes: int
    publications: tuple[Publication, ...]
    place: str
    commission: tuple[CommissionSeat, ...]
    quorum: int
    opening_threshold: int

    @property
    def lot_ids(self) -> tuple[str, ...]:
        return tuple(lot.id for lot in self.lots)

    @property
    def international(self) -> bool:
        return self.method == "international_tender"

    def publish(self, *, key_set_digest: str, published_at: datetime) -> Notice:
        """The notice that the buyer's officer signs; it says nothing that the draft did not."""
        return Notice(**_members(self, NoticeDraft), key_set_digest=key_set_digest, published_at=published_at)

    def to_json(self) -> dict[str, Any]:
        return {key: _plain(value) for key, value in _members(self, NoticeDraft).items()}

    @classmethod
    def from_json(cls, value: Any) -> NoticeDraft:
        """Read what ``to_json`` of a draft wrote; raises MalformedInput or LimitExceeded."""
        return NoticeDraft(**_read(Fields(value, "draft", _names(NoticeDraft))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(NoticeDraft):
    """The published call: the draft, the keys to seal for, and the instant from which it is public."""

    key_set_digest: str
    published_at: datetime

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read ``mohr/notice/v1`` strictly; raises MalformedInput or LimitExceeded and changes nothing."""
        given = Fields(value, "notice", (*_names(cls), "type"))
        given.choice("type", (NOTICE_TYPE,))
        notice = cls(
            **_read(given),
            key_set_digest=given.digest("key_set_digest"),
            published_at=given.instant("published_at"),
        )
        if len(canonical_bytes(notice.to_json())) > MAX_NOTICE_BYTES:
            raise LimitExceeded("the notice is too long", limit_bytes=MAX_NOTICE_BYTES)
        return notice

    def to_json(self) -> dict[str, Any]:
        values = {key: _plain(value) for key, value in _members(self, type(self)).items()}
        return {"type": NOTICE_TYPE, **values}

    @property
    def draft(self) -> NoticeDraft:
        """The terms alone, as they were approved."""
        return NoticeDraft(**_members(self, NoticeDraft))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical bytes: the name of the notice everywhere else."""
        return digest_of(self.to_json())


def draft_from(value: Any, *, tender: str, ocid: str, demo: bool) -> NoticeDraft:
    """Read what a buyer enters: the notice without what the server assigns and what publication adds.

    Fields of DRAFT_DEFAULTS may be left out. Persian letters and digits are normalised here, once;
    a published notice is never touched. Raises MalformedInput or LimitExceeded.
    """
    if not isinstance(value, dict):
        raise MalformedInput("draft is an object", field="draft")
    refused = sorted(set(value) & {*_ASSIGNED, *_SEALED})
    if refused:
        raise MalformedInput("the server assigns these fields", field="draft", unknown=refused)
    entered = {key: _normalised(key, item) for key, item in {**DRAFT_DEFAULTS, **value}.items()}
    return NoticeDraft.from_json({**entered, "tender": tender, "ocid": ocid, "demo": demo})


def _normalised(key: str, value: Any) -> Any:
    if isinstance(value, str):
        if key in ("title", "description", "name", "place", "medium"):
            return plain_letters(value)
        return plain_digits(value)
    if isinstance(value, dict):
        return {name: _normalised(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_normalised(key, item) for item in value]
    return value


def _read(given: Fields) -> dict[str, Any]:
    lots = tuple(_lot(item) for item in given.items("lots", least=1, most=50))
    commission = tuple(_seat(item) for item in given.items("commission", least=1, most=20))
    _refuse_repeats("lots", [lot.id for lot in lots])
    floors = Fields(given.raw("padding_floor_bytes"), "padding_floor_bytes", KINDS)
    currency = given.text("currency", 3, shortest=3)
    return {
        "tender": given.name("tender"),
        "ocid": given.text("ocid", 100),
        "demo": given.flag("demo"),
        "buyer": _buyer(given.raw("buyer")),
        "title": given.text("title", 300),
        "description": given.text("description", 4000, shortest=0, lines=True),
        "nature": given.choice("nature", NATURES),
        "method": given.choice("method", METHODS),
        "stages": given.number("stages", 1, 2),
        "regime": given.name("regime"),
        "lots": lots,
        "estimate": None if given.absent("estimate") else _amount(given, "estimate", currency),
        "currency": currency,
        "guarantee": _amount(given, "guarantee", currency),
        "documents_until": given.instant("documents_until"),
        "submission_deadline": given.instant("submission_deadline"),
        "upload_grace_seconds": given.number("upload_grace_seconds", 0, 86_400),
        "price_opening_at": None if given.absent("price_opening_at") else given.instant("price_opening_at"),
        "bid_valid_until": given.instant("bid_valid_until"),
        "minimum_bidders": given.number("minimum_bidders", 1, 100),
        "padding_floor_bytes": MappingProxyType(
            {kind: floors.number(kind, 0, _MAX_ENVELOPE_BYTES) for kind in KINDS}
        ),
        "max_envelope_bytes": given.number("max_envelope_bytes", 1024, _MAX_ENVELOPE_BYTES),
        "publications": tuple(_publication(item) for item in given.items("publications", most=10)),
        "place": given.text("place", 300),
        "commission": commission,
        "quorum": given.number("quorum", 1, 20),
        "opening_threshold": given.number("opening_threshold", 1, 20),
    }


def _buyer(value: Any) -> Buyer:
    given = Fields(value, "buyer", ("id", "name"))
    return Buyer(given.name("id"), given.text("name", 200))


def _lot(value: Any) -> Lot:
    given = Fields(value, "lot", ("id", "title"))
    return Lot(given.name("id"), given.text("title", 300))


def _seat(value: Any) -> CommissionSeat:
    given = Fields(value, "commission", ("party", "name", "seat"))
    return CommissionSeat(given.name("party"), given.text("name", 200), given.choice("seat", SEATS))


def _publication(value: Any) -> Publication:
    given = Fields(value, "publication", ("medium", "date"))
    publication = Publication(given.text("medium", 100), given.day("date"))
    if publication.kind not in MEDIA:
        raise MalformedInput(
            f"publication.medium: one of {', '.join(MEDIA)} was expected, then a colon and a name if wanted",
            field="publication.medium",
        )
    return publication


def _amount(given: Fields, key: str, currency: str) -> Money:
    money = given.money(key)
    if money.currency != currency:
        raise MalformedInput(f"{key} is in another currency than the notice", field=f"notice.{key}")
    if money.amount <= 0:
        raise MalformedInput(f"{key} is above zero", field=f"notice.{key}")
    return money


def _refuse_repeats(field: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise MalformedInput(f"{field} repeats a name", field=f"notice.{field}")


def _names(kind: type[NoticeDraft]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _members(value: NoticeDraft, kind: type[NoticeDraft]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _names(kind)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Money):
        return value.to_json()
    if isinstance(value, Buyer | Lot | CommissionSeat | Publication):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value
