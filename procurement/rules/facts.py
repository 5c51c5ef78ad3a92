"""What a tender remembers of the documents that moved it: digests and the few facts that rules need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kernel.errors import MalformedInput
from kernel.money import Money
from procurement.rules.fields import Fields

OUTCOMES = ("opened", "unopenable", "disputed")
LOT_OUTCOMES = ("award", "unsuccessful")


@dataclass(frozen=True, slots=True)
class KeySet:
    digest: str
    members: tuple[str, ...]
    threshold: int
    custodian: str


@dataclass(frozen=True, slots=True)
class ListedBid:
    """An entry of the closing list that stands."""

    manifest_digest: str
    counter: int
    lot: str
    bidder: str
    submission_number: int
    received_at: str

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Self:
        """Read what rules need of an entry of ``mohr/closing-list/v1``; other fields are passed over."""
        given = _picked(entry, "listed", cls.__slots__)
        return cls(
            given.digest("manifest_digest"),
            given.number("counter", 1, 2**53 - 1),
            given.name("lot"),
            given.name("bidder"),
            given.number("submission_number", 1, 2**31),
            given.text("received_at", 40),
        )


@dataclass(frozen=True, slots=True)
class ClosingList:
    digest: str
    listed: tuple[ListedBid, ...]

    @property
    def bidders(self) -> tuple[str, ...]:
        return tuple(sorted({bid.bidder for bid in self.listed}))


@dataclass(frozen=True, slots=True)
class Attendance:
    stage: str
    party: str
    conflict: bool


@dataclass(frozen=True, slots=True)
class Session:
    digest: str
    chair: str
    present: tuple[str, ...]
    manifests: tuple[str, ...]
    opened_at: str


@dataclass(frozen=True, slots=True)
class OpeningResult:
    """What became of one envelope; only an ``opened`` one has a bid."""

    manifest_digest: str
    lot: str
    bidder: str
    outcome: str
    bid_digest: str | None

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Self:
        """Read what rules need of a result of ``mohr/opening-record/v1``; other fields are passed over."""
        given = _picked(entry, "result", cls.__slots__)
        outcome = given.choice("outcome", OUTCOMES)
        if given.absent("bid_digest") != (outcome != "opened"):
            raise MalformedInput("an opened envelope, and no other, has a bid", field="result.bid_digest")
        return cls(
            given.digest("manifest_digest"),
            given.name("lot"),
            given.name("bidder"),
            outcome,
            None if given.absent("bid_digest") else given.digest("bid_digest"),
        )


@dataclass(frozen=True, slots=True)
class Record:
    digest: str
    results: tuple[OpeningResult, ...]

    @property
    def opened(self) -> tuple[OpeningResult, ...]:
        return tuple(result for result in self.results if result.outcome == "opened")


@dataclass(frozen=True, slots=True)
class Verdict:
    manifest_digest: str
    accepted: bool
    reason: str

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Self:
        """Read a result of ``mohr/decision/v1``; a missing reason (null) is an empty one."""
        given = Fields({**entry, "reason": entry.get("reason") or ""}, "verdict", cls.__slots__)
        return cls(
            given.digest("manifest_digest"),
            given.flag("accepted"),
            given.text("reason", 2000, shortest=0, lines=True),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    digest: str
    verdicts: tuple[Verdict, ...]
    signers: tuple[str, ...]

    @property
    def accepted(self) -> tuple[str, ...]:
        return tuple(verdict.manifest_digest for verdict in self.verdicts if verdict.accepted)


@dataclass(frozen=True, slots=True)
class RankedBid:
    manifest_digest: str
    bidder: str
    amount: Money

    @classmethod
    def parse(cls, entry: Any) -> Self:
        given = Fields(entry, "ranking", cls.__slots__)
        return cls(given.digest("manifest_digest"), given.name("bidder"), given.money("amount"))

    def to_json(self) -> dict[str, Any]:
        return {
            "manifest_digest": self.manifest_digest,
            "bidder": self.bidder,
            "amount": self.amount.to_json(),
        }


@dataclass(frozen=True, slots=True)
class LotAward:
    """The outcome of one lot, with everybody whose price counted, best first."""

    lot: str
    outcome: str
    ranking: tuple[RankedBid, ...]
    winner: str | None
    second: str | None
    reason: str

    @classmethod
    def parse(cls, entry: Any) -> Self:
        given = Fields(entry, "lots", cls.__slots__)
        return cls(
            given.name("lot"),
            given.choice("outcome", LOT_OUTCOMES),
            tuple(RankedBid.parse(item) for item in given.items("ranking", most=100_000)),
            None if given.absent("winner") else given.name("winner"),
            None if given.absent("second") else given.name("second"),
            given.text("reason", 1_000_000, lines=True),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "lot": self.lot,
            "outcome": self.outcome,
            "ranking": [bid.to_json() for bid in self.ranking],
            "winner": self.winner,
            "second": self.second,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class AwardFact:
    digest: str
    lots: tuple[LotAward, ...]
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Return:
    """A signed ``mohr/return/v1``: which envelopes of a bid went back unopened."""

    manifest_digest: str
    kinds: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a tender ended without an award."""

    ground: str
    article: str | None
    reason: str


def _picked(entry: Mapping[str, Any], what: str, names: Any) -> Fields:
    return Fields({name: entry[name] for name in names if name in entry}, what, names)
