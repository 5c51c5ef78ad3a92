"""Signing over HTTP: two steps with the signer's own key, the organisation's seal, and extending."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.api.application import create_app
from app.api.bounded_work import BoundedWork
from app.api.signing import signing_places
from app.bootstrap import build_container
from app.cli import main
from app.container import Container
from app.settings import load_settings
from app.signing_desk import signing_desk, tidy
from documents import prepared as prepared_documents
from documents.prepared import GivenFile
from kernel.canonical import from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import DemoClock
from kernel.database import read_only
from kernel.errors import DomainError
from kernel.failpoints import VARIABLE
from pki.algorithms import sign as sign_value
from pki.authority import pem_of
from pki.errors import CertificateRevoked
from pki.revocation_lists import Revoked, build_crl, crl_profile
from pki.timestamp import TimeStampAuthority
from schemas.events import DOCUMENT_PREPARED, DOCUMENT_SEALED, DOCUMENT_SIGNED
from signing.ades.services import Level
from signing.cms import verify_detached
from signing.errors import PreparedCompleted, PreparedUnknown
from signing.two_step_making import Wish
from tests.support.authority import make_authority
from tests.support.openssl import run_openssl, write_signer
from tests.support.pdf_sources import classic_pdf
from tests.unit.app.people import Visitor, enrol

CONTENT = b"what is agreed"
# Of tests in which nothing depends on which database it is.
ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
Session = dict[str, str]


@pytest.fixture
def signer(registrar: Visitor, tmp_path: Path) -> Visitor:
    """Somebody with a certificate of this installation and no role that signing would need."""
    return enrol(registrar, tmp_path, "IR-5", "bidder")


@pytest.fixture
def session(signer: Visitor) -> Session:
    return signer.sign_in()


def body_of(visitor: Visitor, **more: Any) -> dict[str, Any]:
    return {
        "format": "file",
        "documents": [{"name": "deed.txt", "content": to_base64(CONTENT)}],
        "certificate": pem_of([visitor.signer.certificate]).decode(),
        **more,
    }


def prepared_by(visitor: Visitor, session: Session, **more: Any) -> dict[str, Any]:
    answer = visitor.client.post("/signing/prepared", json=body_of(visitor, **more), headers=session)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def value_outside(folder: Path, visitor: Visitor, answer: dict[str, Any]) -> dict[str, str]:
    """The body with a signature value that the OpenSSL command made of the digest that was shown."""
    folder.mkdir(exist_ok=True)
    write_signer(folder, "own", visitor.signer.key, visitor.signer.certificate)
    (folder / "digest").write_bytes(bytes.fromhex(answer["digest"]))
    done, told = run_openssl(
        folder, "pkeyutl", "-sign", "-inkey", "own.key", "-in", "digest", "-out", "value"
    )
    assert done, told
    return {"signature": to_base64((folder / "value").read_bytes())}


def facts(container: Container) -> list[dict[str, Any]]:
    """The events of signing in the outbox, oldest first."""
    with read_only(container.sessions) as db:
        rows = db.execute(
            text("SELECT payload FROM outbox WHERE type LIKE 'ir.tehran.signing.%' ORDER BY seq")
        )
        return [parse_canonical(bytes(row[0])) for row in rows]


def test_a_document_is_signed_with_a_key_that_never_comes_here(
    signer: Visitor, session: Session, container: Container, tmp_path: Path
) -> None:
    """What is signed is shown, OpenSSL signs its digest, and the answer is accepted by OpenSSL; the public events tell
    neither document nor signer, and whoever holds the signed document finds its event."""
    answer = prepared_by(signer, session, level="B-T")
    shown = signer.client.get(f"/signing/prepared/{answer['id']}", headers=session).json()
    document = signer.client.get(f"/signing/prepared/{answer['id']}/document", headers=session)
    done = signer.client.post(
        f"/signing/prepared/{answer['id']}/signature",
        json=value_outside(tmp_path / "outside", signer, answer),
        headers=session,
    )

    assert shown == answer
    assert answer["documents"] == [{"name": "deed.txt", "size": 14, "sha256": sha256_hex(CONTENT)}]
    assert document.content == CONTENT
    assert document.headers["content-disposition"] == "attachment"
    assert document.headers["x-content-type-options"] == "nosniff"
    assert (done.status_code, done.headers["content-type"]) == (200, "application/pkcs7-mime"), done.text
    now = container.clock.now()
    found = verify_detached(CONTENT, done.content, container.trust.store(), now=now)
    assert (found.party, found.timestamp is not None) == ("IR-5", True)
    prepared, signed = facts(container)
    assert (prepared["type"], signed["type"]) == (DOCUMENT_PREPARED.name, DOCUMENT_SIGNED.name)
    assert signed["data"]["digest"] == sha256_hex(done.content)
    told = str([prepared, signed])
    assert not any(each in told for each in ("IR-5", sha256_hex(CONTENT), "deed", answer["digest"]))
    again = signer.client.get(f"/signing/prepared/{answer['id']}/signed-document", headers=session)
    assert again.content == done.content


def test_what_is_completed_is_completed_once(signer: Visitor, session: Session, tmp_path: Path) -> None:
    """The second value is refused, and what was signed is no longer to be signed."""
    answer = prepared_by(signer, session)
    place, value = f"/signing/prepared/{answer['id']}", value_outside(tmp_path / "outside", signer, answer)
    assert signer.client.post(f"{place}/signature", json=value, headers=session).status_code == 200

    again = signer.client.post(f"{place}/signature", json=value, headers=session)
    assert (again.status_code, again.json()["code"]) == (409, "prepared-completed")
    shown = signer.client.get(place, headers=session).json()
    assert (shown["state"], shown["documents"], shown["to_be_signed"]) == ("completed", [], None)
    assert signer.client.delete(place, headers=session).status_code == 204
    gone = signer.client.get(f"{place}/signed-document", headers=session)
    assert (gone.status_code, gone.json()["code"]) == (404, "prepared-unknown")


@ON_SQLITE
def test_nobody_else_signs_or_sees_it(
    signer: Visitor, session: Session, registrar: Visitor, tmp_path: Path
) -> None:
    """Another party does not find the document, cannot prepare with a certificate that is not his, and a value of
    another key is refused; afterwards the right key still completes it."""
    answer = prepared_by(signer, session)
    place, other = f"/signing/prepared/{answer['id']}", registrar.sign_in()
    wrong = value_outside(tmp_path / "wrong", registrar, answer)

    for asked in (place, f"{place}/document", f"{place}/signed-document"):
        assert signer.client.get(asked, headers=other).json()["code"] == "prepared-unknown"
    assert signer.client.post(f"{place}/signature", json=wrong, headers=other).status_code == 404
    assert signer.client.delete(place, headers=other).status_code == 404
    foreign = signer.client.post("/signing/prepared", json=body_of(signer), headers=other)
    assert (foreign.status_code, foreign.json()["code"]) == (422, "wrong-signer")
    assert signer.client.post("/signing/prepared", json=body_of(signer)).status_code == 401

    refused = signer.client.post(f"{place}/signature", json=wrong, headers=session)
    assert (refused.status_code, refused.json()["code"]) == (422, "signature-invalid")
    assert refused.json()["digest"] == answer["digest"]
    right = value_outside(tmp_path / "right", signer, answer)
    assert signer.client.post(f"{place}/signature", json=right, headers=session).status_code == 200


@ON_SQLITE
def test_a_certificate_of_nobody_we_trust_prepares_nothing(
    registrar: Visitor, signer: Visitor, session: Session
) -> None:
    """A certificate that names the right party but was issued elsewhere is not believed."""
    made = make_authority().person("IR-5")
    body = {**body_of(signer), "certificate": pem_of([made.certificate]).decode()}

    refused = signer.client.post("/signing/prepared", json=body, headers=session)
    assert (refused.status_code, refused.json()["code"]) == (422, "certificate-untrusted")


def test_a_document_expires_and_goes(
    signer: Visitor, session: Session, container: Container, tmp_path: Path
) -> None:
    """After its time nothing completes it; the timed step drops its content, and later every trace of it."""
    answer = prepared_by(signer, session)
    place = f"/signing/prepared/{answer['id']}/signature"
    value = value_outside(tmp_path / "outside", signer, answer)
    assert isinstance(container.clock, DemoClock)
    container.clock.advance(timedelta(seconds=container.settings.signing.prepared_life_seconds))

    shown = signer.client.get(f"/signing/prepared/{answer['id']}", headers=session).json()
    assert (shown["state"], shown["to_be_signed"]) == ("expired", None)
    late = signer.client.post(place, json=value, headers=session)
    tidy(container)
    later = signer.client.post(place, json=value, headers=session)
    for refused in (late, later):
        assert (refused.status_code, refused.json()["code"]) == (409, "prepared-expired")
    with read_only(container.sessions) as db:
        assert db.execute(text("SELECT prepared, document, signed FROM prepared_documents")).one() == (
            None,
            None,
            None,
        )
    container.clock.advance(timedelta(seconds=container.settings.signing.prepared_kept_seconds))
    tidy(container)
    with read_only(container.sessions) as db:
        assert db.scalar(text("SELECT count(*) FROM prepared_documents")) == 0


def test_of_two_completions_at_one_moment_one_wins(
    signer: Visitor, session: Session, container: Container, tmp_path: Path
) -> None:
    """Both bring a good value and both have their stamp; one is recorded, the other is told that it was too late."""
    answer = prepared_by(signer, session)
    value = sign_value(signer.signer.key, _to_be_signed(answer))
    desk, together = signing_desk(container), Barrier(2, timeout=30)
    slow = _waiting_for(desk, together.wait)

    def complete() -> bytes | str:
        try:
            return prepared_documents.complete(answer["id"], value, party="IR-5", desk=slow)
        except DomainError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        results = [each.result(60) for each in [pool.submit(complete), pool.submit(complete)]]

    (lost,) = [each for each in results if isinstance(each, str)]
    (won,) = [each for each in results if isinstance(each, bytes)]
    assert lost == PreparedCompleted.code
    kept = prepared_documents.signed_document_of(answer["id"], party="IR-5", desk=desk)
    assert kept == won
    assert [each["type"] for each in facts(container)] == [DOCUMENT_PREPARED.name, DOCUMENT_SIGNED.name]


def _waiting_for(desk: prepared_documents.SigningDesk, both: Callable[[], object]) -> Any:
    """The desk whose services are handed out when both have looked and found the document open."""

    def services() -> Any:
        both()
        return desk.services()

    return replace(desk, services=services)


def _to_be_signed(answer: dict[str, Any]) -> bytes:
    return from_base64(answer["to_be_signed"])


@ON_SQLITE
def test_a_certificate_that_was_revoked_meanwhile_completes_nothing(
    signer: Visitor, session: Session, container: Container
) -> None:
    """The certificate is judged at both steps; a session by another certificate of the party does not help."""
    answer = prepared_by(signer, session)
    value = sign_value(signer.signer.key, _to_be_signed(answer))
    desk = signing_desk(container)
    revoked = Revoked(signer.signer.certificate.serial_number, container.clock.now(), "keyCompromise")
    issuer = container.authority.intermediate
    at = container.clock.now()
    container.trust.add_crl(
        build_crl(issuer.key, issuer.certificate, [revoked], 1 << 40, at, crl_profile("intermediate"))
    )

    with pytest.raises(CertificateRevoked):
        prepared_documents.complete(answer["id"], value, party="IR-5", desk=desk)
    assert prepared_documents.show(answer["id"], party="IR-5", desk=desk).state == "prepared"


@ON_SQLITE
def test_a_stamp_that_cannot_be_had_leaves_it_prepared(
    signer: Visitor, session: Session, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the time-stamping authority makes none, nothing is recorded; the same value completes it afterwards."""
    answer = prepared_by(signer, session, level="B-T")
    place = f"/signing/prepared/{answer['id']}"
    value = value_outside(tmp_path / "outside", signer, answer)
    with monkeypatch.context() as patch:
        patch.setattr(TimeStampAuthority, "respond", lambda *_: b"")
        refused = signer.client.post(f"{place}/signature", json=value, headers=session)
    assert (refused.status_code, refused.json()["code"]) == (503, "timestamp-unavailable")
    assert signer.client.get(place, headers=session).json() == answer

    done = signer.client.post(f"{place}/signature", json=value, headers=session)
    assert done.status_code == 200, done.text


