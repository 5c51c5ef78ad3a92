"""``mohr sign``, ``mohr extend`` and ``mohr verify`` with the services of an installation and over HTTP."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner, Result
from lxml import etree

from app.api.application import create_app
from app.bootstrap import build_container
from app.cli import main
from app.container import Container
from app.installation import Plan, initialise
from app.settings import load_settings
from client.folder import PartyFolder
from pki.authority import pem_of
from tests.support.databases import Databases
from tests.support.http_services import http_service, refused_address
from tests.support.openssl import run_openssl
from tests.support.pdf_sources import classic_pdf

# Nothing here depends on which database holds the installation.
pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
CONTENT = b"what is agreed"


def run(folder: Path, *arguments: object) -> Result:
    environment = {"MOHR_DEMO_CLOCK": str(folder / "demo-clock")}
    return CliRunner().invoke(main, [str(each) for each in arguments], env=environment)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "deed.txt").write_bytes(CONTENT)
    (tmp_path / "plan.pdf").write_bytes(classic_pdf())
    return tmp_path


@pytest.fixture
def trust(folder: Path, tmp_path: Path) -> Path:
    """A folder with the root alone: what else is needed is inside the signatures."""
    root = PartyFolder(folder / "registrar").anchors.root
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.pem").write_bytes(pem_of([root]))
    return tmp_path / "trust"


def verified(folder: Path, trust: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    result = run(folder, "verify", *arguments, "--trust", trust, "--json")
    assert result.exit_code in (0, 1), result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, report


@pytest.mark.parametrize("form", ["pdf", "file", "asice"])
def test_every_form_is_signed_extended_and_verified(
    folder: Path, place: Path, trust: Path, form: str
) -> None:
    """From a party's folder and an installation's services: B-T is extended to B-LTA and refreshed, and passes with
    nothing but the root; what was changed afterwards fails with exit code 1."""
    source = place / ("plan.pdf" if form == "pdf" else "deed.txt")
    beside = ["--content", source] if form == "file" else []
    services, party = ["--folder", folder], ["--key", folder / "registrar"]
    signed, higher, fresh = (place / f"{each}.signed" for each in ("one", "two", "three"))

    for made in (
        run(folder, "sign", form, source, *party, *services, "--level", "B-T", "--out", signed),
        run(folder, "extend", signed, *beside, "--level", "B-LTA", *services, "--out", higher),
        run(folder, "extend", higher, *beside, "--refresh", *services, "--out", fresh),
    ):
        assert made.exit_code == 0, made.output
    for document in (higher, fresh):
        code, report = verified(folder, trust, document, *beside)
        (found,) = report["signatures"]
        assert (code, report["indication"], found["level"]) == (0, "TOTAL-PASSED", "B-LTA")
        assert (found["party"], found["whole"]) == ("IR-0000000001", True)
    data = bytearray(higher.read_bytes())
    if form == "file":
        source.write_bytes(CONTENT + b"!")
    else:
        data[data.index(CONTENT if form == "asice" else b"/MediaBox") + 2] ^= 1
    higher.write_bytes(data)
    code, report = verified(folder, trust, higher, *beside)
    assert (code, report["indication"]) == (1, "TOTAL-FAILED")


def test_a_visible_signature_is_prepared_for_a_key_elsewhere(folder: Path, place: Path, trust: Path) -> None:
    """A certified PDF with Persian reason and QR code is completed with the value that OpenSSL made of its digest."""
    own = PartyFolder(folder / "registrar")
    (place / "own.pem").write_bytes(pem_of([own.certificate("signing")]))
    (place / "chain.pem").write_bytes(pem_of(own.chain()))
    state = place / "plan.state"
    prepared = run(
        folder,
        *("sign", "prepare", place / "plan.pdf", "--format", "pdf", "--level", "B-LT", "--folder", folder),
        *("--certificate", place / "own.pem", "--chain", place / "chain.pem", "--out", state, "--json"),
        *("--visible", "1,50,50,200,80", "--qr", "https://mohr.invalid/1", "--reason", "تایید قرارداد"),
        *("--certify", "fill-forms"),
    )
    assert prepared.exit_code == 0, prepared.output
    (place / "digest").write_bytes(bytes.fromhex(json.loads(prepared.stdout)["digest"]))
    key = folder / "registrar" / "signing.key.pem"
    done, told = run_openssl(place, "pkeyutl", "-sign", "-inkey", str(key), "-in", "digest", "-out", "value")
    assert done, told

    completed = run(
        folder,
        *("sign", "complete", state, "--signature", place / "value", "--folder", folder),
        *("--out", place / "signed.pdf"),
    )

    assert completed.exit_code == 0, completed.output
    code, report = verified(folder, trust, place / "signed.pdf")
    (found,) = report["signatures"]
    assert (code, found["level"], found["reason"]) == (0, "B-LT", "تایید قرارداد")


def test_several_sign_one_after_the_other(folder: Path, place: Path, trust: Path) -> None:
    """A second party signs the same PDF, beside the first signature of a file, and in the same container."""
    first, second = (["--key", folder / each, "--folder", folder] for each in ("registrar", "registrar-2"))
    level = ["--level", "B-LT"]
    pdf, deed, both = place / "plan.pdf", place / "deed.txt", place / "two.p7s"
    steps = [
        ("pdf", pdf, *first, *level, "--out", place / "one.pdf", "--lock", "Total"),
        ("pdf", place / "one.pdf", *second, *level, "--out", place / "two.pdf"),
        ("file", deed, *first, *level, "--out", place / "one.p7s"),
        ("file", deed, *second, *level, "--beside", place / "one.p7s", "--out", both),
        ("asice", deed, pdf, *first, *level, "--out", place / "one.asice"),
        ("asice", place / "one.asice", "--add", *second, *level, "--out", place / "two.asice"),
    ]
    for step in steps:
        made = run(folder, "sign", *step)
        assert made.exit_code == 0, made.output
    for arguments in ([place / "two.pdf"], [both, "--content", deed], [place / "two.asice"]):
        code, report = verified(folder, trust, *arguments)
        parties = {each["party"] for each in report["signatures"]}
        assert (code, parties) == (0, {"IR-0000000001", "IR-0000000002"}), report["signatures"]


def test_locked_fields_stay_locked(folder: Path, place: Path) -> None:
    """After a signature that locks all fields nobody signs in a new one, and nothing is written."""
    services = ["--key", folder / "registrar", "--out"]
    locked, more = place / "locked.pdf", place / "more.pdf"
    assert run(folder, "sign", "pdf", place / "plan.pdf", "--lock", "all", *services, locked).exit_code == 0

    refused = run(folder, "sign", "pdf", locked, *services, more)
    assert (refused.exit_code, more.exists()) == (2, False)
    assert "signing-forbidden" in refused.stderr


def test_whom_to_trust_must_be_said(folder: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A party's folder names its root; where nothing does, nobody is trusted by chance."""
    signed = place / "deed.p7s"
    services = ["--key", folder / "registrar", "--folder", folder, "--level", "B-LT", "--out", signed]
    assert run(folder, "sign", "file", place / "deed.txt", *services).exit_code == 0
    arguments = ["verify", signed, "--content", place / "deed.txt"]

    assert run(folder, *arguments, "--folder", folder / "registrar").exit_code == 0
    monkeypatch.chdir(place)
    nobody = run(folder, *arguments)
    assert (nobody.exit_code, "--trust FOLDER" in nobody.stderr) == (2, True)


