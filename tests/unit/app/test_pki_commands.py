"""``mohr pki`` from the folders of a holder and two registrars, over the real API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from fastapi.testclient import TestClient

from app.cli import main
from app.container import Container
from app.pki_commands import enrolment, party
from client.folder import PartyFolder
from client.http import ApiClient
from client.login import log_in
from kernel.clock import Clock

Run = Callable[..., Any]


@pytest.fixture
def run(container: Container, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command whose connections end in the application itself; its JSON, or the text of its refusal."""
    transport = client._transport

    def connected(folder: PartyFolder, clock: Clock) -> ApiClient:
        return ApiClient(
            folder.base_url, transport=transport, log_in=lambda api: log_in(folder, api, container.clock)
        )

    monkeypatch.setattr(party, "open_api", connected)
    monkeypatch.setattr(enrolment, "ApiClient", lambda url: ApiClient(url, transport=transport))

    def run(*arguments: object, exit_code: int = 0) -> Any:
        result: Result = CliRunner().invoke(main, ["pki", *(str(each) for each in arguments), "--json"])
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout) if exit_code == 0 else result.output

    return run


@pytest.fixture
def holder(run: Run, container: Container, tmp_path: Path) -> Path:
    """A folder without a certificate."""
    made = ("--subject", "IR-9", "--name", "Nine", "--url", container.settings.api.base_url)
    anchors = container.settings.folder / "anchors.json"
    run("folder", tmp_path / "nine", *made, "--anchors", anchors)
    assert "conflict" in run("folder", tmp_path / "nine", *made, "--anchors", anchors, exit_code=2)
    return tmp_path / "nine"


def test_from_a_request_to_the_next_certificate(
    run: Run, holder: Path, container: Container, client: TestClient, tmp_path: Path
) -> None:
    """folder, request, apply, approve by another, issue, fetch, hand over, register, rekey, search, show by command.

    A rekey and a renewal that were refused are in the way of no later one.
    """
    first, second = (container.settings.folder / name for name in ("registrar", "registrar-2"))
    scan = tmp_path / "scan"
    scan.write_bytes(b"scanned")
    entered = run("request", "--party", holder)
    assert entered["state"] == "entered"
    applied = run(
        "apply", entered["request"], "--party", first, "--subject", "IR-9", "--name", "Nine",
        "--evidence", "passport", "P-9", scan, "--csr-digest", entered["csr"],
    )  # fmt: skip
    application = applied["application"]
    assert "four-eyes" in run("approve", application, "--yes", "--party", first, exit_code=2)
    assert run("approve", application, "--yes", "--party", second)["state"] == "approved"
    assert run("list", "--requests", "approved", "--party", first)[0]["id"] == entered["request"]
    (issued,) = run("issue", entered["request"], "--party", second)
    assert run("request", "--party", holder)["state"] == "issued"
    assert run("hand-over", entered["request"], "--party", first)["state"] == "handed-over"
    before = PartyFolder(holder).certificate("signing")
    assert "login-refused" in run("rekey", "--party", holder, exit_code=2)
    registered = run("register", "IR-9", "--name", "Nine", "--role", "bidder", "--party", first)
    assert registered["roles"] == ["bidder"]
    assert "renewal-refused" in run("rekey", "--same-key", "--party", holder, exit_code=2)

    rekeyed = run("rekey", "--party", holder)

    after = PartyFolder(holder).signer()
    assert (rekeyed["before"], rekeyed["kind"]) == (issued["fingerprint"], "rekey")
    assert after.certificate.public_key() == after.key.public_key() != before.public_key()
    assert len(list(holder.glob("signing.until-*.key.pem"))) == 1
    assert not list(holder.glob("*.next*"))
    folder = container.settings.folder
    for place in (("--party", holder), ("--party", first), ("--folder", folder)):
        assert len(run("search", "--of", "IR-9", *place)) == 2
        shown = run("show", rekeyed["fingerprint"], *place)
        assert x509.load_pem_x509_certificate(shown["certificate"].encode()) == after.certificate
        assert run("show", _with_colons(rekeyed["fingerprint"]), *place) == shown
    assert run("list", "--expiring-within", 10, "--folder", folder) == []
    assert len(run("search", "--name", "Registrar", "--folder", folder)) == 2
    assert "renewal-refused" in run("rekey", "--same-key", "--party", holder, exit_code=2)
    assert "not-found" in run("show", "00" * 32, "--folder", folder, exit_code=2)


def test_a_request_made_elsewhere(run: Run, holder: Path, container: Container, tmp_path: Path) -> None:
    """A CSR in a file needs no folder; a file that is none is refused; without a folder nobody acts."""
    folder = PartyFolder(holder)
    folder.make_key("signing")
    file = tmp_path / "request.pem"
    file.write_bytes(folder.certificate_request("signing"))
    url = container.settings.api.base_url
    assert run("request", "--csr", file, "--url", url)["state"] == "entered"
    file.write_text("nonsense")
    assert "malformed-input" in run("request", "--csr", file, "--url", url, exit_code=2)
    assert "not-found" in run("request", exit_code=2)


def _with_colons(fingerprint: str) -> str:
    """As openssl prints it."""
    return ":".join(fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2)).upper()