@ON_SQLITE
def test_a_container_of_several_documents_reaches_the_highest_level(
    signer: Visitor, session: Session, tmp_path: Path
) -> None:
    """Two files are prepared as one container and completed as B-LTA; both are inside as they came."""
    documents = [{"name": f"{each}.txt", "content": to_base64(each.encode())} for each in ("one", "two")]
    answer = prepared_by(signer, session, format="asice", level="B-LTA", documents=documents)
    assert [each["name"] for each in answer["documents"]] == ["one.txt", "two.txt"]

    done = signer.client.post(
        f"/signing/prepared/{answer['id']}/signature",
        json=value_outside(tmp_path / "outside", signer, answer),
        headers=session,
    )
    assert done.status_code == 200, done.text
    with ZipFile(BytesIO(done.content)) as opened:
        assert (opened.read("one.txt"), opened.read("two.txt")) == (b"one", b"two")


def test_only_so_many_wait_at_once(signer: Visitor, session: Session, container: Container) -> None:
    """A party cannot fill the database with what it never signs; what is over no longer counts."""
    desk = signing_desk(container)
    wish = Wish("file", Level.B_B, timedelta(minutes=5))
    for each in range(desk.max_waiting):
        prepared_documents.prepare(
            [GivenFile(f"{each}.txt", CONTENT)],
            wish,
            signer.signer.certificate,
            (),
            party="IR-5",
            desk=desk,
        )
    refused = signer.client.post("/signing/prepared", json=body_of(signer), headers=session)
    assert (refused.status_code, refused.json()["limit"]) == (413, desk.max_waiting)
    assert isinstance(container.clock, DemoClock)
    container.clock.advance(wish.life)
    given, certificate = [GivenFile("again.txt", CONTENT)], signer.signer.certificate
    again = prepared_documents.prepare(given, wish, certificate, (), party="IR-5", desk=desk)
    assert again.state == "prepared"


