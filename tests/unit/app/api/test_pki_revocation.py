"""Revocation over HTTP: acts of registrars and holders, the lists, and the commands over both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from fastapi.testclient import TestClient

from app.api.application import create_app
from app.bootstrap import build_container
from app.cli import main
from app.container import Container
from app.settings import load_settings
from client.http import ApiClient
from kernel.canonical import from_base64
from kernel.clock import DemoClock
from pki.algorithms import fingerprint_of
from pki.errors import CertificateRevoked, TimestampInvalid
from pki.locations import shard_of
from pki.timestamp import make_request, token_of_response
from tests.unit.app.people import Visitor, enrol, registrar_of


def _post(visitor: Visitor, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    answer = visitor.client.post(path, json=body, headers=visitor.sign_in())
    return answer.status_code, answer.json()


def test_suspended_resumed_and_revoked(
    registrar: Visitor, client: TestClient, container: Container, tmp_path: Path
) -> None:
    """On hold nobody signs in with it; resumed he does; revoked by himself never again, and the answers say so."""
    member = enrol(registrar, tmp_path, "IR-2", "member")
    fingerprint = fingerprint_of(member.signer.certificate)
    path = f"/pki/certificates/{fingerprint}"

    status, held = _post(registrar, f"{path}/suspend")
    assert (status, held["state"]) == (200, "suspended")
    assert (
        client.post("/auth/sessions", json=member.proof(member.challenge())).json()["code"] == "login-refused"
    )
    assert _post(registrar, f"{path}/suspend")[1]["code"] == "wrong-state"
    assert _post(registrar, f"{path}/resume")[1]["state"] == "issued"
    status, revoked = _post(member, f"{path}/revoke", {"reason": "superseded"})
    assert (status, revoked["state"]) == (200, "revoked")

    newest = x509.load_der_x509_crl(from_base64(revoked["crl"]))
    serial = member.signer.certificate.serial_number
    assert newest.get_revoked_certificate_by_serial_number(serial) is not None
    assert _post(registrar, f"{path}/resume")[1]["code"] == "wrong-state"
    store, now = container.trust.store(), container.clock.now()
    with pytest.raises(CertificateRevoked):
        store.validate(member.signer.certificate, [], now, "signature", revocation="ever")


def test_four_eyes(registrar: Visitor, client: TestClient, container: Container, tmp_path: Path) -> None:
    """A service's certificate is revoked by two registrars and counts no more from the second one's answer on."""
    second = enrol(registrar, tmp_path, "IR-2", "registrar")
    tsa = container.authority.tsa.certificate
    path, body = f"/pki/certificates/{fingerprint_of(tsa)}", {"reason": "keyCompromise"}

    assert _post(registrar, f"{path}/revoke", body)[1]["code"] == "proposal-needed"
    status, proposal = _post(registrar, f"{path}/revocation-proposals", body)
    assert (status, proposal["state"]) == (201, "proposed")
    waiting = client.get("/pki/revocation-proposals", headers=second.sign_in()).json()
    assert waiting == {"proposals": [proposal]}
    confirm = f"/pki/revocation-proposals/{proposal['id']}/confirm"
    assert _post(registrar, confirm)[1]["code"] == "four-eyes"
    assert _post(second, confirm)[1]["state"] == "revoked"
    with pytest.raises(CertificateRevoked):
        container.trust.store().validate(tsa, [], container.clock.now(), "timestamping")
    with pytest.raises(TimestampInvalid, match="no time stamp"):
        token_of_response(client.post("/tsa", content=make_request(b"late")).content)


def test_a_party_in_one_go(registrar: Visitor, tmp_path: Path) -> None:
    """All certificates of a party are revoked with one request; a second one finds none."""
    enrol(registrar, tmp_path, "IR-2", "bidder")
    body = {"reason": "cessationOfOperation"}
    status, answer = _post(registrar, "/pki/parties/IR-2/revoke", body)
    assert (status, len(answer["fingerprints"])) == (200, 1)
    assert _post(registrar, "/pki/parties/IR-2/revoke", body)[1]["code"] == "not-found"


def test_lists_can_be_cached(container: Container, client: TestClient) -> None:
    """Each list has a tag, a date and an age that ends before its next update; who has the newest gets no bytes."""
    for path, age in (("intermediate.crl", 3600), ("intermediate/delta.crl", 60), ("root.crl", 3600)):
        first = client.get(f"/pki/crl/{path}")
        parsed = x509.load_der_x509_crl(first.content)
        assert first.headers["content-type"] == "application/pkix-crl"
        assert first.headers["cache-control"] == f"public, max-age={age}, must-revalidate"
        assert first.headers["last-modified"] == f"{parsed.last_update_utc:%a, %d %b %Y %H:%M:%S GMT}"
        again = client.get(f"/pki/crl/{path}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert isinstance(container.clock, DemoClock)
    container.clock.advance(timedelta(days=4))
    renewed = client.get("/pki/crl/root.crl", headers={"If-None-Match": first.headers["etag"]})
    assert renewed.status_code == 304
    renewed = client.get("/pki/crl/intermediate.crl")
    assert renewed.headers["etag"] != first.headers["etag"]
    for unknown in ("other.crl", "intermediate/4-1.crl", "root/4-1.crl"):
        assert client.get(f"/pki/crl/{unknown}").json()["code"] == "not-found"
    assert client.get("/pki/crl/intermediate/full.crl").status_code == 422


def test_a_shard_where_the_certificate_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With shards in the settings, a new certificate names one, and that is published and exported there."""
    monkeypatch.setenv("MOHR_PKI__CRL_SHARDS", "4")
    with _serving(folder) as (container, client):
        registrar = registrar_of(container, client)
        certificate = enrol(registrar, tmp_path, "IR-2", "bidder").signer.certificate
        (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        _post(
            registrar,
            f"/pki/certificates/{fingerprint_of(certificate)}/revoke",
            {"reason": "keyCompromise"},
        )
        shard = client.get(point.full_name[0].value).content
    assert x509.load_der_x509_crl(shard).get_revoked_certificate_by_serial_number(certificate.serial_number)

    arguments = ["pki", "crl", "--folder", str(folder), "--export", str(tmp_path / "out"), "--json"]
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, told.output
    shown = {(each["issuer"], each["scope"]) for each in json.loads(told.output)["lists"]}
    assert len(shown) == 2 + 2 + 4
    name = shard_of(certificate.serial_number, 4)
    assert (tmp_path / "out" / "intermediate" / f"{name}.crl").read_bytes() == shard


def test_the_registrars_commands(
    registrar: Visitor, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands say what the server answered, a refusal of it in one line with exit code 2."""
    certificate = enrol(registrar, tmp_path, "IR-2", "bidder").signer.certificate
    fingerprint = fingerprint_of(certificate)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(
            main, ["pki", *arguments], env={"MOHR_PARTY_FOLDER": str(container.settings.folder / "registrar")}
        )

    monkeypatch.setattr("client.login.ApiClient", _through(registrar.client))
    monkeypatch.setenv("MOHR_DEMO_CLOCK", str(container.settings.folder / "demo-clock"))
    assert "state: suspended" in run("suspend", fingerprint).output
    assert "state: issued" in run("resume", fingerprint).output
    again = run("resume", fingerprint)
    assert (again.exit_code, "wrong-state" in again.output) == (2, True)
    since = ["--reason", "keyCompromise", "--invalid-since", "2026-01-01T00:00:00Z"]
    assert "state: revoked" in run("revoke", fingerprint, *since).output
    assert run("revoke", "--all-of", "IR-2", "--reason", "superseded").exit_code == 2
    tsa = fingerprint_of(container.authority.tsa.certificate)
    proposed = run("revoke", tsa, "--reason", "superseded", "--propose", "--json")
    proposal = json.loads(proposed.output)["id"]
    assert proposal in run("proposals").output
    assert "four-eyes" in run("confirm", proposal).output
    assert "state: withdrawn" in run("confirm", proposal, "--withdraw").output
    assert run("revoke", "--reason", "superseded").exit_code == 2


def _through(client: TestClient) -> Any:
    """The client's class, with the application called instead of a socket."""

    def made(base_url: str, **options: Any) -> ApiClient:
        return ApiClient(base_url, transport=client._transport, **options)

    return made


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[Container, TestClient]]:
    container = build_container(load_settings(folder))
    try:
        with TestClient(create_app(container), base_url=container.settings.api.base_url) as client:
            yield container, client
    finally:
        container.close()
