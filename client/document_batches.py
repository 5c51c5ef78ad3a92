"""Many documents registered: identifiers reserved, files delivered, papers signed for a batch at a time.

One document that is refused keeps none of the others back: it is named with its reason, and the rest of its batch goes
in without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from authenticity.papers import Entry
from client.document_journal import Journal
from client.documents import Secretary
from client.errors import ApiRefusal

# A proof holds the whole paper, so papers stay short.
BATCH = 50
# What the server refuses for one document of many, naming it by its digest or identifier.
_OF_ONE = frozenset(
    {
        "document-rule-broken",
        "document-registered",
        "document-kind-unknown",
        "identifier-unreserved",
        "limit-exceeded",
        "malformed-input",
        "document-file-missing",
        "document-encrypted",
        "document-too-complex",
    }
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be registered for a unit; an ``entry`` without an identifier (empty) gets one."""

    file: Path
    unit: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Outcome:
    """``registration`` as the server answers it, or the ``refusal`` with its fields; one of both is None."""

    file: Path
    digest: str
    registration: dict[str, Any] | None
    refusal: dict[str, Any] | None


def register_many(
    wanted: Sequence[Wanted], secretary: Secretary, journal: Journal, *, batch: int = BATCH
) -> Iterator[Outcome]:
    """An outcome for each, as they come; what the journal calls done is passed over without one.

    Raises ApiRefusal for what concerns all of them (role, unit), and Unavailable: then call it again.
    """
    waiting = [each for each in wanted if not journal.is_done(each.entry.digest)]
    for group in _batches(waiting, batch):
        yield from _register(_with_identifiers(group, secretary, journal), secretary, journal)


def _batches(wanted: Sequence[Wanted], most: int) -> Iterator[list[Wanted]]:
    """Of one unit each; a withheld document alone, since a proof of one document shows all that its paper names."""
    ordered = sorted(wanted, key=lambda each: (each.unit, each.entry.disclosure))
    for (_, disclosure), found in groupby(ordered, key=lambda each: (each.unit, each.entry.disclosure)):
        listed = list(found)
        step = 1 if disclosure == "withheld" else most
        yield from (listed[start : start + step] for start in range(0, len(listed), step))


def _with_identifiers(group: list[Wanted], secretary: Secretary, journal: Journal) -> list[Wanted]:
    lacking = [
        each for each in group if not each.entry.identifier and not journal.identifier(each.entry.digest)
    ]
    if lacking:
        fresh = secretary.reserve(len(lacking))
        journal.reserved(zip((each.entry.digest for each in lacking), fresh, strict=True))
    return [
        _named(each, each.entry.identifier or journal.identifier(each.entry.digest) or "") for each in group
    ]


def _named(wanted: Wanted, identifier: str) -> Wanted:
    return replace(wanted, entry=replace(wanted.entry, identifier=identifier))


def _register(group: list[Wanted], secretary: Secretary, journal: Journal) -> Iterator[Outcome]:
    delivered = []
    for each in group:
        try:
            secretary.deliver(each.file, each.entry.digest, each.entry.size)
            delivered.append(each)
        except ApiRefusal as refusal:
            _require_of_one(refusal)
            yield _refused(each, refusal)
    while delivered:
        try:
            found = secretary.register(delivered[0].unit, [each.entry for each in delivered])
        except ApiRefusal as refusal:
            _require_of_one(refusal)
            out = _meant(delivered, refusal)
            for each in out:
                yield _refused(each, refusal)
            delivered = [each for each in delivered if each not in out]
            continue
        for each, registration in zip(delivered, found, strict=True):
            yield Outcome(each.file, each.entry.digest, registration, None)
        # Only when whoever asks has dealt with all of them: what was registered is answered as such again.
        journal.done(each.entry.digest for each in delivered)
        return


def _require_of_one(refusal: ApiRefusal) -> None:
    if refusal.code not in _OF_ONE:
        raise refusal


def _meant(group: list[Wanted], refusal: ApiRefusal) -> list[Wanted]:
    """Those that a refusal names, by digest or identifier; the whole batch where it names none."""
    problem = refusal.problem
    named = {problem.get("digest"), problem.get("identifier")}
    for listed in (problem.get("digests"), problem.get("identifiers")):
        named |= set(listed) if isinstance(listed, list) else set()
    return [each for each in group if each.entry.digest in named or each.entry.identifier in named] or group


def _refused(wanted: Wanted, refusal: ApiRefusal) -> Outcome:
    told = {name: value for name, value in refusal.problem.items() if name not in ("type", "title", "status")}
    return Outcome(
        wanted.file, wanted.entry.digest, None, {**told, "code": refusal.code, "detail": refusal.detail}
    )