def test_only_so_many_signed_ones_are_kept(signer: Visitor, container: Container) -> None:
    """Nor with what it signs one after the other: the newest can be fetched once more, older ones are forgotten."""
    desk, party = replace(signing_desk(container), max_waiting=2), "IR-5"
    wish, certificate = Wish("file", Level.B_B, timedelta(minutes=5)), signer.signer.certificate
    made = []
    assert isinstance(container.clock, DemoClock)
    for each in range(4):
        given = [GivenFile(f"{each}.txt", CONTENT)]
        waiting = prepared_documents.prepare(given, wish, certificate, (), party=party, desk=desk)
        assert waiting.prepared is not None
        value = sign_value(signer.signer.key, waiting.prepared.attributes)
        container.clock.advance(timedelta(seconds=1))
        made.append((waiting.id, prepared_documents.complete(waiting.id, value, party=party, desk=desk)))

    for identifier, signed in made[2:]:
        assert prepared_documents.signed_document_of(identifier, party=party, desk=desk) == signed
    for identifier, _ in made[:2]:
        with pytest.raises(PreparedUnknown):
            prepared_documents.signed_document_of(identifier, party=party, desk=desk)


@ON_SQLITE
def test_documents_that_take_long_hold_no_other_room_up(
    signer: Visitor, session: Session, container: Container
) -> None:
    """Only so many are signed or extended at a time; who finds no place in time is told to come again."""
    busy = BoundedWork(1, 0.0, 60.0)
    places = signer.client.app.dependency_overrides  # type: ignore[attr-defined]
    places[signing_places] = lambda: busy
    extension = {"document": to_base64(CONTENT), "level": "B-T"}
    assert signer.client.post("/signing/extensions", json=extension, headers=session).status_code == 422

    busy._places = asyncio.Semaphore(0)
    refused = [
        signer.client.post("/signing/prepared", json=body_of(signer), headers=session),
        signer.client.post("/signing/extensions", json=extension, headers=session),
        signer.client.post("/signing/prepared/1/signature", json={"signature": "AA=="}, headers=session),
    ]
    places.clear()
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(503, "unavailable")] * 3
    prepared_by(signer, session)


