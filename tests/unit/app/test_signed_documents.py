"""``mohr sign``, ``mohr extend`` and ``mohr verify`` with the services of an installation and over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lxml import etree

from app.cli import main
from app.container import Container
from client.folder import PartyFolder
from pki.authority import pem_of
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


def test_a_time_stamping_service_is_asked_over_http(folder: Path, place: Path, container: Container) -> None:
    """Its stamp makes B-T; when nobody answers, the service is named and nothing is left."""
    with http_service({"/tsa": container.tsa.respond}) as service:
        stamped = run(folder, *_stamped_by(folder, place, f"{service.url}/tsa"))
    assert (stamped.exit_code, service.asked) == (0, ["POST /tsa"]), stamped.output
    assert "id-smime-aa-timeStampToken" in _printed(place / "deed.txt.p7s")
    (place / "deed.txt.p7s").unlink()
    before = sorted(place.iterdir())

    address = refused_address()
    refused = run(folder, *_stamped_by(folder, place, address))
    assert (refused.exit_code, sorted(place.iterdir())) == (2, before)
    assert "timestamp-unavailable" in refused.stderr
    assert address in refused.stderr


def _stamped_by(folder: Path, place: Path, url: str) -> list[object]:
    document, key = place / "deed.txt", folder / "registrar"
    return ["sign", "file", document, "--key", key, "--level", "B-T", "--tsa", url]


def _printed(signature: Path) -> str:
    done, told = run_openssl(
        signature.parent, "cms", "-cmsout", "-print", "-inform", "DER", "-in", signature.name
    )
    assert done, told
    return told
