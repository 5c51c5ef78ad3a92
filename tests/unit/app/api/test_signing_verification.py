"""Verifying over HTTP: open to anybody, in three forms, bounded."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from lxml import etree

from app.api.bounded_work import BoundedWork
from app.container import Container
from app.signing_services import services_of
from app.verification_messages import Task, TrustAsOctets, is_refusal
from app.verification_processes import VerificationProcesses, _Process
from app.verification_worker import MAX_MEMORY_BYTES
from app.verifying import InstallationTrust
from client.folder import PartyFolder
from kernel.canonical import from_base64, to_base64
from kernel.clock import format_utc
from kernel.errors import Unavailable
from pki.signed_data import Signer
from signing.ades.cades import sign_file
from signing.ades.services import Evidence, Level, Services
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.report import SubIndication, ValidationReport
from signing.validation.report_json import read_report
from signing.validation.trust import Trust

# Nothing here depends on which database holds the installation.
ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
CONTENT = b"what is agreed"
PLACE = "/signing/verifications"


@pytest.fixture
def signer(container: Container) -> Signer:
    return PartyFolder(container.settings.folder / "registrar").signer()


@pytest.fixture
def signature(container: Container, signer: Signer, client: TestClient) -> bytes:
    """A detached signature of the highest level."""
    now = container.clock.now()
    client.get("/health")
    container.trust.refresh()
    return sign_file(BytesIO(CONTENT), signer, Level.B_LTA, services_of(container), at=now)


def body(signature: bytes, content: bytes | None) -> dict[str, Any]:
    return {
        "document": to_base64(signature),
        "content": None if content is None else to_base64(content),
        "name": "deed.txt.p7s",
    }


@ON_SQLITE
def test_anybody_gets_a_sealed_report(
    client: TestClient, container: Container, signature: bytes, signer: Signer
) -> None:
    """Without a session a signature passes, and the report is sealed by the service; a changed file fails."""
    passed = client.post(PLACE, json=body(signature, CONTENT))
    failed = client.post(PLACE, json=body(signature, CONTENT + b"!"))

    assert (passed.status_code, passed.json()["indication"]) == (200, "TOTAL-PASSED"), passed.text
    report = read_report(
        from_base64(passed.json()["report"], max_bytes=8 << 20),
        from_base64(passed.json()["signature"]),
        container.trust.store(),
        now=container.clock.now(),
        party=container.receipt_signer.party,
    )
    (found,) = report.signatures
    assert (report.name, found.party, found.level) == ("deed.txt.p7s", signer.party, "B-LTA")
    assert failed.json()["indication"] == "TOTAL-FAILED"


@ON_SQLITE
def test_the_authority_knows_what_no_list_tells_yet(
    client: TestClient, container: Container, signer: Signer
) -> None:
    """A signature without evidence passes where the installation itself answers for its certificate, list or not."""
    container.trust.refresh()
    bare = sign_file(BytesIO(CONTENT), signer, Level.B_B, Services(), at=container.clock.now())
    trust = InstallationTrust(container)
    roots = Trust(trust.current().anchors, trust.current().intermediates, Evidence(), "roots alone")
    document = read_document(bare, content=CONTENT)

    now = container.clock.now()
    alone = judge(document, roots, AlgorithmPolicy.default(), at=now, made_at=now)
    answered = trust.completed(document, roots, now)
    now = container.clock.now()
    completed = judge(document, answered, AlgorithmPolicy.default(), at=now, made_at=now)

    assert alone.signatures[0].sub_indication is SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE
    assert completed.passed
    assert client.post(PLACE, json=body(bare, CONTENT)).json()["indication"] == "TOTAL-PASSED"


@ON_SQLITE
def test_a_report_in_other_forms(client: TestClient, signature: bytes) -> None:
    """XML and a page for people are answered to whoever accepts them; a page loads nothing."""
    given = body(signature, CONTENT)
    xml = client.post(PLACE, json=given, headers={"Accept": "application/xml"})
    page = client.post(PLACE, json=given, headers={"Accept": "text/html,*/*;q=0.1", "Accept-Language": "en"})

    assert etree.fromstring(xml.content).tag.endswith("ValidationReport")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert '<html lang="en"' in page.text


@ON_SQLITE
def test_a_time_can_be_asked_for(client: TestClient, container: Container, signature: bytes) -> None:
    """A day before it was made, nothing of the signature can be true."""
    before = format_utc(container.clock.now() - timedelta(days=1))

    early = client.post(PLACE, params={"at": before}, json=body(signature, CONTENT))
    wrong = client.post(PLACE, params={"at": "yesterday"}, json=body(signature, CONTENT))
    assert early.json()["indication"] != "TOTAL-PASSED"
    assert (wrong.status_code, wrong.json()["code"]) == (422, "malformed-input")


@ON_SQLITE
@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-12:00"]
)
def test_the_ends_of_the_calendar_are_times_too(client: TestClient, signature: bytes, at: str) -> None:
    """However far away a time is, there is an answer or a refusal."""
    answer = client.post(PLACE, params={"at": at}, json=body(signature, CONTENT))

    assert answer.status_code in (200, 422), answer.text
    assert answer.json().get("indication") != "TOTAL-PASSED"


@ON_SQLITE
@pytest.mark.parametrize("form", ["application/json", "application/xml", "text/html"])
def test_a_name_does_no_harm(client: TestClient, signature: bytes, form: str) -> None:
    """Whatever a document is called, no form breaks: not by markup, control characters or half of a character."""
    for name in ("<script>alert(1)</script>", "a\u0000\u001b\u202e", "\ud800"):
        given = {**body(signature, CONTENT), "name": name}
        answer = client.post(
            PLACE,
            content=json.dumps(given),
            headers={"Accept": form, "Content-Type": "application/json"},
        )
        assert answer.status_code in (200, 422), (name, answer.text)
        assert b"<script>" not in answer.content


@ON_SQLITE
@pytest.mark.parametrize(
    "given", [b"", b"no signature", b"%PDF-1.7 nothing", b"PK\x03\x04", b"0\x80" * 50_000]
)
def test_nonsense_is_refused_by_its_code(client: TestClient, given: bytes) -> None:
    """Whatever is sent as a document, the answer is a refusal and no defect."""
    answer = client.post(PLACE, content=given, headers={"Content-Type": "application/octet-stream"})

    assert (answer.status_code, answer.json()["code"][:9]) == (422, "document-")


@ON_SQLITE
def test_what_is_too_long_is_refused(client: TestClient, container: Container) -> None:
    """The body is counted while it arrives."""
    long = bytes(container.settings.signing.max_document_bytes + 1)
    answer = client.post(PLACE, content=long, headers={"Content-Type": "application/octet-stream"})

    assert (answer.status_code, answer.json()["code"]) == (413, "limit-exceeded")


def test_a_full_house_and_slow_work_are_refused_and_places_come_back() -> None:
    """Whoever finds no place is refused; so is work that takes too long, whose place is free only when it ends."""

    async def play() -> None:
        work, go = BoundedWork(1, patience_seconds=0.05, seconds=0.05), threading.Event()
        with pytest.raises(Unavailable, match="takes too long"):
            await work.run(lambda: go.wait(30))
        with pytest.raises(Unavailable, match="try again later"):
            await work.run(lambda: None)
        go.set()
        patient = BoundedWork.__new__(BoundedWork)
        patient.__dict__.update({**work.__dict__, "_patience": 30.0, "_seconds": 30.0})
        assert await patient.run(lambda: "done") == "done"

    asyncio.run(play())


@ON_SQLITE
def test_a_document_that_takes_too_long_is_really_given_up(container: Container, signature: bytes) -> None:
    """The process that reads it is gone and not only its answer, and the next document is judged by another one."""
    processes, trust = VerificationProcesses(), InstallationTrust(container)

    def verified(seconds: float) -> ValidationReport:
        return processes.verify(
            signature,
            trust.current(),
            content=CONTENT,
            name=None,
            seconds=seconds,
            evidence=lambda *_: Evidence(),
            at=None,
            now=container.clock.now,
        )

    assert verified(60).passed
    (process,) = processes._idle
    with pytest.raises(Unavailable, match="takes too long"):
        verified(0.0001)
    assert (process._popen.returncode, processes._idle) == (-signal.SIGALRM, [])
    assert verified(60).passed
    processes.close()


@ON_SQLITE
def test_who_reads_documents_of_strangers_holds_no_secrets(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment names no passphrase, its memory is bounded, and only the one connection was handed on."""
    for each in ("MOHR_KEY_PASSPHRASE", "PGPASSWORD"):
        monkeypatch.setenv(each, "tell-nobody")
    process = _Process()
    place = Path(f"/proc/{process._popen.pid}")
    process._connection.send(
        Task(b"no document", None, None, TrustAsOctets.of(InstallationTrust(container).current()), 60)
    )
    answer = process._connection.recv_bytes()

    environment, limits = (place / "environ").read_bytes(), (place / "limits").read_text()
    sockets = [each for each in (place / "fd").iterdir() if os.readlink(each).startswith("socket:")]
    process.end()

    assert (is_refusal(answer), len(sockets)) == (True, 1)
    assert b"tell-nobody" not in environment
    assert str(MAX_MEMORY_BYTES) in limits