def test_reports_are_written_and_told(folder: Path, place: Path) -> None:
    """For people a few lines; XML and a page as files that are not overwritten; the installation's own trust judges
    what holds no evidence, and whom nobody trusts is not judged by silence."""
    signed = place / "deed.p7s"
    assert (
        run(
            folder, "sign", "file", place / "deed.txt", "--key", folder / "registrar", "--out", signed
        ).exit_code
        == 0
    )
    arguments = ["verify", signed, "--content", place / "deed.txt", "--folder", folder]
    told = run(folder, *arguments, "--xml", place / "report.xml", "--html", place / "report.html")

    assert (told.exit_code, "TOTAL-PASSED" in told.stdout, "CAdES B-B" in told.stdout) == (0, True, True), (
        told.output
    )
    assert etree.parse(place / "report.xml").getroot().tag.endswith("ValidationReport")
    assert "<html" in (place / "report.html").read_text("utf-8")
    assert run(folder, *arguments, "--xml", place / "report.xml").exit_code == 2
    (place / "nobody").mkdir()
    nobody = run(folder, *arguments[:-2], "--trust", place / "nobody")
    assert (nobody.exit_code, "trust-folder-invalid" in nobody.stderr) == (2, True)
    unreadable = run(folder, "verify", place / "deed.txt", "--folder", folder)
    assert (unreadable.exit_code, "document-unreadable" in unreadable.stderr) == (2, True)
    assert "serialNumber=IR-0000000001," in told.stdout
    alone = run(folder, "verify", signed, "--folder", folder)
    assert (alone.exit_code, "--content FILE" in alone.stdout) == (1, True)
    day = run(folder, *arguments, "--at", "2027-01-31")
    assert (day.exit_code, "2027-01-31T12:00:00Z" in day.stderr) == (2, True)