@ON_SQLITE
def test_the_seal_belongs_to_a_role(
    registrar: Visitor, signer: Visitor, session: Session, container: Container, tmp_path: Path
) -> None:
    """A sealer has the organisation's seal put on a document, and the log names who; others are refused. It is not
    the key of receipts."""
    body = {name: value for name, value in body_of(signer).items() if name != "certificate"}
    refused = signer.client.post("/signing/seals", json=body, headers=session)
    assert (refused.status_code, refused.json()["code"]) == (403, "role-missing")
    sealer = enrol(registrar, tmp_path, "IR-6", "sealer")

    sealed = sealer.client.post("/signing/seals", json={**body, "level": "B-T"}, headers=sealer.sign_in())

    assert sealed.status_code == 200, sealed.text
    found = verify_detached(CONTENT, sealed.content, container.trust.store(), now=container.clock.now())
    assert found.party == "IRO-00000000000-SEAL"
    assert found.party != container.receipt_signer.party
    (fact,) = facts(container)
    assert (fact["type"], fact["data"]["by"]) == (DOCUMENT_SEALED.name, "IR-6")
    assert fact["data"]["digest"] == sha256_hex(sealed.content)


@ON_SQLITE
def test_a_signature_is_extended(signer: Visitor, session: Session, container: Container) -> None:
    """A basic signature grows to the highest level, and again by a fresh archive time stamp; nonsense is refused."""
    answer = prepared_by(signer, session)
    value = to_base64(sign_value(signer.signer.key, _to_be_signed(answer)))
    place = f"/signing/prepared/{answer['id']}/signature"
    basic = signer.client.post(place, json={"signature": value}, headers=session).content
    body = {"document": to_base64(basic), "content": to_base64(CONTENT)}

    higher = signer.client.post("/signing/extensions", json={**body, "level": "B-LTA"}, headers=session)
    assert higher.status_code == 200, higher.text
    fresh = signer.client.post(
        "/signing/extensions", json={**body, "document": to_base64(higher.content)}, headers=session
    )
    assert (fresh.status_code, len(fresh.content) > len(higher.content) > len(basic)) == (200, True)
    nonsense = signer.client.post(
        "/signing/extensions", json={"document": to_base64(b"nothing"), "level": "B-T"}, headers=session
    )
    assert (nonsense.status_code, nonsense.json()["code"]) == (422, "document-unreadable")


