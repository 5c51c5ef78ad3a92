"""Parties and roles as rules."""

from __future__ import annotations

import pytest

from identity.errors import OwnRoles, RoleMissing
from identity.party import ROLES, Actor, Party, grant, new_party, withdraw
from kernel.errors import Conflict, MalformedInput

AT = "2026-11-24T08:00:00.000000Z"


def party(*roles: str) -> Party:
    return new_party("IR-2", "زهرا مرادی‌فر", "person", roles, at=AT, registered_by="IR-1")


def test_a_name_may_be_persian() -> None:
    """Persian names with a zero-width non-joiner are names like any other."""
    assert party().name == "زهرا مرادی‌فر"


@pytest.mark.parametrize(
    ("identifier", "name", "kind", "roles"),
    [
        ("", "Two", "person", ()),
        ("IR 2", "Two", "person", ()),
        ("IR-2/../3", "Two", "person", ()),
        ("A" * 65, "Two", "person", ()),
        ("IR-2", "", "person", ()),
        ("IR-2", " Two", "person", ()),
        ("IR-2", "Two\nThree", "person", ()),
        ("IR-2", "T" * 65, "person", ()),
        ("IR-2", "Two", "robot", ()),
        ("IR-2", "Two", "person", ("emperor",)),
    ],
)
def test_odd_parties_are_refused(identifier: str, name: str, kind: str, roles: tuple[str, ...]) -> None:
    """Identifier, name, kind and roles each have one form."""
    with pytest.raises(MalformedInput):
        new_party(identifier, name, kind, roles, at=AT, registered_by="IR-1")


def test_nobody_registers_himself() -> None:
    """The registrar who enters a party is another one than the party."""
    with pytest.raises(OwnRoles):
        new_party("IR-1", "One", "person", {"buyer"}, at=AT, registered_by="IR-1")


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_granted_role_can_be_withdrawn(role: str) -> None:
    """Granting and withdrawing undo each other and change nothing else."""
    granted = grant(party(), role, actor="IR-1")

    assert granted.roles == {role}
    assert withdraw(granted, role, actor="IR-1") == party()


def test_a_role_is_held_once_or_not() -> None:
    """Granting a held role or withdrawing one that is not held is a conflict, not silently nothing."""
    with pytest.raises(Conflict):
        grant(party("buyer"), "buyer", actor="IR-1")
    with pytest.raises(Conflict):
        withdraw(party("buyer"), "member", actor="IR-1")


@pytest.mark.parametrize("change", [grant, withdraw])
def test_nobody_changes_his_own_roles(change: object) -> None:
    """Also a registrar's roles are another registrar's business."""
    with pytest.raises(OwnRoles):
        change(party("buyer"), "buyer", actor="IR-2")  # type: ignore[operator]


def test_a_missing_role_is_named() -> None:
    """The refusal says which role the step belongs to."""
    actor = Actor("IR-2", frozenset({"bidder"}), "00")
    actor.require("bidder")

    with pytest.raises(RoleMissing) as refused:
        actor.require("buyer")

    assert refused.value.fields == {"role": "buyer"}