def test_a_time_stamping_service_is_asked_over_http(
    folder: Path, place: Path, trust: Path, container: Container
) -> None:
    """Its stamp makes B-T, and one that proves nothing yet is told; when nobody answers, the service is named once with
    the reason, and nothing is left."""
    with http_service({"/tsa": container.tsa.respond}) as service:
        stamped = run(folder, *_stamped_by(folder, place, f"{service.url}/tsa"))
    assert (stamped.exit_code, service.asked) == (0, ["POST /tsa"]), stamped.output
    assert "id-smime-aa-timeStampToken" in _printed(place / "deed.txt.p7s")
    judged = run(folder, "verify", place / "deed.txt.p7s", "--content", place / "deed.txt", "--trust", trust)
    assert "a time stamp that does not count: CERTIFICATE_CHAIN_GENERAL_FAILURE" in judged.stdout
    assert "fetched with --fetch" in judged.stdout
    (place / "deed.txt.p7s").unlink()
    before = sorted(place.iterdir())

    address = refused_address()
    refused = run(folder, *_stamped_by(folder, place, address))
    assert (refused.exit_code, sorted(place.iterdir())) == (2, before)
    assert "timestamp-unavailable" in refused.stderr
    assert refused.stderr.count("no connection could be made") == refused.stderr.count(address) == 1


def test_everything_over_http(databases: Databases, tmp_path: Path, place: Path) -> None:
    """The highest level with nothing of the installation but its addresses and its root: stamps from /tsa, evidence
    from what certificates name; verified by the root alone. What was not put inside is fetched by who verifies."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    site = tmp_path / "site"
    initialise(
        Plan(
            folder=site,
            demo=True,
            registrar_party="IR-0000000001",
            registrar_name="First Registrar",
            registrar_folder=site / "registrar",
            port=port,
        )
    )
    anchors, trust = PartyFolder(site / "registrar").anchors, tmp_path / "root-only"
    trust.mkdir()
    (trust / "root.pem").write_bytes(pem_of([anchors.root]))
    signed = place / "deed.p7s"
    services = ["--tsa", f"http://127.0.0.1:{port}/tsa", "--trust", trust, "--level", "B-LTA"]
    signing = ["sign", "file", place / "deed.txt", "--key", site / "registrar"]
    stamped, checking = place / "stamped.p7s", ["--content", place / "deed.txt"]
    with served(site):
        made = run(site, *signing, "--out", signed, *services)
        short = run(site, *signing, "--out", stamped, *services[:2], "--level", "B-T")
        by_itself = verified(site, trust, stamped, *checking)
        fetched = verified(site, trust, stamped, *checking, "--fetch")
    assert (made.exit_code, short.exit_code) == (0, 0), made.output + short.output
    assert (by_itself[1]["indication"], fetched[1]["indication"]) == ("INDETERMINATE", "TOTAL-PASSED")
    # Long after the responder's certificate as well, which ends within weeks.
    later = datetime.now(UTC) + timedelta(days=120)
    for when in ([], ["--at", later.isoformat()]):
        code, report = verified(site, trust, signed, *checking, *when)
        assert (code, report["signatures"][0]["level"]) == (0, "B-LTA")


@contextmanager
def served(site: Path) -> Iterator[None]:
    """The API of an installation on its own port, in a thread of this process."""
    container = build_container(load_settings(site))
    settings = container.settings.api
    config = uvicorn.Config(create_app(container), host=settings.host, port=settings.port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    try:
        container.trust.refresh()
        container.responders.refresh()
        thread.start()
        while not server.started and thread.is_alive():
            thread.join(0.05)
        yield
    finally:
        server.should_exit = True
        thread.join(30)
        container.close()


def _stamped_by(folder: Path, place: Path, url: str) -> list[object]:
    document, key = place / "deed.txt", folder / "registrar"
    return ["sign", "file", document, "--key", key, "--level", "B-T", "--tsa", url]


def _printed(signature: Path) -> str:
    done, told = run_openssl(
        signature.parent, "cms", "-cmsout", "-print", "-inform", "DER", "-in", signature.name
    )
    assert done, told
    return told