@ON_SQLITE
def test_what_is_too_long_or_misnamed_is_refused(
    signer: Visitor, session: Session, container: Container, client: TestClient
) -> None:
    """Documents beyond the limit, names with folders, and several documents for one signature are refused."""
    limit = container.settings.signing.max_document_bytes
    long = [{"name": "long", "content": to_base64(bytes(limit + 1))}]
    two = [{"name": each, "content": ""} for each in ("one", "two")]
    for changed, status, code in (
        ({"documents": long}, 413, "limit-exceeded"),
        ({"documents": [{"name": "../deed", "content": ""}]}, 422, "malformed-input"),
        ({"documents": two}, 422, "malformed-input"),
        ({"pdf": {"reason": "a file has none"}}, 422, "malformed-input"),
        ({"documents": two, "format": "asice", "enveloping": True}, 422, "malformed-input"),
        ({"certificate": "none"}, 422, "malformed-input"),
    ):
        body = body_of(signer, **changed)
        refused = client.post("/signing/prepared", json=body, headers=session)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


@ON_SQLITE
def test_an_installation_without_a_seal_gets_one(
    registrar: Visitor, container: Container, tmp_path: Path, folder: Path
) -> None:
    """Where there is no seal it is said so, until ``mohr pki seal`` has made it and the server is started again."""
    sealer = enrol(registrar, tmp_path, "IR-6", "sealer")
    session = sealer.sign_in()
    body = {name: value for name, value in body_of(sealer).items() if name != "certificate"}
    for name in ("certificates/seal.pem", "keys/seal.key"):
        (folder / "authority" / name).unlink()

    def sealed() -> tuple[int, Any]:
        again = build_container(load_settings(folder))
        try:
            with TestClient(create_app(again), base_url=again.settings.api.base_url) as client:
                answer = client.post("/signing/seals", json=body, headers=session)
                return answer.status_code, answer.headers["content-type"]
        finally:
            again.close()

    assert sealed() == (503, "application/problem+json")
    made = CliRunner().invoke(main, ["pki", "seal", "--folder", str(folder)])
    assert made.exit_code == 0, made.output
    assert sealed() == (200, "application/pkcs7-mime")


