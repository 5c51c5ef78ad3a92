"""Parties and roles over HTTP."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from app.container import Container
from kernel.canonical import parse_json
from kernel.database import read_only
from tests.unit.app.people import Visitor, enrol
from transparency.log_store import LogEntryRow


def logged(container: Container, type_: str) -> list[dict[str, object]]:
    with read_only(container.sessions) as session:
        rows = session.query(LogEntryRow.entry).order_by(LogEntryRow.id).all()
    events = [parse_json(row.entry) for row in rows]
    return [event["data"] for event in events if event["type"] == type_]


def test_registering_is_for_registrars(registrar: Visitor, client: TestClient, tmp_path: Path) -> None:
    """A party without the role is told which one is missing, and nothing is entered."""
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer")
    body = {"party": "IR-3", "name": "Three", "kind": "person", "roles": ["bidder"]}

    answer = client.post("/identity/parties", json=body, headers=buyer.sign_in())

    assert (answer.status_code, answer.json()["code"], answer.json()["role"]) == (
        403,
        "role-missing",
        "registrar",
    )
    unknown = client.get("/identity/parties/IR-3", headers=registrar.sign_in())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")


def test_a_party_is_registered_once(registrar: Visitor, client: TestClient, tmp_path: Path) -> None:
    """An identifier belongs to one party, whatever name is entered the second time."""
    enrol(registrar, tmp_path, "IR-2", "buyer")
    body = {"party": "IR-2", "name": "Somebody Else", "kind": "person", "roles": []}

    answer = client.post("/identity/parties", json=body, headers=registrar.sign_in())

    assert (answer.status_code, answer.json()["code"]) == (409, "party-known")


def test_nobody_changes_his_own_roles(registrar: Visitor, client: TestClient) -> None:
    """A registrar can't make himself a buyer."""
    answer = client.post(
        f"/identity/parties/{registrar.party}/roles",
        json={"role": "buyer"},
        headers=registrar.sign_in(),
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "own-roles")


def test_roles_are_granted_and_withdrawn_once(registrar: Visitor, client: TestClient, tmp_path: Path) -> None:
    """Granting what is held, or withdrawing what is not, is a conflict."""
    enrol(registrar, tmp_path, "IR-2", "buyer")
    session = registrar.sign_in()
    roles = "/identity/parties/IR-2/roles"

    assert client.post(roles, json={"role": "member"}, headers=session).json()["roles"] == [
        "buyer",
        "member",
    ]
    assert client.post(roles, json={"role": "member"}, headers=session).status_code == 409
    assert client.delete(f"{roles}/member", headers=session).json()["roles"] == ["buyer"]
    assert client.delete(f"{roles}/member", headers=session).status_code == 409


def test_the_log_names_organisations_but_not_people(
    registrar: Visitor, client: TestClient, container: Container, tmp_path: Path
) -> None:
    """Events of people carry their identifier alone; the name of an organisation is public anyway."""
    enrol(registrar, tmp_path, "IR-2", "buyer")
    enrol(registrar, tmp_path, "IRO-3", "bidder", kind="organisation")

    events = {
        str(data["party"]): data for data in logged(container, "ir.tehran.identity.party-registered.v1")
    }

    assert events["IR-2"]["name"] is None
    assert events["IRO-3"]["name"] == "Name of IRO-3"


def test_others_are_shown_to_officers_only(registrar: Visitor, client: TestClient, tmp_path: Path) -> None:
    """A bidder sees himself and nobody else; an auditor sees all."""
    bidder = enrol(registrar, tmp_path, "IR-2", "bidder").sign_in()
    auditor = enrol(registrar, tmp_path, "IR-3", "auditor").sign_in()

    assert client.get("/identity/parties/IR-2", headers=bidder).json()["name"] == "Name of IR-2"
    assert client.get("/identity/parties/IR-3", headers=bidder).status_code == 403
    assert client.get("/identity/parties/IR-2", headers=auditor).status_code == 200
