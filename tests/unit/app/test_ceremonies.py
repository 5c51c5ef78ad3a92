"""Ceremonies beside a server that runs: what they leave counts within a second, for everybody."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.bootstrap import build_container
from app.cli import main
from app.container import Container
from app.export import anchors_of, trust_files
from app.installation import Plan, initialise
from app.settings import load_settings
from audit.evidence import Anchors, read_trust
from audit.folder import Folder
from client.folder import PartyFolder
from client.session import PartySession
from events.outbox import OutboxRow
from kernel.canonical import parse_canonical
from kernel.clock import DemoClock, SystemClock
from kernel.database import read_only
from kernel.errors import Conflict, DomainError, WrongState
from pki.algorithms import fingerprint_of
from pki.authority import make_request, new_serial
from pki.ceremonies.operators import make_operator
from pki.errors import AuthorityNotActive, RevocationUnknown, TranscriptInvalid
from pki.keys import KeyStore
from pki.names import Subject
from pki.ocsp import LOOK_SECONDS
from pki.ocsp_request import make_question
from pki.ocsp_verification import verify_answer
from pki.profiles import PERSON_SIGNING
from pki.registration import admit_at_installation
from pki.registry import find_certificate
from pki.revocation import revoke_certificate
from signing.cms import Signer
from tests.support.authority import make_key
from tests.support.ceremonies import Hall
from tests.support.outside_root import OutsideRoot
from tests.support.registry import CHEAP, REGISTRAR
from tests.unit.app.people import Visitor, enrol

PASSPHRASE = "a passphrase of operators"


class Officers:
    """Two operators with folders of their own, who hold ceremonies by the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ("zahra", "omid")
        self.entries = [make_operator(folder / name, name, PASSPHRASE, cost=CHEAP).entry for name in names]
        (folder / "passphrase").write_text(PASSPHRASE)

    def hold(self, installation: Path, kind: str, id: str, section: Mapping[str, str], *more: str) -> str:
        """What ``mohr pki ceremony`` printed; raises the refusal as AssertionError."""
        lines = ['ceremony = "mohr/ceremony/v1"', f'id = "{id}"', f'kind = "{kind}"', f"[{kind}]"]
        lines += [f'{name} = "{value}"' for name, value in section.items()]
        for each in self.entries:
            lines += ["[[operators]]", f'name = "{each.name}"', f'public_key = "{each.public_key}"']
        (self.folder / f"{id}.toml").write_text("\n".join(lines))
        arguments = ["pki", "ceremony", str(self.folder / f"{id}.toml"), "--folder", str(installation), *more]
        for each in self.entries:
            arguments += ["--operator", str(self.folder / each.name)]
            arguments += ["--operator-passphrase-file", str(self.folder / "passphrase")]
        return run(*arguments)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def officers(tmp_path: Path) -> Officers:
    return Officers(tmp_path)


