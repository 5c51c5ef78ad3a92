"""Parties for tests of the API: each with a key of its own, enrolled and signed in over HTTP like anybody else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from app.container import Container
from client.folder import PartyFolder
from kernel.canonical import parse_json, to_base64
from pki.names import Subject
from pki.papers import Application, Decision, Evidence
from signing.cms import Signer
from signing.documents import sign_document, to_wire
from signing.login import prove_login


@dataclass(frozen=True)
class Visitor:
    """A party at the API."""

    party: str
    signer: Signer
    client: TestClient
    container: Container

    def challenge(self) -> dict[str, str]:
        """A fresh challenge, as the server gives it."""
        answer: dict[str, str] = self.client.post("/auth/challenges").json()
        return answer

    def proof(self, challenge: dict[str, str], *, origin: str | None = None) -> dict[str, str]:
        """The body that answers a challenge."""
        signature = prove_login(
            challenge["challenge"],
            origin or challenge["origin"],
            self.signer,
            at=self.container.clock.now(),
        )
        return {"challenge": challenge["challenge"], "signature": to_base64(signature)}

    def sign_in(self) -> dict[str, str]:
        """Sign in; the answer is the header of a session."""
        answer = self.client.post("/auth/sessions", json=self.proof(self.challenge()))
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}


def registrar_of(container: Container, client: TestClient, folder: str = "registrar") -> Visitor:
    """One of the first two registrars, from the folder that the installation made."""
    own = PartyFolder(container.settings.folder / folder)
    return Visitor(own.party, own.signer(), client, container)


def enrol(
    registrar: Visitor,
    folder: Path,
    party: str,
    *roles: str,
    kind: str = "person",
    organization: str | None = None,
) -> Visitor:
    """Register a party and have its certificate issued; ``organization`` is named in it."""
    client, session = registrar.client, registrar.sign_in()
    anchors = parse_json((registrar.container.settings.folder / "anchors.json").read_bytes())
    own = PartyFolder.create(
        folder / party,
        party=party,
        name=f"Name of {party}",
        base_url=registrar.container.settings.api.base_url,
        anchors=anchors,
    )
    own.make_key("signing")
    body = {"party": party, "name": own.name, "kind": kind, "roles": list(roles)}
    assert client.post("/identity/parties", json=body, headers=session).status_code == 201
    csr = {"profile": "person-signing", "csr": own.certificate_request("signing").decode()}
    entered = client.post("/pki/requests", json=csr).json()
    issued = certify(registrar, {entered["id"]: entered["csr"]}, Subject(own.name, party, organization))
    chain = [each.encode() for each in issued["chain"]]
    own.install("signing", issued["requests"][0]["certificate"].encode(), chain)
    return Visitor(party, own.signer(), client, registrar.container)


def certify(registrar: Visitor, requests: dict[str, str], subject: Subject) -> dict[str, Any]:
    """The registrar enters, the second one approves and has it issued; the answer to the decision."""
    second = registrar_of(registrar.container, registrar.client, "registrar-2")
    application = apply(registrar, requests, subject).json()["application"]
    answer: dict[str, Any] = decide(second, Decision(application, True, None), issue=True).json()
    return answer


def apply(registrar: Visitor, requests: dict[str, str], subject: Subject, **evidence: Any) -> Response:
    """Send an application with one piece of evidence."""
    seen = Evidence(**{**_EVIDENCE, "seen_at": registrar.container.clock.now(), **evidence})
    application = Application(subject, requests, [seen], "5a" * 32)
    return send(registrar, "/pki/applications", application.to_document())


def decide(registrar: Visitor, decision: Decision, **more: Any) -> Response:
    """Send a decision."""
    return send(registrar, "/pki/decisions", decision.to_document(), **more)


def send(visitor: Visitor, path: str, document: dict[str, Any], **more: Any) -> Response:
    """Send a document that the visitor signs."""
    signed = sign_document(document, visitor.signer, visitor.container.clock.now())
    answer: Response = visitor.client.post(path, json={**to_wire(signed), **more}, headers=visitor.sign_in())
    return answer


_EVIDENCE = {"kind": "passport", "description": "P-1", "digest": "ab" * 32}
