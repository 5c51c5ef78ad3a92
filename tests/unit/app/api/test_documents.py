"""The secretary's routes: reserve, deliver, register, change, list; each refusal over HTTP with its own code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text

from app.container import Container
from app.register_desk import register_desk
from authenticity.papers import Entry
from documents.register.lookup import by_digest, by_identifier, of_unit
from kernel.canonical import parse_canonical, sha256_hex, to_base64
from kernel.database import read_only
from kernel.failpoints import VARIABLE
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
        answer = self.register(entry_of(content, self.reserve()[0], self.at, **other))
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


@ON_SQLITE
def test_what_the_secretary_sees_and_changes(
    secretary: Secretary, client: TestClient, container: Container
) -> None:
    """Own documents page by page, one superseded by the other; another unit's list is not shown; no consumer is
    held up by any of it."""
    first, second = secretary.registered(), secretary.registered()
    changed = secretary.change("supersede", first["identifier"], second["identifier"])
    assert (changed.status_code, changed.json()["state"]) == (201, "superseded")

    def page(**query: Any) -> Any:
        answer = client.get("/documents/registrations", params=query, headers=secretary.session)
        return answer.json()["registrations"] if answer.status_code == 200 else answer.json()["code"]

    assert page(unit=UNIT, limit=1) == [changed.json()]
    assert page(unit=UNIT, after=first["document"]) == [second]
    assert page(unit="IRO-0") == "unit-forbidden"
    again = secretary.change("revoke", first["identifier"])
    assert (again.status_code, again.json()["code"]) == (409, "document-state-final")
    unknown = secretary.change("revoke", secretary.reserve()[0])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "document-unknown")
    container.relay.run_once()
    with read_only(container.sessions) as session:
        assert session.scalar(text("SELECT count(*) FROM outbox WHERE published_at IS NULL")) == 0


@ON_SQLITE
def test_what_is_off_is_told_and_nothing_is_lost(
    secretary: Secretary, registrar: Visitor, container: Container, tmp_path: Path
) -> None:
    """A wrong digest, an empty file, too long a file, a missing one, an unsigned one and somebody without the role each
    have their code, and the same document is registered afterwards."""
    content, (identifier,) = secretary.report(), secretary.reserve()
    entry = entry_of(content, identifier, secretary.at)
    longer = bytes(container.settings.documents.max_document_bytes + 1)
    stranger = enrol(registrar, tmp_path, "IR-42", "buyer", organization="Roads of the City")

    answers = [
        secretary.deliver(content, "ab" * 32),
        secretary.deliver(b""),
        secretary.deliver(longer),
        secretary.register(entry),
        Secretary(stranger, stranger.sign_in()).deliver(content),
        secretary.post("identifiers", {"count": 0}),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (422, "malformed-input"),
        (422, "malformed-input"),
        (413, "limit-exceeded"),
        (409, "document-file-missing"),
        (403, "role-missing"),
        (422, "malformed-input"),
    ]
    assert answers[3].json()["digests"] == [entry.digest]
    assert [secretary.deliver(content).status_code for _ in range(2)] == [204, 204]
    assert secretary.register(entry).status_code == 201
    assert secretary.deliver(content).status_code == 204
    other = secretary.register(entry_of(content, secretary.reserve()[0], secretary.at, kind="letter"))
    assert (other.status_code, other.json()["identifier"]) == (409, identifier)
    note = b"unsigned"
    assert secretary.deliver(note).status_code == 204
    broken = secretary.register(entry_of(note, secretary.reserve()[0], secretary.at))
    assert (broken.status_code, broken.json()["code"]) == (422, "document-rule-broken")
    assert {each["demand"] for each in broken.json()["demands"]} == {"formats", "signatures"}


_REGISTERING = """
import sys
from pathlib import Path
from app.bootstrap import build_container
from app.register_desk import register_desk
from app.settings import load_settings
from documents.register.registering import register
from kernel.failpoints import arm
from pki.papers import Paper
from procurement.ports import Actor

folder, place = sys.argv[1:]
arm(demo=True)
container = build_container(load_settings(Path(folder)))
container.trust.refresh()
desk = register_desk(container)
desk.files.receive((Path(place) / "file").read_bytes())
paper = Paper((Path(place) / "document").read_bytes(), (Path(place) / "signature").read_bytes())
register(paper, actor=Actor("IR-41", frozenset({"secretary"}), ""), desk=desk)
"""


@ON_SQLITE
def test_a_process_that_dies_leaves_a_document_registered_or_not(
    secretary: Secretary, container: Container, tmp_path: Path
) -> None:
    """Killed between file, row and the file's place, nothing is half there, and the same paper sent again leads to one
    registration with its file."""
    content = secretary.report()
    entry = entry_of(content, secretary.reserve()[0], secretary.at)
    paper = registration_paper(UNIT, [entry], secretary.visitor.signer, secretary.at)
    for name, data in (("file", content), ("document", paper.document), ("signature", paper.signature)):
        (tmp_path / name).write_bytes(data)
    found = []
    for point in ("document.delivered", "before.document-registered", "document.registered"):
        (tmp_path / "failpoints").write_text(f"{point} 1")
        died = subprocess.run(
            [sys.executable, "-c", _REGISTERING, container.settings.folder, tmp_path],
            env={**os.environ, VARIABLE: str(tmp_path / "failpoints")},
            cwd=Path(__file__).resolve().parents[4],
            timeout=120,
            check=False,
        )
        with read_only(container.sessions) as session:
            found.append((died.returncode, by_digest(session, entry.digest) is not None))

    assert found == [(-signal.SIGKILL, False), (-signal.SIGKILL, False), (-signal.SIGKILL, True)]
    assert secretary.send("registrations", paper).json()["registrations"][0]["digest"] == entry.digest
    assert register_desk(container).files.read(entry.digest) == content
    with read_only(container.sessions) as session:
        assert len(of_unit(session, UNIT, None, 10)) == 1
