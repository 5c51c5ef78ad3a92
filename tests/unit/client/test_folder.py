"""The party's folder: private, whole, and consistent with itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from client.anchors import Anchors
from client.enrolment import (
    collect_certificates,
    digest_of_request,
    request_certificates,
    request_digests,
)
from client.errors import FolderInvalid, NotVerified
from client.folder import PartyFolder, Use
from client.http import ApiClient
from client.login import log_in, origin_of
from client.registrar import Registrar
from kernel.canonical import from_base64, parse_canonical, sha256_hex
from kernel.errors import NotFound
from kernel.ids import new_id
from pki.authority import issue, new_serial
from pki.errors import KeyUnavailable
from pki.names import Subject, party_of
from pki.papers import Application, Decision
from pki.profiles import PERSON_SIGNING, profile_named
from tests.support.tenders import TenderWorld
from tests.unit.client.world_server import WorldServer, folder_for


@pytest.fixture
def anchors(world: TenderWorld, tmp_path: Path) -> dict[str, Any]:
    return folder_for(world, world.officer, tmp_path / "officer").anchors.to_json()


def made(path: Path, anchors: dict[str, Any], passphrase: str | None = None) -> PartyFolder:
    return PartyFolder.create(
        path,
        party="IR-0000000042",
        name="زهرا مرادی",
        base_url="https://mohr.test",
        anchors=anchors,
        passphrase=passphrase,
    )


def test_keys_are_private_and_never_overwritten(tmp_path: Path, anchors: dict[str, Any]) -> None:
    """The folder has mode 0700, the key 0600, and a second call keeps the first key."""
    folder = made(tmp_path / "p", anchors)
    folder.make_key("signing")
    first = folder.key("signing").private_numbers()
    folder.make_key("signing")

    assert folder.key("signing").private_numbers() == first
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "p" / "signing.key.pem").stat().st_mode & 0o777 == 0o600


def test_a_passphrase_keeps_keys_closed(tmp_path: Path, anchors: dict[str, Any]) -> None:
    """With a passphrase no key lies in the folder in clear, and another passphrase does not open it."""
    folder = made(tmp_path / "p", anchors, "correct horse")
    folder.make_key("encryption")
    numbers = folder.key("encryption").private_numbers()

    assert not (tmp_path / "p" / "encryption.key.pem").exists()
    assert (
        PartyFolder(tmp_path / "p", passphrase="correct horse").key("encryption").private_numbers() == numbers
    )
    with pytest.raises(KeyUnavailable):
        PartyFolder(tmp_path / "p", passphrase="wrong")


def test_a_request_proves_possession_for_the_party(tmp_path: Path, anchors: dict[str, Any]) -> None:
    """The CSR is signed by the key it asks for and names the party."""
    folder = made(tmp_path / "p", anchors)
    folder.make_key("signing")
    request = x509.load_pem_x509_csr(folder.certificate_request("signing"))

    assert request.is_signature_valid
    assert request.public_key() == folder.key("signing").public_key()


def test_only_a_certificate_for_the_own_key_is_installed(
    tmp_path: Path, anchors: dict[str, Any], world: TenderWorld
) -> None:
    """A certificate for another key is refused; the right one makes a signer, with the root left out of its chain."""
    folder = made(tmp_path / "p", anchors)
    folder.make_key("signing")
    stranger = world.officer.certificate.public_bytes(Encoding.PEM)
    with pytest.raises(FolderInvalid):
        folder.install("signing", stranger, [])
    certificate = world.authority.certify(folder.key("signing"), PERSON_SIGNING, folder.party, "X")
    chain = [each.public_bytes(Encoding.PEM) for each in (world.authority.intermediate, world.authority.root)]

    folder.install("signing", certificate.public_bytes(Encoding.PEM), chain)

    assert folder.signer().party == "IR-0000000042"
    assert folder.signer().chain == (world.authority.intermediate,)


@pytest.mark.parametrize("name", ["party.json", "anchors.json", "signing.key.pem", "signing.cert.pem"])
def test_a_missing_file_is_named(tmp_path: Path, world: TenderWorld, name: str) -> None:
    """What is not there is a FolderInvalid, not a traceback."""
    folder = folder_for(world, world.officer, tmp_path / "p")
    (tmp_path / "p" / name).unlink()

    fresh = PartyFolder(folder.path)
    reading: dict[str, Callable[[], object]] = {
        "party.json": lambda: fresh.party,
        "anchors.json": lambda: fresh.anchors,
    }

    with pytest.raises(FolderInvalid):
        reading.get(name, fresh.signer)()


@pytest.mark.parametrize(
    "change",
    [
        {"witnesses": []},
        {"root": "no"},
        {"log": 1},
        {"type": "mohr/other/v1"},
        {"extra": 1},
        {"witnesses": [1]},
    ],
)
def test_anchors_that_pin_nothing_are_refused(anchors: dict[str, Any], change: dict[str, Any]) -> None:
    """Without a root, a log and at least one witness there is nothing to trust by."""
    assert Anchors.from_json(anchors).to_json() == anchors
    with pytest.raises(FolderInvalid):
        Anchors.from_json({**anchors, **change})


class Registry(WorldServer):
    """The part of the server that certifies, answers challenges and opens sessions."""

    origin = "https://mohr.test"

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> dict[str, Any]:
        sent = json.loads(body) if body else {}
        if path == "/auth/challenges":
            return {"challenge": "ab" * 32, "origin": self.origin, "expires_at": ""}
        if path == "/auth/sessions":
            self.signed.append(sent)
            return {"token": "t"}
        if path == "/pki/applications":
            return self._apply(sent)
        if path == "/pki/decisions":
            return self._decide(sent)
        if path.startswith("/pki/requests/"):
            return self._certificates.get(path.split("/")[3], {"state": "entered", "certificate": None})
        request = new_id()
        self._requests[request] = sent
        return {"id": request}

    def __init__(self, world: TenderWorld) -> None:
        super().__init__(world)
        self._requests: dict[str, dict[str, Any]] = {}
        self._applications: dict[str, dict[str, Any]] = {}
        self._certificates: dict[str, dict[str, Any]] = {}

    def _apply(self, sent: dict[str, Any]) -> dict[str, Any]:
        document = from_base64(sent["document"])
        self._applications[sha256_hex(document)] = parse_canonical(document)
        return {"application": sha256_hex(document)}

    def _decide(self, sent: dict[str, Any]) -> dict[str, Any]:
        decision = Decision.from_document(parse_canonical(from_base64(sent["document"])))
        application = Application.from_document(
            self._applications[decision.application], self.world.authority.now
        )
        for request, digest in application.requests.items():
            self._issue(request, digest, application.subject)
        return {}

    def _issue(self, request: str, digest: str, subject: Subject) -> None:
        entered = self._requests[request]
        assert digest_of_request(entered["csr"].encode()) == digest
        authority = self.world.authority
        certificate = issue(
            entered["csr"].encode(),
            profile_named(entered["profile"]),
            subject,
            authority.intermediate_key,
            authority.intermediate,
            serial=new_serial(),
            now=authority.now,
        )
        chain = [authority.intermediate.public_bytes(Encoding.PEM).decode()]
        pem = certificate.public_bytes(Encoding.PEM).decode()
        self._certificates[request] = {"state": "issued", "certificate": pem, "chain": chain}


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_a_staged_key_takes_its_place(
    tmp_path: Path, anchors: dict[str, Any], world: TenderWorld, passphrase: str | None
) -> None:
    """The next key is made beside the present one, which stays under another name once that is replaced."""
    folder = made(tmp_path / "p", anchors, passphrase)
    folder.make_key("signing")
    present = folder.key("signing")
    authority = world.authority
    certificate = authority.certify(present, PERSON_SIGNING, folder.party, folder.name)
    chain = [authority.intermediate.public_bytes(Encoding.PEM)]
    folder.install("signing", certificate.public_bytes(Encoding.PEM), chain)
    folder.make_key("signing", staged=True)
    following = folder.key("signing", staged=True)
    assert folder.key("signing").private_numbers() == present.private_numbers() != following.private_numbers()

    folder.take_staged_key("signing")
    folder.take_staged_key("signing")

    assert folder.key("signing").private_numbers() == following.private_numbers()
    with pytest.raises((FolderInvalid, KeyUnavailable)):
        folder.key("signing", staged=True)
    assert len(list(folder.path.rglob("signing.until-*"))) == 1


def test_a_login_for_another_origin_is_not_signed(
    tmp_path: Path, anchors: dict[str, Any], world: TenderWorld
) -> None:
    """A challenge that was made for another site, and relayed, gets no signature."""
    folder = folder_for(world, world.officer, tmp_path / "p")
    folder.write_json("party.json", {"party": folder.party, "name": "x", "base_url": "https://mohr.test"})
    server = Registry(world)
    with ApiClient("https://mohr.test", transport=server) as api:
        assert log_in(PartyFolder(folder.path), api, world.clock) == "t"
        server.origin = "https://mohr.test.evil"
        with pytest.raises(NotVerified):
            log_in(PartyFolder(folder.path), api, world.clock)

    assert len(server.signed) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.test", "https://a.test:443/x", True),
        ("http://a.test:80", "http://A.test", True),
        ("http://a.test", "https://a.test", False),
        ("https://a.test:8443", "https://a.test", False),
        ("https://a.test@b.test", "https://a.test", False),
    ],
)
def test_origins_are_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    """RFC 6454: the default port is filled in, user information does not count as the host."""
    assert (origin_of(one) == origin_of(other)) is same


def test_enrolment_goes_on_after_an_interruption(
    tmp_path: Path, anchors: dict[str, Any], world: TenderWorld
) -> None:
    """One request per use however often it is asked, a wait for the registrar, then both certificates."""
    server = Registry(world)
    folder = made(tmp_path / "p", anchors)
    with ApiClient("https://mohr.test", transport=server) as api:
        profiles: dict[Use, str] = {"signing": "person-signing", "encryption": "member-encryption"}
        requests = request_certificates(folder, api, profiles)
        assert request_certificates(folder, api, profiles) == requests
        assert collect_certificates(folder, api) == ["signing", "encryption"]
        registrar = Registrar(api, world.officer, world.clock)
        digests, subject = request_digests(folder), Subject(folder.name, folder.party)
        assert set(digests) == set(requests.values())
        evidence = [registrar.seen("passport", "P-1", b"scan")]
        for use, waiting in (("signing", ["encryption"]), ("encryption", [])):
            request = requests[use]
            registrar.decide(registrar.apply({request: digests[request]}, subject, evidence), issue=True)
            assert collect_certificates(folder, api) == waiting

    assert party_of(folder.certificate("encryption")) == folder.party
    assert folder.signer().party == folder.party


def test_collecting_before_requesting_is_refused(tmp_path: Path, anchors: dict[str, Any]) -> None:
    """There is nothing to fetch for a folder that asked for nothing."""
    folder = made(tmp_path / "p", anchors)

    with ApiClient("http://127.0.0.1:9") as api, pytest.raises(NotFound):
        collect_certificates(folder, api)
