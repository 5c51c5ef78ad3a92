"""The custodian over HTTP: who may call, how much it reads, and how a refusal looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.custodian_server import create_custodian_app
from custodian.errors import FolderUnfit
from custodian.setup import (
    access_token,
    custodian_vkey,
    initialise_custodian,
    install_certificate,
    open_custodian,
)
from kernel.canonical import from_base64, to_base64
from pki.revocation_lists import Revoked, build_crl
from tests.support.tenders import CHEAP, TenderWorld, many
from transparency.notes import NoteVerifier, open_note


def client_of(world: TenderWorld, *, token: str | None = None, max_body_bytes: int = 1 << 20) -> TestClient:
    shared = access_token(world.folder / "custodian")
    app = create_custodian_app(world.custodian, shared, max_body_bytes=max_body_bytes)
    headers = {"Authorization": f"Bearer {token or shared}"}
    return TestClient(app, headers=headers, raise_server_exceptions=False)


def test_a_whole_tender_over_http(world: TenderWorld) -> None:
    """Keys, countersignature, release and destruction answer as INTERFACES promise, with signed documents."""
    client = client_of(world)
    keys = client.post("/keys", json={"tender": world.tender})
    members = {p: s for p, s in world.key_set_signatures.items() if p != world.custodian.party}
    signed = client.post("/countersign", json={"key_set": many(world.key_set.document, members)})
    released = client.post("/release", json={"package": world.release_package("A")})

    assert keys.status_code == 201
    assert from_base64(keys.json()["keys"]["A"]) == world.key_set.custodian.keys["A"]
    assert keys.json()["party"] == world.custodian.party
    assert from_base64(signed.json()["signature"]) == world.key_set_signatures[world.custodian.party]
    assert set(released.json()) == {"document", "signature"}


def test_the_journal_is_served_as_it_is(world: TenderWorld) -> None:
    """Checkpoint and lines over HTTP are those of the journal, and verify with the custodian's key."""
    client = client_of(world)
    vkey = NoteVerifier.parse(custodian_vkey(world.folder / "custodian"))

    text, _ = open_note(client.get("/journal/checkpoint").text, [vkey])

    assert text.splitlines()[1] == str(len(client.get("/journal/entries").text.splitlines())) == "2"


@pytest.mark.parametrize("path", ["/keys", "/countersign", "/release", "/destroy"])
@pytest.mark.parametrize("given", ["Bearer wrong-token-of-some-length", "Basic abc", "", "Bearer "])
def test_without_the_token_nothing_is_read(world: TenderWorld, path: str, given: str) -> None:
    """401 before the body is looked at, even if the body is none."""
    answer = client_of(world).post(path, content=b"no json", headers={"Authorization": given})

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


def test_health_asks_for_no_token(world: TenderWorld) -> None:
    """Health says which custodian this is and no more than the journal's size."""
    answer = TestClient(create_custodian_app(world.custodian, "x" * 32)).get("/health")

    assert answer.json() == {"party": world.custodian.party, "journal_size": 2}


def test_refusals_are_problem_documents(world: TenderWorld) -> None:
    """A refusal names its code, status and the check that failed (RFC 9457)."""
    package = world.release_package("A", [])
    too_few = client_of(world).post("/release", json={"package": package})
    del package["notice"]
    refused = client_of(world).post("/release", json={"package": package})

    assert too_few.headers["content-type"] == "application/problem+json"
    assert (too_few.status_code, too_few.json()["code"]) == (409, "batches-missing")
    assert refused.json()["type"] == "urn:mohr:problem:package-refused"
    assert refused.json()["check"] == "1 notice"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b'{"package": 1}', 422),
        (b'{"package": {}, "package": {}}', 422),
        (b'{"package": ' + b"[" * 5000 + b"]" * 5000 + b"}", 413),
        (b'{"package": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
def test_hostile_bodies_are_refused(world: TenderWorld, content: bytes, status: int) -> None:
    """Too long, too deep, repeated keys or no JSON: a problem document, never a crash."""
    answer = client_of(world).post("/release", content=content)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("tender", ["../../etc/passwd", "", "a/b", 7, None, "x" * 65, ".hidden"])
def test_a_tender_cannot_name_a_path(world: TenderWorld, tender: object) -> None:
    """The tender's name becomes a file name, so only plain names are taken."""
    answer = client_of(world).post("/keys", json={"tender": tender})

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed-input")


def test_a_folder_is_made_once_and_its_secrets_are_private(world: TenderWorld) -> None:
    """Passphrase, token and keys have mode 0600; a second custodian does not move in."""
    folder = world.folder / "custodian"
    private = [folder / "passphrase", folder / "token", *(folder / "keys").glob("*.key")]

    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    with pytest.raises(FolderUnfit):
        initialise_custodian(
            folder, "IRO-X", name="X", origin="x", log_vkey="", witness_url="", witness_vkey="", cost=CHEAP
        )


def test_a_certificate_for_another_key_or_party_is_not_installed(world: TenderWorld, tmp_path: Path) -> None:
    """The folder takes only a certificate for its own key and name."""
    folder, authority = world.folder / "custodian", world.authority
    stranger = authority.service("IRO-CUSTODIAN")

    with pytest.raises(FolderUnfit):
        install_certificate(folder, stranger.certificate, [], authority.root)
    with pytest.raises(FolderUnfit):
        open_custodian(tmp_path / "empty", world.custodian_clock)


def test_another_witness_than_the_pinned_one_is_refused(world: TenderWorld, tmp_path: Path) -> None:
    """A caller may bring the witness's line, not its key."""
    other = TenderWorld(tmp_path / "other")

    with pytest.raises(FolderUnfit):
        open_custodian(world.folder / "custodian", world.custodian_clock, witness=other.witness)


def test_newest_revocation_lists_are_remembered(world: TenderWorld) -> None:
    """After a release with fresh lists, a package with older ones is judged by the fresh ones all the same."""
    older = [to_base64(crl) for crl in world.crls()]
    world.run_stage("A")
    chair = world.members[0].signer
    world.authority.revoke(chair.certificate, at=world.clock.now())
    world.custodian._remember_crls(world.trust())
    package = {**world.release_package("B"), "crls": older}

    answer = client_of(world).post("/release", json={"package": package})

    assert (answer.json()["code"], answer.json()["cause"]) == ("package-refused", "certificate-revoked")


def test_a_remembered_delta_counts_too(world: TenderWorld) -> None:
    """A revocation known from a delta is kept beside the full list, and not undone by a package without it."""
    older = world.crls()
    world.run_stage("A")
    authority, chair = world.authority, world.members[0].signer.certificate
    told = [Revoked(chair.serial_number, world.clock.now(), "keyCompromise")]
    delta = build_crl(
        authority.intermediate_key, authority.intermediate, told, 10**6, world.clock.now(), base=1
    )
    world.custodian._remember_crls(authority.trust_store(crls=[*older, delta]))
    package = {**world.release_package("B"), "crls": [to_base64(crl) for crl in older]}

    answer = client_of(world).post("/release", json={"package": package})

    assert (answer.json()["code"], answer.json()["cause"]) == ("package-refused", "certificate-revoked")
    assert len(list((world.folder / "custodian" / "crls").glob("*.crl"))) == 3
