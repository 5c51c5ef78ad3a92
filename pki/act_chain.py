"""The chain of the authority's acts: what is hashed, and whether a row was altered, is missing, moved or put in.

Each act is an event of the authority. ``hash`` = SHA-256 of the canonical JSON of ``mohr/pki-act/v1`` with the act's
number, event, type, actor, subject, time, the digest of the event's bytes and the hash before it (64 zeros at first).
Pure: no database, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from kernel.canonical import digest_of, parse_canonical, sha256_hex

FIRST = "0" * 64
# Who acted, by the field of the event's data that says so; the first that is there counts.
ACTOR_FIELDS = ("actor", "approved_by", "entered_by", "issued_by", "revoked_by", "by")
_MAX_ACTOR = 64
# How far a moved row is looked for, so that a heap of altered rows costs no square of their number.
_FAR = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be: a stable ``code``, ``where`` it is, and what was found."""

    code: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Act:
    """One row of the chain. ``number`` from 1 without gaps; ``actor`` is empty where the event names none."""

    number: int
    event: str
    type: str
    actor: str
    subject: str
    time: str
    digest: str
    previous: str
    hash: str = ""

    def hashed(self) -> str:
        """The hash that belongs to the other fields."""
        content = fields_of(self)
        del content["hash"]
        content["event_type"] = content.pop("type")
        return digest_of({"type": "mohr/pki-act/v1", **content})


FIELDS = tuple(each.name for each in fields(Act))


def fields_of(act: Act) -> dict[str, Any]:
    """The fields by name, as columns and hash have them."""
    return {name: getattr(act, name) for name in FIELDS}


def act_of(event: bytes, number: int, previous: str) -> Act:
    """The act that records an event's bytes behind ``previous``."""
    content = parse_canonical(event)
    act = Act(
        number=number,
        event=content["id"],
        type=content["type"],
        actor=actor_of(content["data"]),
        subject=content["subject"],
        time=content["time"],
        digest=sha256_hex(event),
        previous=previous,
    )
    return replace(act, hash=act.hashed())


def check_chain(acts: Sequence[Act]) -> Iterator[Finding]:
    """Every row that was altered, is missing, moved or was put in; ``acts`` in the order of their numbers."""
    by_hash = {act.hash: act for act in acts}
    before = Act(0, "", "", "", "", "", "", "", FIRST)
    for act in acts:
        if act.number != before.number + 1:
            yield Finding(
                "act-missing", _missing(before.number + 1, act.number - 1), "no row has this number"
            )
        if act.hashed() != act.hash:
            yield _altered(act, by_hash)
        elif act.previous != before.hash and act.number == before.number + 1:
            yield _unlinked(act)
        before = act


def _altered(act: Act, by_hash: Mapping[str, Act]) -> Finding:
    """A row whose hash fits another number was moved; otherwise something of it was changed."""
    for number in _places(act, by_hash):
        if replace(act, number=number).hashed() == act.hash:
            return Finding("act-moved", f"act {act.number}", f"its hash is that of act {number}")
    return Finding("act-altered", f"act {act.number}", "its content does not belong to its hash")


def _places(act: Act, by_hash: Mapping[str, Act]) -> Iterator[int]:
    """Numbers that the row may have had: after the row that it goes on from, and around where it is."""
    before = by_hash.get(act.previous)
    yield 1 if before is None else before.number + 1
    yield from range(max(1, act.number - _FAR), act.number + _FAR + 1)


def _unlinked(act: Act) -> Finding:
    detail = "it does not go on from the row before it: one of the two was exchanged or put in"
    return Finding("act-unlinked", f"act {act.number}", detail)


def _missing(first: int, last: int) -> str:
    return f"act {first}" if first == last else f"acts {first} to {last}"


def actor_of(data: Mapping[str, Any]) -> str:
    """Who acted, as the event's data says; empty if it does not."""
    for name in ACTOR_FIELDS:
        value = data.get(name)
        if isinstance(value, str) and 0 < len(value) <= _MAX_ACTOR:
            return value
    return ""
