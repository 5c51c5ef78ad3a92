"""A whole installation whose authority's keys were made in a SoftHSM token and never leave it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pkcs11
import pytest
from click.testing import CliRunner
from cryptography import x509
from fastapi.testclient import TestClient

from app.api.application import create_app
from app.bootstrap import build_container
from app.cli import main
from app.container import Container
from app.settings import SETTINGS_FILE, load_settings
from kernel.errors import Conflict
from pki.algorithms import fingerprint_of
from pki.errors import TokenPinRefused, TokenUnavailable
from pki.ocsp_request import make_question
from pki.ocsp_verification import verify_answer
from pki.timestamp import make_request, token_of_response, verify_token
from pki.token_module import find_module
from tests.support.softhsm import MODULE, SoftToken, close_all_sessions, softhsm
from tests.unit.app.people import enrol, registrar_of

QUERY = {"Content-Type": "application/timestamp-query"}
NAMES = ["intermediate", "ocsp", "receipt", "root", "seal", "tsa", "tsa-rsa"]


@dataclass(frozen=True)
class Made:
    """What ``mohr init`` made once for all of these tests."""

    folder: Path
    token: SoftToken
    pin_file: Path
    arguments: tuple[str, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    place = tmp_path_factory.mktemp("token")
    with softhsm(place / "softhsm") as token:
        pin_file = place / "pin"
        pin_file.touch(0o600)
        pin_file.write_text(token.pin + "\n", "utf-8")
        named = ("--pkcs11-module", MODULE, "--pkcs11-token", token.label)
        arguments = ("init", "--demo", *named, "--pkcs11-pin-file", str(pin_file))
        done = CliRunner().invoke(main, [*arguments, "--folder", str(place / "installation")])
        assert done.exit_code == 0, done.output
        yield Made(place / "installation", token, pin_file, arguments)


@pytest.fixture
def container(made: Made) -> Iterator[Container]:
    container = build_container(load_settings(made.folder))
    yield container
    container.close()


def test_everything_is_done_with_keys_in_the_token(container: Container, made: Made, tmp_path: Path) -> None:
    """Issuing, revoking, a list, OCSP, stamps by EC and RSA and a restart work; no key is in the folder, or leaves."""
    folder, token = made.folder, made.token
    assert not (folder / "authority" / "keys").exists()
    assert token.pin not in (folder / SETTINGS_FILE).read_text("utf-8")
    assert token.pin not in CliRunner().invoke(main, ["config", "--folder", str(folder)]).output
    with TestClient(create_app(container), base_url=container.settings.api.base_url) as client:
        registrar = registrar_of(container, client)
        buyer = enrol(registrar, tmp_path, "IR-2", "buyer")
        certificate = buyer.signer.certificate
        path = f"/pki/certificates/{fingerprint_of(certificate)}/revoke"
        body = {"reason": "keyCompromise"}
        assert client.post(path, json=body, headers=registrar.sign_in()).status_code in (200, 201, 204)
        crl = x509.load_der_x509_crl(client.get("/pki/crl/intermediate.crl").content)
        assert crl.is_signature_valid(container.authority.intermediate.certificate.public_key())  # type: ignore[arg-type]
        assert crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
        asked = (certificate, container.authority.intermediate.certificate)
        told = client.post("/pki/ocsp", content=make_question([asked])).content
        assert verify_answer(told, *asked, at=container.clock.now()).kind == "revoked"
        for path in ("/tsa", "/tsa/ec", "/tsa/rsa"):
            query = make_request(b"bytes")
            answer = token_of_response(client.post(path, content=query, headers=QUERY).content, query)
            verify_token(answer, b"bytes", container.trust.store())
        close_all_sessions()
        assert client.post("/tsa", content=make_request(b"x"), headers=QUERY).status_code == 200
        with token.unplugged():
            refused = client.post("/tsa", content=make_request(b"x"), headers=QUERY)
            assert (refused.status_code, refused.json()["code"]) == (503, "token-unavailable")
    container.close()
    library = pkcs11.lib(str(find_module(MODULE)))
    with library.get_token(token_label=token.label).open(user_pin=token.pin) as session:
        found = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
        assert sorted(each[pkcs11.Attribute.LABEL] for each in found) == NAMES
        assert all(each[pkcs11.Attribute.NEVER_EXTRACTABLE] for each in found)
    library.finalize()


def test_what_is_refused(made: Made, tmp_path: Path) -> None:
    """A token that holds keys takes no second installation; an absent token and a wrong PIN are told as such."""
    again = CliRunner().invoke(main, [*made.arguments, "--folder", str(tmp_path / "second")])
    assert (again.exit_code, Conflict.code in again.output) == (2, True)
    assert not (tmp_path / "second").exists()
    settings = load_settings(made.folder)
    with made.token.unplugged(), pytest.raises(TokenUnavailable):
        build_container(settings)
    made.pin_file.write_text("no-such-pin", "utf-8")
    try:
        with pytest.raises(TokenPinRefused) as refused:
            build_container(settings)
    finally:
        made.pin_file.write_text(made.token.pin, "utf-8")
    assert "no-such-pin" not in f"{refused.value} {refused.value.fields} {refused.value.__cause__}"


def test_the_pin_from_the_environment(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a PIN's file the environment gives the PIN, and settings never show it."""
    monkeypatch.setenv("MOHR_PKCS11_PIN", made.token.pin)
    settings = load_settings(made.folder)
    keys = settings.pki.keys.model_copy(update={"pkcs11_pin_file": None})
    pki = settings.pki.model_copy(update={"keys": keys})
    opened = build_container(settings.model_copy(update={"pki": pki}))
    assert made.token.pin not in str(settings.redacted())
    assert len(opened.authority.first_certificates()) == 7
    opened.close()
