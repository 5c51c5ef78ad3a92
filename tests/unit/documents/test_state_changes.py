"""Out of force: once, for good, by the unit itself, and never in a circle, also when two do it at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from authenticity.errors import DocumentUnknown, StateImpossible, UnitForbidden
from authenticity.identifier import new_identifier
from documents.register.lookup import by_identifier
from kernel.database import read_only
from kernel.errors import DomainError, Forbidden, MalformedInput
from schemas.events import DOCUMENT_STATE_CHANGED
from tests.support.register_office import Officer, RegisterOffice, at_once

ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def registered(officer: Officer, *contents: bytes) -> list[str]:
    """The identifiers of fresh notes."""
    return [each.record.identifier for each in officer.register(*map(officer.note, contents))]


def test_a_document_is_superseded_once(place: RegisterOffice, officer: Officer) -> None:
    """State, reason and successor are kept, the log's entry opens with them and names no identifier; the same paper
    again is answered, another one refused."""
    old, new = registered(officer, b"old", b"new")
    paper = officer.change_paper("supersede", old, new)

    changed = officer.change(paper)

    assert officer.change(paper) == changed
    (change,) = changed.changes
    assert (changed.state, change.act, change.successor) == ("superseded", "supersede", new)
    (event,) = place.facts(DOCUMENT_STATE_CHANGED.name)
    assert event["subject"] == changed.record.document
    assert event["data"] == {
        "document": changed.record.document,
        "state": "superseded",
        "commitment": change.commitment(changed.record.document),
        "paper": change.paper,
    }
    with read_only(place.office.sessions) as session:
        assert by_identifier(session, old) == changed
    with pytest.raises(StateImpossible) as refused:
        officer.change(officer.change_paper("revoke", old))
    assert refused.value.fields == {"state": "superseded", "which": "document"}
    with pytest.raises(StateImpossible) as refused:
        officer.change(officer.change_paper("correct", new, old))
    assert refused.value.fields == {"state": "superseded", "which": "successor"}


def test_of_two_that_would_supersede_each_other_one_stands(place: RegisterOffice, officer: Officer) -> None:
    """At one moment A by B and B by A, then C revoked and D superseded by C, then one paper twice."""
    a, b, c, d, e = registered(officer, b"a", b"b", b"c", b"d", b"e")
    papers = [
        (officer.change_paper("supersede", a, b), officer.change_paper("supersede", b, a)),
        (officer.change_paper("revoke", c), officer.change_paper("correct", d, c)),
    ]
    for one, two in papers:
        results = at_once(lambda one=one: officer.change(one), lambda two=two: officer.change(two))  # type: ignore[misc]
        # Whether C is still in force when D is corrected by it is told by who came first.
        assert len([each for each in results if isinstance(each, str)]) <= 1
    repeated = officer.change_paper("revoke", e)
    first, second = at_once(lambda: officer.change(repeated), lambda: officer.change(repeated))

    assert first == second
    with read_only(place.office.sessions) as session:
        states = {each: _state(by_identifier(session, each)) for each in (a, b, c, e)}
    assert sorted((states[a], states[b])) == ["superseded", "valid"]
    assert (states[c], states[e]) == ("revoked", "revoked")


@ON_SQLITE
def test_only_its_own_unit_changes_a_document(
    place: RegisterOffice, officer: Officer, colleague: Officer, neighbour: Officer
) -> None:
    """A colleague may; another unit, another role, an unknown document or a successor of another unit are refused."""
    (one,), (two,) = registered(officer, b"one"), registered(neighbour, b"two")
    refusals: list[tuple[Officer, tuple[Any, ...], type[DomainError]]] = [
        (neighbour, ("revoke", one), UnitForbidden),
        (replace(officer, roles=frozenset({"bidder"})), ("revoke", one), Forbidden),
        (officer, ("revoke", new_identifier()), DocumentUnknown),
        (officer, ("supersede", one, new_identifier()), DocumentUnknown),
        (officer, ("supersede", one, two), MalformedInput),
        (officer, ("supersede", one, one), MalformedInput),
        (officer, ("revoke", one, two), MalformedInput),
    ]
    for who, wanted, expected in refusals:
        with pytest.raises(expected):
            who.change(who.change_paper(*wanted))
    assert place.facts(DOCUMENT_STATE_CHANGED.name) == []
    assert colleague.change(colleague.change_paper("revoke", one)).state == "revoked"


def _state(found: Any) -> str:
    return str(found.state)
