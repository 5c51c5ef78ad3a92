"""Registering parties and changing roles: what is stored, what is announced, who may."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from events.outbox import OutboxRow
from identity.errors import OwnRoles, PartyKnown, RoleMissing
from identity.ports import Office
from identity.use_cases.register_party import (
    RegisterParty,
    grant_role,
    register_first_registrar,
    register_party,
    show_party,
    withdraw_role,
)
from kernel.canonical import parse_canonical
from kernel.database import read_only
from kernel.errors import Conflict, NotFound
from tests.unit.identity.conftest import BIDDER, REGISTRAR

COMMAND = RegisterParty("IR-2", "Two", "person", frozenset({"bidder", "auditor"}))


def events(sessions: sessionmaker[Session]) -> list[dict[str, Any]]:
    with read_only(sessions) as session:
        rows = session.scalars(select(OutboxRow.payload).order_by(OutboxRow.seq))
        return [parse_canonical(payload) for payload in rows]


def test_a_registered_party_is_found_again(office: Office) -> None:
    """What was entered is what is shown, with who entered it and when."""
    registered = register_party(COMMAND, actor=REGISTRAR, office=office)

    assert show_party("IR-2", actor=REGISTRAR, office=office) == registered
    assert (registered.roles, registered.registered_by) == (COMMAND.roles, "IR-1")


def test_registration_is_announced_without_the_name_of_a_person(
    office: Office, sessions: sessionmaker[Session]
) -> None:
    """The public event carries identifier, kind and roles of a person, and nothing else."""
    register_party(COMMAND, actor=REGISTRAR, office=office)

    (event,) = events(sessions)
    assert event["type"] == "ir.tehran.identity.party-registered.v1"
    assert (event["subject"], event["sequence"]) == ("IR-2", 1)
    assert event["data"] == {
        "party": "IR-2",
        "kind": "person",
        "name": None,
        "roles": ["auditor", "bidder"],
    }


def test_role_changes_are_announced_in_order(office: Office, sessions: sessionmaker[Session]) -> None:
    """The events of a party number its changes without a gap."""
    register_party(COMMAND, actor=REGISTRAR, office=office)
    grant_role("IR-2", "member", actor=REGISTRAR, office=office)
    withdraw_role("IR-2", "auditor", actor=REGISTRAR, office=office)

    assert show_party("IR-2", actor=REGISTRAR, office=office).roles == {"bidder", "member"}
    told = [
        (event["sequence"], event["type"].split(".")[3], event["data"]["party"]) for event in events(sessions)
    ]
    assert told == [
        (1, "party-registered", "IR-2"),
        (2, "role-granted", "IR-2"),
        (3, "role-withdrawn", "IR-2"),
    ]


def test_only_registrars_change_anything(office: Office, sessions: sessionmaker[Session]) -> None:
    """Another role is refused before anything is read or written."""
    register_party(COMMAND, actor=REGISTRAR, office=office)

    with pytest.raises(RoleMissing):
        register_party(RegisterParty("IR-3", "Three", "person", frozenset()), actor=BIDDER, office=office)
    with pytest.raises(RoleMissing):
        grant_role("IR-2", "buyer", actor=BIDDER, office=office)
    with pytest.raises(RoleMissing):
        withdraw_role("IR-2", "auditor", actor=BIDDER, office=office)

    assert len(events(sessions)) == 1


def test_a_refused_change_leaves_no_trace(office: Office, sessions: sessionmaker[Session]) -> None:
    """A second registration and an own role are refused, with neither row nor event."""
    register_party(COMMAND, actor=REGISTRAR, office=office)

    with pytest.raises(PartyKnown):
        register_party(COMMAND, actor=REGISTRAR, office=office)
    with pytest.raises(OwnRoles):
        register_party(
            RegisterParty("IR-1", "One", "person", frozenset({"buyer"})), actor=REGISTRAR, office=office
        )
    with pytest.raises(Conflict):
        grant_role("IR-2", "bidder", actor=REGISTRAR, office=office)
    with pytest.raises(NotFound):
        grant_role("IR-9", "bidder", actor=REGISTRAR, office=office)

    assert len(events(sessions)) == 1


def test_a_bidder_sees_nobody_but_himself(office: Office) -> None:
    """Who else is registered is not a bidder's business."""
    register_party(COMMAND, actor=REGISTRAR, office=office)
    register_first_registrar("IR-1", "One", office=office)

    assert show_party("IR-2", actor=BIDDER, office=office).name == "Two"
    with pytest.raises(RoleMissing):
        show_party("IR-1", actor=BIDDER, office=office)
