"""The pieces of which releases are made: parties, documents, milestones, amounts, digests, log entries.

Texts of the service are Persian, the language of the release, with the English in brackets. They are not in fields
of their own (``title_en``): the standard's schema of the versioned release takes a text there, its merging a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Self

from kernel.canonical import canonical_bytes
from transparency.tree import leaf_hash

Event = Mapping[str, Any]
Part = dict[str, Any]
# Persian and English, in this order.
Text = tuple[str, str]

ENVELOPES: Mapping[str, Text] = MappingProxyType(
    {"A": ("پاکت الف", "envelope A"), "B": ("پاکت ب", "envelope B"), "C": ("پاکت ج", "envelope C")}
)
ENVELOPE_CONTENTS: Mapping[str, Text] = MappingProxyType(
    {
        "A": ("پاکت الف: تضمین شرکت در فرایند", "Envelope A: bid guarantee"),
        "B": ("پاکت ب: پیشنهاد فنی", "Envelope B: technical bid"),
        "C": ("پاکت ج: پیشنهاد قیمت", "Envelope C: price"),
    }
)


@dataclass(frozen=True, slots=True)
class TenderState:
    """What has been published of a tender: its notice, and the names of the parties by their identifier."""

    notice: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"notice": dict(self.notice), "names": dict(self.names)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(value["notice"], value["names"])

    @property
    def tender(self) -> str:
        return str(self.notice["tender"])

    def name(self, party: str) -> str:
        """The name of a party, or its identifier where the closing list was too long to name everybody."""
        return self.names.get(party, party)


@dataclass(frozen=True, slots=True)
class Step:
    """One event about to be released: ``base_uri`` is where the publisher's addresses begin."""

    event: Event
    state: TenderState
    base_uri: str

    @property
    def data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.event["data"]
        return data

    @property
    def time(self) -> str:
        return str(self.event["time"])

    @property
    def release_id(self) -> str:
        return f"{self.state.notice['ocid']}-{self.event['sequence']:04d}"

    def log_entry(self) -> Part:
        """Where the event stands in the log: its entry is the event in canonical bytes."""
        leaf = leaf_hash(canonical_bytes(dict(self.event))).hex()
        return {
            "id": self.event["id"],
            "type": self.event["type"],
            "sequence": self.event["sequence"],
            "date": self.time,
            "leafHash": leaf,
            "proof": f"{self.base_uri}/log/proof?leaf_hash={leaf}",
        }

    def document(self, id_: str, type_: str, title: Text, sha256: str, *, public: bool = True) -> Part:
        """A signed document by its digest; one that is not ``public`` has no address."""
        described = {
            "id": id_,
            "documentType": type_,
            "title": both(title),
            "format": "application/json",
            "datePublished": self.time,
            "language": "fa",
            "digest": digest(sha256),
        }
        if public:
            described["url"] = f"{self.base_uri}/tenders/{self.state.tender}/documents/{sha256}"
        return described

    def tender(self, **fields: Any) -> Part:
        """The part of a release that concerns the tender."""
        return {"tender": {"id": self.state.tender, **fields}}

    def met(self, id_: str, title: Text, description: Text) -> Part:
        """A milestone that this event has met."""
        return {
            **self.milestone(id_, title, description),
            "status": "met",
            "dateMet": self.time,
        }

    def milestone(self, id_: str, title: Text, description: Text) -> Part:
        return {
            "id": id_,
            "type": "assessment",
            "title": both(title),
            "description": both(description),
            "dateModified": self.time,
        }


def both(text: Text) -> str:
    return f"{text[0]} ({text[1]})"


def reference(party: str, name: str) -> Part:
    return {"id": party, "name": name}


def party_of(party: str, name: str, *roles: str) -> Part:
    return {"id": party, "name": name, "roles": list(roles)}


def buyer_of(state: TenderState) -> Part:
    """The buyer as a party; every release names it, and every reference in a release needs its party."""
    buyer = state.notice["buyer"]
    return party_of(buyer["id"], buyer["name"], "buyer", "procuringEntity")


def value_of(money: Mapping[str, str]) -> Part:
    return {"amount": Decimal(money["amount"]), "currency": money["currency"]}


def digest(sha256: str) -> Part:
    return {"algorithm": "sha256", "value": sha256}


def envelopes(kinds: Iterable[str], status: str, date: str) -> list[Part]:
    return [{"id": kind, "status": status, "date": date} for kind in kinds]


def statistic(measure: str, value: int, date: str) -> Part:
    return {"id": measure, "measure": measure, "value": value, "date": date}