class TrustOnly:
    """As much of the client's connection as its trust needs, to the real API."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def get(self, path: str) -> object:
        return self._client.get(path).json()


def client_of(container: Container, client: TestClient) -> PartySession:
    folder = PartyFolder(container.settings.folder / "registrar")
    return PartySession(folder, TrustOnly(client), container.clock)  # type: ignore[arg-type]


def judged_by(container: Container, client: TestClient, folder: Path, visitor: Visitor) -> list[str]:
    """How server, client and auditor judge a signature of now: the code of the refusal, or nothing."""
    for path, content in trust_files(container):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(content, bytes)
        (folder / path).write_bytes(content)
    anchors = Anchors(
        x509.load_pem_x509_certificate(anchors_of(container)["root"].encode()), "", (), "", demo=True
    )
    stores = {
        "server": container.trust.store(),
        "client": client_of(container, client).trust(),
        "audit": read_trust(Folder(folder), anchors),
    }
    codes = []
    for who, store in stores.items():
        try:
            store.validate(visitor.signer.certificate, [], container.clock.now(), "signature")
            codes.append(f"{who}: fine")
        except DomainError as refusal:
            codes.append(f"{who}: {refusal.code}")
    return codes


def test_a_compromised_authority_and_the_next_one(
    container: Container, client: TestClient, registrar: Visitor, officers: Officers, tmp_path: Path
) -> None:
    """A second after the ceremony server, client and auditor refuse all below it; a new generation takes its place."""
    installation = container.settings.folder
    clock = container.clock
    assert isinstance(clock, DemoClock)
    session = registrar.sign_in()
    body = {"profile": "person-signing", "csr": make_csr("IR-9")}
    waiting = client.post("/pki/requests", json=body).json()["id"]
    assert judged_by(container, client, tmp_path / "before", registrar) == [
        "server: fine", "client: fine", "audit: fine",
    ]  # fmt: skip

    pair = (registrar.signer.certificate, container.authority.intermediate.certificate)

    def status() -> tuple[str, str | None]:
        answer = container.ocsp.respond(make_question([pair])).body
        found = verify_answer(answer, *pair, at=clock.now())
        return found.kind, found.reason

    assert status() == ("good", None)
    told = officers.hold(
        installation, "revoke", "gone", {"authority": "intermediate", "reason": "keyCompromise"}
    )
    assert "revoked authority=intermediate reason=keyCompromise" in told
    clock.advance(timedelta(seconds=1))

    refused = client.post("/auth/sessions", json=registrar.proof(registrar.challenge()))
    assert refused.json()["code"] == "login-refused"
    assert judged_by(container, client, tmp_path / "after", registrar) == [
        "server: certificate-revoked", "client: certificate-revoked", "audit: certificate-revoked",
    ]  # fmt: skip
    time.sleep(LOOK_SECONDS)
    assert status() == ("revoked", "cACompromise")
    with pytest.raises(WrongState, match="and the certificate with it"):
        revoke_certificate(
            fingerprint_of(pair[0]),
            "superseded",
            actor=REGISTRAR,
            unit_of_work=container.unit_of_work,
            clock=clock,
            authority=container.authority,
        )
    admit_at_installation(waiting, Subject("Nine", "IR-9"), unit_of_work=container.unit_of_work, clock=clock)
    ended = client.post(f"/pki/requests/{waiting}/issue", headers=session)
    assert (ended.status_code, ended.json()["code"]) == (401, "session-ended")
    csr, wish = make_csr("IR-9").encode(), Subject("Nine", "IR-9")
    with pytest.raises(AuthorityNotActive):
        container.authority.issue(csr, PERSON_SIGNING, wish, serial=new_serial(), now=clock.now())
    with read_only(container.sessions) as reading:
        revoked = find_certificate(reading, fingerprint_of(container.authority.intermediate.certificate))
        assert revoked is not None
        assert (revoked.state, revoked.reason) == ("revoked", "keyCompromise")

    officers.hold(installation, "intermediate", "anew", {"organization": "Mohr", "party": "IRO-00000000000"})
    key = make_key()
    (tmp_path / "registrar.csr").write_bytes(make_request(key, Subject("Wish", registrar.party)))
    section = {"profile": "person-signing", "request": "registrar.csr", "party": registrar.party}
    officers.hold(installation, "certify", "registrar", {**section, "name": "First Registrar"})
    clock.advance(timedelta(seconds=1))
    certified = installation / "authority" / "ceremonies" / "0003-registrar" / "certified.pem"
    signer = Signer(key, x509.load_pem_x509_certificate(certified.read_bytes()), ())
    again = Visitor(registrar.party, signer, client, container)
    header = again.sign_in()
    issued = client.post(f"/pki/requests/{waiting}/issue", headers=header)
    assert issued.status_code == 200, issued.text
    new = x509.load_pem_x509_certificate(issued.json()["certificate"].encode())
    assert container.trust.store().validate(new, [], clock.now(), "signature").party == "IR-9"
    assert client.get("/pki/ca/intermediate-2.crt").status_code == 200
    assert client.get("/pki/crl/intermediate-2.crl").status_code == 200
    restarted = build_container(container.settings)
    try:
        restarted.trust.refresh()
        assert restarted.receipt_signer.chain == restarted.authority.chain
        assert restarted.authority.intermediate.name == "intermediate-2"
        for stamper in restarted.authority.stampers.values():
            assert stamper.chain == restarted.authority.chain
            assert restarted.trust.store().validate(stamper.certificate, [], clock.now(), "timestamping")
        receipts = restarted.receipt_signer.certificate
        assert restarted.trust.store().validate(receipts, [], clock.now(), "signature")
    finally:
        restarted.close()


def make_csr(party: str) -> str:
    request = x509.load_der_x509_csr(make_request(make_key(), Subject("Wish", party)))
    return request.public_bytes(Encoding.PEM).decode()


def test_a_ceremony_is_recorded_once(container: Container, officers: Officers) -> None:
    """Its event names the transcript; what it made is in the record; and --verify prints the same transcript again."""
    installation = container.settings.folder
    told = officers.hold(installation, "rekey", "new-root", {"authority": "root"})
    container.trust.refresh(at_most_every_seconds=0)
    container.trust.refresh(at_most_every_seconds=0)
    with read_only(container.sessions) as session:
        rows = [parse_canonical(row.payload) for row in session.scalars(select(OutboxRow))]
        held = [each["data"] for each in rows if each["type"] == "ir.tehran.pki.ceremony-held.v1"]
        assert len(held) == 1
        assert held[0]["transcript"] in told
        assert all(find_certificate(session, each) for each in held[0]["certificates"])
        assert len(held[0]["certificates"]) == 3
    path = installation / "authority" / "ceremonies" / "0001-new-root" / "transcript.json"
    assert run("pki", "ceremony", "--verify", str(path)).startswith(told.strip())
    path.write_bytes(path.read_bytes().replace(b"zahra", b"zohre"))
    fresh = build_container(container.settings)
    try:
        with pytest.raises(TranscriptInvalid):
            fresh.trust.refresh()
    finally:
        fresh.close()


def test_an_older_folder_takes_nothing_back(container: Container, officers: Officers) -> None:
    """Whoever removes a recorded ceremony, as to undo a revocation, is found out, and nothing of it is taken up."""
    installation = container.settings.folder
    officers.hold(installation, "revoke", "gone", {"authority": "intermediate", "reason": "keyCompromise"})
    container.trust.refresh(at_most_every_seconds=0)
    held = installation / "authority" / "ceremonies" / "0001-gone"
    held.rename(installation / "authority" / "gone")
    with pytest.raises(TranscriptInvalid):
        container.trust.refresh(at_most_every_seconds=0)
    assert container.authority.intermediate.state == "revoked"
    fresh = build_container(container.settings)
    try:
        with pytest.raises(TranscriptInvalid):
            fresh.trust.refresh()
    finally:
        fresh.close()


def test_a_serial_belongs_to_one_authority(container: Container, officers: Officers) -> None:
    """What was intended for one authority is not signed by the next one, which a ceremony brought in meanwhile."""
    intended = container.authority.intermediate.name
    officers.hold(container.settings.folder, "rekey", "next", {"authority": "intermediate"})
    container.trust.refresh(at_most_every_seconds=0)
    csr, wish, now = make_csr("IR-9").encode(), Subject("Nine", "IR-9"), container.clock.now()
    with pytest.raises(WrongState):
        container.authority.issue(csr, PERSON_SIGNING, wish, serial=7, now=now, expected=intended)
    assert container.authority.issue(csr, PERSON_SIGNING, wish, serial=7, now=now, expected="intermediate-2")


def test_after_a_new_root_nobody_is_left_out(
    container: Container, client: TestClient, registrar: Visitor, officers: Officers, tmp_path: Path
) -> None:
    """Parties and auditors with the old anchors verify what is issued below the new root."""
    installation, clock = container.settings.folder, container.clock
    assert isinstance(clock, DemoClock)
    officers.hold(installation, "rekey", "new-root", {"authority": "root"})
    officers.hold(installation, "rekey", "new-authority", {"authority": "intermediate"})
    clock.advance(timedelta(seconds=1))
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer")
    assert fingerprint_of(container.authority.root.certificate) != fingerprint_of(
        container.authority.anchor.certificate
    )
    for visitor in (registrar, buyer):
        assert judged_by(container, client, tmp_path / visitor.party, visitor) == [
            "server: fine", "client: fine", "audit: fine",
        ]  # fmt: skip
    assert buyer.sign_in()


def plan_of(folder: Path, **values: object) -> Plan:
    fixed = {"registrar_party": "IR-0000000001", "registrar_name": "First", "demo": True}
    return Plan(folder=folder, registrar_folder=folder / "registrar", **{**fixed, **values})  # type: ignore[arg-type]


def test_a_root_apart(tmp_path: Path, officers: Officers) -> None:
    """The server works without the root's key, also when its store is gone; its list is renewed in a ceremony."""
    (tmp_path / "secret").write_text("the passphrase of the root")
    folder, store = tmp_path / "city", tmp_path / "root-keys"
    initialise(plan_of(folder, root_keys=store, root_passphrase_file=tmp_path / "secret"))
    assert KeyStore(store, "the passphrase of the root").names() == ["root"]
    store.rename(tmp_path / "safe")
    container = build_container(load_settings(folder))
    try:
        clock = container.clock
        assert isinstance(clock, DemoClock)
        container.trust.refresh()
        assert len(container.trust.crls()) == 2
        signer = container.receipt_signer
        assert container.trust.store().validate(signer.certificate, [], clock.now(), "signature")
        clock.advance(timedelta(days=91))
        container.trust.refresh()
        with pytest.raises(RevocationUnknown):
            container.trust.store().validate(signer.certificate, [], clock.now(), "signature")
        store = tmp_path / "safe"
        more = ("--root-keys", str(store), "--root-passphrase-file", str(tmp_path / "secret"))
        officers.hold(folder, "crl", "list", {"authority": "root"}, *more)
        clock.advance(timedelta(seconds=1))
        container.trust.refresh()
        assert container.trust.store().validate(signer.certificate, [], clock.now(), "signature")
    finally:
        container.close()