_COMPLETING = """
import sys
from pathlib import Path
from app.bootstrap import build_container
from app.settings import load_settings
from app.signing_desk import signing_desk
from kernel.failpoints import arm
from documents.prepared import complete

folder, identifier, value = sys.argv[1:]
arm(demo=True)
container = build_container(load_settings(Path(folder)))
container.trust.refresh()
complete(identifier, bytes.fromhex(value), party="IR-5", desk=signing_desk(container))
"""


@ON_SQLITE
def test_a_process_that_dies_leaves_a_document_prepared_or_completed(
    signer: Visitor, session: Session, container: Container, tmp_path: Path
) -> None:
    """Killed before the commit it can be completed as if nothing had been; killed after it the signed document is
    there to be fetched, and a second value is refused."""
    answer = prepared_by(signer, session)
    value = sign_value(signer.signer.key, _to_be_signed(answer))
    place, found = f"/signing/prepared/{answer['id']}", []
    for point in ("before.document-signed", "after.document-signed"):
        (tmp_path / "failpoints").write_text(f"{point} 1")
        died = subprocess.run(
            [sys.executable, "-c", _COMPLETING, container.settings.folder, answer["id"], value.hex()],
            env={**os.environ, VARIABLE: str(tmp_path / "failpoints")},
            cwd=Path(__file__).resolve().parents[4],
            timeout=120,
            check=False,
        )
        shown = signer.client.get(place, headers=session).json()["state"]
        found.append((died.returncode, shown, len(facts(container))))

    assert found == [(-signal.SIGKILL, "prepared", 1), (-signal.SIGKILL, "completed", 2)]
    assert signer.client.get(f"{place}/signed-document", headers=session).status_code == 200
    again = {"signature": to_base64(value)}
    refused = signer.client.post(f"{place}/signature", json=again, headers=session)
    assert refused.json()["code"] == "prepared-completed"


@ON_SQLITE
def test_a_pdf_is_signed_visibly_in_two_steps(
    signer: Visitor, session: Session, client: TestClient, tmp_path: Path
) -> None:
    """A PDF is prepared with a visible signature, completed as B-LT by an outside value, and verified here."""
    documents = [{"name": "plan.pdf", "content": to_base64(classic_pdf())}]
    pdf = {"visible": {"page": 1, "rectangle": [50, 50, 250, 130], "qr": "urn:x"}, "reason": "تایید"}
    answer = prepared_by(signer, session, format="pdf", level="B-LT", documents=documents, pdf=pdf)

    done = client.post(
        f"/signing/prepared/{answer['id']}/signature",
        json=value_outside(tmp_path / "outside", signer, answer),
        headers=session,
    )

    assert (done.status_code, done.headers["content-type"]) == (200, "application/pdf"), done.text
    judged = client.post(
        "/signing/verifications", content=done.content, headers={"Content-Type": "application/pdf"}
    )
    assert judged.json()["indication"] == "TOTAL-PASSED", judged.text
    outside = {"page": 1, "rectangle": [50, 50, 40, 130]}
    body = body_of(signer, format="pdf", documents=documents, pdf={"visible": outside})
    refused = client.post("/signing/prepared", json=body, headers=session)
    assert (refused.status_code, refused.json()["code"]) == (409, "signing-forbidden")
