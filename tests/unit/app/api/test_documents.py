"""The secretary's routes: reserve, deliver, register, change, list; each refusal over HTTP with its own code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from app.container import Container
from authenticity.papers import Entry
from documents.register.lookup import by_digest, by_identifier
from kernel.canonical import parse_canonical, sha256_hex, to_base64
from kernel.database import read_only
from pki.papers import Paper
from tests.support.registered import change_paper, entry_of, registration_paper, report_file
from tests.unit.app.people import Visitor, enrol

UNIT = "IRO-77"
ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Secretary:
    """An officer with a session."""

    visitor: Visitor
    session: dict[str, str]

    @property
    def at(self) -> Any:
        return self.visitor.container.clock.now()

    def reserve(self, count: int = 1) -> list[str]:
        answer = self.post("identifiers", {"count": count})
        assert answer.status_code == 201, answer.text
        found: list[str] = answer.json()["identifiers"]
        return found

    def report(self) -> bytes:
        return report_file(self.visitor.signer, self.at)

    def deliver(self, content: bytes, digest: str | None = None) -> Response:
        answer: Response = self.visitor.client.put(
            f"/documents/files/{digest or sha256_hex(content)}", content=content, headers=self.session
        )
        return answer

    def register(self, *entries: Entry, unit: str = UNIT) -> Response:
        return self.send("registrations", registration_paper(unit, entries, self.visitor.signer, self.at))

    def registered(self, content: bytes | None = None, **other: Any) -> dict[str, Any]:
        """A whole registration, that is accepted."""
        content = content or self.report()
        assert self.deliver(content).status_code == 204
        answer = self.register(entry_of(content, *self.reserve(), self.at, **other))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()["registrations"][0]
        return found

    def change(self, act: Any, identifier: str, successor: str | None = None) -> Response:
        return self.send(
            "changes", change_paper(act, identifier, self.visitor.signer, self.at, successor=successor)
        )

    def send(self, path: str, paper: Paper) -> Response:
        wire = {"document": to_base64(paper.document), "signature": to_base64(paper.signature)}
        return self.post(path, wire)

    def post(self, path: str, body: Any) -> Response:
        answer: Response = self.visitor.client.post(f"/documents/{path}", json=body, headers=self.session)
        return answer


@pytest.fixture
def unit(registrar: Visitor) -> str:
    body = {"party": UNIT, "name": "Roads of the City", "kind": "organisation", "roles": []}
    answer = registrar.client.post("/identity/parties", json=body, headers=registrar.sign_in())
    assert answer.status_code == 201
    return "Roads of the City"


@pytest.fixture
def secretary(registrar: Visitor, unit: str, tmp_path: Path) -> Secretary:
    officer = enrol(registrar, tmp_path, "IR-41", "secretary", organization=unit)
    return Secretary(officer, officer.sign_in())


def test_a_document_goes_from_its_identifier_to_the_log(
    secretary: Secretary, container: Container, client: TestClient
) -> None:
    """What an officer reserves, delivers and registers is found by identifier and by digest; the log's entry opens with
    what is disclosed and tells neither identifier nor title."""
    content = secretary.report()
    (identifier,) = secretary.reserve()
    entry = entry_of(content, identifier, secretary.at)

    assert secretary.deliver(content).status_code == 204
    answer = secretary.register(entry)
    assert answer.status_code == 201, answer.text
    told = answer.json()["registrations"][0]

    with read_only(container.sessions) as session:
        found = by_identifier(session, identifier)
        assert found == by_digest(session, sha256_hex(content))
        assert by_identifier(session, "0" * 20) is None
    assert found is not None
    assert (told["document"], told["state"], told["rule"]) == (
        found.record.document,
        "valid",
        found.record.rule,
    )
    assert [each["indication"] for each in told["signatories"]] == ["TOTAL-PASSED"]
    event = parse_canonical(found.event)
    assert event["data"]["commitment"] == found.record.commitment(bytes.fromhex(found.salt))
    assert event["data"]["digest"] == found.record.digest
    assert not {identifier, entry.title} & set(event["data"].values())
    container.sequencer.sequence()
    listed = client.get("/log/entries", params={"start": 0, "end": 1000}).text
    assert to_base64(found.event) in listed