def test_an_installation_below_an_outside_root(tmp_path: Path) -> None:
    """Ceremonies first, then ``mohr init`` takes what they made; the outside root's list comes in by a command."""
    secret = "a passphrase of the authority"
    hall, outside = Hall(tmp_path / "hall", passphrase=secret), OutsideRoot(tmp_path / "outside")
    now = SystemClock().now()
    hall.clock.advance(now - hall.clock.now())
    subject = {"organization": "Tehran", "party": "IRO-1"}
    asked = hall.hold("request", "ask", subject, authority={"base_url": "http://127.0.0.1:8400"})
    (hall.inputs / "root.pem").write_bytes(outside.root)
    (hall.inputs / "ca.pem").write_bytes(outside.sign((asked.folder / "intermediate.csr").read_bytes()))
    hall.hold("certificate", "take", {"root": "root.pem", "certificate": "ca.pem"})
    city = tmp_path / "city"
    city.mkdir()
    hall.authority.rename(city / "authority")
    (tmp_path / "passphrase").write_text(secret)
    values = {"demo": False, "passphrase_file": tmp_path / "passphrase"}
    with pytest.raises(Conflict):
        initialise(plan_of(city, **values, base_url="https://elsewhere.example"))
    initialise(plan_of(city, **values))
    container = build_container(load_settings(city))
    try:
        assert anchors_of(container)["root"].encode() == outside.root
        signer = container.receipt_signer
        container.trust.refresh()
        with pytest.raises(RevocationUnknown):
            container.trust.store().validate(signer.certificate, [], container.clock.now(), "signature")
        (tmp_path / "outside.crl").write_bytes(outside.crl(now - timedelta(hours=1)))
        told = run("pki", "take-crl", str(tmp_path / "outside.crl"), "--folder", str(city))
        assert told == "taken in: the list of root\n"
        container.trust.refresh(at_most_every_seconds=0)
        assert container.trust.store().validate(signer.certificate, [], container.clock.now(), "signature")
        audited = CliRunner().invoke(
            main, ["pki", "audit", "--json", "--folder", str(city), "--trust", str(city / "anchors.json")]
        )
        # The pinned root is this authority's; only a witness has not cosigned yet.
        assert [each["code"] for each in json.loads(audited.stdout)["findings"]] == ["log-not-trusted"]
        (tmp_path / "older.crl").write_bytes(OutsideRoot(tmp_path / "other").crl(now))
        refused = CliRunner().invoke(
            main, ["pki", "take-crl", str(tmp_path / "older.crl"), "--folder", str(city)]
        )
        assert (refused.exit_code, "not-found" in refused.output) == (2, True)
    finally:
        container.close()
