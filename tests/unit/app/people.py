"""Parties for tests of the API: each with a key of its own, enrolled and signed in over HTTP like anybody else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi.testclient import TestClient

from app.container import Container
from client.folder import PartyFolder
from kernel.canonical import parse_json, to_base64
from signing.cms import Signer
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


def registrar_of(container: Container, client: TestClient) -> Visitor:
    """The first registrar, from the folder that the installation made."""
    folder = PartyFolder(container.settings.folder / "registrar")
    return Visitor(folder.party, folder.signer(), client, container)


def enrol(registrar: Visitor, folder: Path, party: str, *roles: str, kind: str = "person") -> Visitor:
    """Register a party and have its certificate issued."""
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
    request = client.post("/pki/requests", json=csr).json()["id"]
    subject = {"party": party, "name": own.name, "organization": None}
    issued = client.post(f"/pki/requests/{request}/issue", json=subject, headers=session).json()
    own.install("signing", issued["certificate"].encode(), [each.encode() for each in issued["chain"]])
    return Visitor(party, own.signer(), client, registrar.container)
