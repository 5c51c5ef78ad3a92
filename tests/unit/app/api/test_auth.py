"""Signing in over HTTP, and what a session is good for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.api.application import create_app
from app.bootstrap import build_container
from app.container import Container
from app.settings import load_settings
from kernel.clock import DemoClock
from pki.algorithms import fingerprint_of
from tests.unit.app.people import Visitor, enrol


def later(container: Container, **step: float) -> None:
    assert isinstance(container.clock, DemoClock)
    container.clock.advance(timedelta(**step))


def test_a_signed_challenge_gives_a_session(registrar: Visitor, client: TestClient) -> None:
    """Who signs a challenge with a valid certificate is that certificate's party, with its registered roles."""
    session = registrar.sign_in()

    me = client.get("/auth/me", headers=session)

    assert me.status_code == 200
    assert me.json() == {
        "party": registrar.party,
        "roles": ["registrar"],
        "fingerprint": fingerprint_of(registrar.signer.certificate),
    }


def test_a_challenge_names_this_origin(registrar: Visitor, container: Container) -> None:
    """A challenge is 256 random bits, bound to the address that this server is known by."""
    first, second = registrar.challenge(), registrar.challenge()

    assert first["origin"] == container.settings.origin == "http://127.0.0.1:8400"
    assert len(bytes.fromhex(first["challenge"])) == 32
    assert first["challenge"] != second["challenge"]


def test_a_proof_counts_once(registrar: Visitor, client: TestClient) -> None:
    """Answering a challenge a second time with the very same proof is refused."""
    proof = registrar.proof(registrar.challenge())
    assert client.post("/auth/sessions", json=proof).status_code == 201

    again = client.post("/auth/sessions", json=proof)

    assert (again.status_code, again.json()["code"]) == (401, "challenge-used")


def test_a_wrong_proof_spends_the_challenge(registrar: Visitor, client: TestClient) -> None:
    """Nobody gets a second try at one challenge, so a proof can't be searched for."""
    challenge = registrar.challenge()
    other = registrar.proof(registrar.challenge())
    wrong = {**other, "challenge": challenge["challenge"]}
    assert client.post("/auth/sessions", json=wrong).json()["reason"] == "signature-invalid"

    again = client.post("/auth/sessions", json=registrar.proof(challenge))

    assert again.json()["code"] == "challenge-used"


def test_a_proof_for_another_origin_is_refused(registrar: Visitor, client: TestClient) -> None:
    """A signature that was made for another address is worth nothing here."""
    proof = registrar.proof(registrar.challenge(), origin="http://127.0.0.1:9999")

    answer = client.post("/auth/sessions", json=proof)

    assert (answer.status_code, answer.json()["code"]) == (401, "login-refused")
    assert answer.json()["reason"] == "signature-invalid"


def test_an_unknown_challenge_is_refused(registrar: Visitor, client: TestClient) -> None:
    """Only challenges that this server gave can be answered."""
    proof = registrar.proof({"challenge": "ab" * 32, "origin": "http://127.0.0.1:8400"})

    answer = client.post("/auth/sessions", json=proof)

    assert (answer.status_code, answer.json()["code"]) == (401, "challenge-unknown")


def test_a_late_proof_is_refused(registrar: Visitor, client: TestClient, container: Container) -> None:
    """A challenge is good for a short time only."""
    proof = registrar.proof(registrar.challenge())
    later(container, seconds=container.settings.sessions.challenge_life_seconds)

    answer = client.post("/auth/sessions", json=proof)

    assert (answer.status_code, answer.json()["code"]) == (401, "challenge-expired")


def test_a_session_ends_by_itself(registrar: Visitor, client: TestClient, container: Container) -> None:
    """After its life a session must be opened anew."""
    session = registrar.sign_in()
    later(container, seconds=container.settings.sessions.session_life_seconds)

    answer = client.get("/auth/me", headers=session)

    assert (answer.status_code, answer.json()["code"]) == (401, "session-ended")
    assert answer.json()["reason"] == "expired"


def test_signing_out_ends_the_session(registrar: Visitor, client: TestClient) -> None:
    """A token is worth nothing after signing out."""
    session = registrar.sign_in()
    assert client.delete("/auth/sessions/current", headers=session).status_code == 204

    answer = client.get("/auth/me", headers=session)

    assert (answer.json()["code"], answer.json()["reason"]) == ("session-ended", "signed-out")


def test_revocation_ends_the_session_at_once(registrar: Visitor, client: TestClient, tmp_path: Path) -> None:
    """A session is bound to its certificate: revoked, it neither goes on nor can be opened again."""
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer")
    session = buyer.sign_in()
    fingerprint = fingerprint_of(buyer.signer.certificate)
    revoked = client.post(
        f"/pki/certificates/{fingerprint}/revoke",
        json={"reason": "keyCompromise"},
        headers=registrar.sign_in(),
    )
    assert revoked.status_code == 200, revoked.text

    going_on = client.get("/auth/me", headers=session)
    again = client.post("/auth/sessions", json=buyer.proof(buyer.challenge()))

    assert (going_on.status_code, going_on.json()["reason"]) == (401, "certificate-revoked")
    assert (again.status_code, again.json()["reason"]) == (401, "certificate-revoked")


def test_a_withdrawn_role_is_gone_with_the_next_request(
    registrar: Visitor, client: TestClient, tmp_path: Path
) -> None:
    """Roles are read at each request, not when the session was opened."""
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer", "auditor")
    session = buyer.sign_in()
    client.delete("/identity/parties/IR-2/roles/buyer", headers=registrar.sign_in())

    assert client.get("/auth/me", headers=session).json()["roles"] == ["auditor"]


def test_a_certificate_of_an_unregistered_party_signs_nobody_in(
    registrar: Visitor, client: TestClient, container: Container
) -> None:
    """The server's own receipt certificate is valid, and still no party that could sign in."""
    stranger = Visitor("receipts", container.receipt_signer, client, container)

    answer = client.post("/auth/sessions", json=stranger.proof(stranger.challenge()))

    assert (answer.status_code, answer.json()["reason"]) == (401, "party-unknown")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x y", "Basic dXNlcjpwYXNz", "Bearer " + "x" * 200])
def test_without_a_proper_token_nobody_is_known(client: TestClient, header: str) -> None:
    """A missing, odd or oversized authorization header is a plain 401 that says how to sign in."""
    answer = client.get("/auth/me", headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.json()["code"] in {"unauthenticated", "session-ended"}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_guessed_token_is_refused(client: TestClient) -> None:
    """A token that was never given opens nothing."""
    answer = client.get("/auth/me", headers={"Authorization": "Bearer " + "A" * 43})

    assert (answer.status_code, answer.json()["reason"]) == (401, "unknown")


def test_challenges_are_limited_for_each_source(folder: Path) -> None:
    """One address can't fill the table of challenges, and expired ones make room again."""
    settings = load_settings(folder, sessions={"max_outstanding_challenges_per_source": 2})
    limited = build_container(settings)
    with TestClient(create_app(limited), base_url=settings.api.base_url) as client:
        assert [client.post("/auth/challenges").status_code for _ in range(3)] == [201, 201, 429]
        assert client.post("/auth/challenges").json()["code"] == "too-many-challenges"
        later(limited, seconds=settings.sessions.challenge_life_seconds)
        assert client.post("/auth/challenges").status_code == 201
    limited.close()
