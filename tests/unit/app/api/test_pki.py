"""Certificates, revocation lists, trust and time stamps over HTTP."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from cryptography import x509
from fastapi.testclient import TestClient
from httpx import Response

from app.api.application import create_app
from app.bootstrap import build_container
from app.cli import main
from app.container import Container
from app.settings import load_settings
from client.folder import PartyFolder
from kernel.canonical import from_base64, parse_json
from pki.algorithms import der_of, fingerprint_of, key_kind
from pki.timestamp import make_request, token_of_response, verify_token
from pki.trust import TrustStore
from tests.unit.app.people import Visitor, enrol


def new_request(container: Container, folder: Path) -> dict[str, str]:
    anchors = parse_json((container.settings.folder / "anchors.json").read_bytes())
    party = PartyFolder.create(
        folder, party="IR-9", name="Nine", base_url=container.settings.api.base_url, anchors=anchors
    )
    party.make_key("signing")
    return {"profile": "person-signing", "csr": party.certificate_request("signing").decode()}


def test_a_request_waits_for_a_registrar(client: TestClient, container: Container, tmp_path: Path) -> None:
    """Anybody may ask; nobody gets a certificate by asking."""
    entered = client.post("/pki/requests", json=new_request(container, tmp_path / "nine"))

    assert entered.status_code == 201
    assert client.get(f"/pki/requests/{entered.json()['id']}").json() == {
        "id": entered.json()["id"],
        "state": "entered",
        "certificate": None,
        "chain": [],
    }


def test_issuing_is_for_registrars(
    registrar: Visitor, client: TestClient, container: Container, tmp_path: Path
) -> None:
    """Without a session, or with another role, nothing is certified."""
    request = client.post("/pki/requests", json=new_request(container, tmp_path / "nine")).json()["id"]
    subject = {"party": "IR-9", "name": "Nine", "organization": None}
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer").sign_in()

    assert client.post(f"/pki/requests/{request}/issue", json=subject).status_code == 401
    refused = client.post(f"/pki/requests/{request}/issue", json=subject, headers=buyer)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert client.get(f"/pki/requests/{request}").json()["state"] == "entered"


def test_the_registrar_names_the_subject(
    registrar: Visitor, client: TestClient, container: Container, tmp_path: Path
) -> None:
    """The certificate carries what the registrar established, whatever the request wished for."""
    request = client.post("/pki/requests", json=new_request(container, tmp_path / "nine")).json()["id"]
    subject = {"party": "IR-10", "name": "Ten", "organization": "Ministry"}

    issued = client.post(f"/pki/requests/{request}/issue", json=subject, headers=registrar.sign_in()).json()

    certificate = x509.load_pem_x509_certificate(issued["certificate"].encode())
    assert certificate.subject.rfc4514_string().count("IR-10") == 1
    assert issued["fingerprint"] == fingerprint_of(certificate)
    assert client.get(f"/pki/requests/{request}").json()["certificate"] == issued["certificate"]


def test_a_request_without_proof_of_possession_is_refused(
    client: TestClient, container: Container, tmp_path: Path
) -> None:
    """A request that was changed after it was signed is none."""
    body = new_request(container, tmp_path / "nine")
    body["csr"] = body["csr"].replace(body["csr"][200:204], "AAAA")

    answer = client.post("/pki/requests", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "certificate-request-invalid")


def test_service_profiles_are_not_given_on_request(
    client: TestClient, container: Container, tmp_path: Path
) -> None:
    """Nobody becomes a time-stamping authority through the API."""
    body = {**new_request(container, tmp_path / "nine"), "profile": "tsa"}

    answer = client.post("/pki/requests", json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_trust_is_what_the_anchors_say(client: TestClient, container: Container) -> None:
    """What the server tells of itself agrees with the anchors that were handed out at the beginning."""
    anchors = parse_json((container.settings.folder / "anchors.json").read_bytes())

    trust = client.get("/pki/trust").json()

    assert {name: trust[name] for name in ("root", "log", "witnesses", "custodian", "demo")} == {
        name: anchors[name] for name in ("root", "log", "witnesses", "custodian", "demo")
    }
    assert len(trust["crls"]) == 2
    store = TrustStore(
        [x509.load_pem_x509_certificate(anchors["root"].encode())],
        [x509.load_pem_x509_certificate(each.encode()) for each in trust["intermediates"]],
        [from_base64(each) for each in trust["crls"]],
    )
    signer = container.receipt_signer
    assert store.validate(
        signer.certificate, signer.chain, container.clock.now(), "signature"
    ).party.endswith("RECEIPT")


def test_lists_and_authorities_are_where_certificates_say(
    client: TestClient, container: Container, registrar: Visitor
) -> None:
    """The addresses in a certificate (AIA, CDP) answer with the issuer's certificate and list."""
    certificate = registrar.signer.certificate
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value

    issuer = client.get(next(iter(access)).access_location.value)
    crl = client.get(next(iter(points)).full_name[0].value)

    assert issuer.content == der_of(container.authority.intermediate.certificate)
    assert x509.load_der_x509_crl(crl.content).issuer == certificate.issuer
    assert (issuer.headers["content-type"], crl.headers["content-type"]) == (
        "application/pkix-cert",
        "application/pkix-crl",
    )


def test_a_time_stamp_holds(client: TestClient, container: Container) -> None:
    """The reply to an RFC 3161 query proves the time of this server's clock."""
    query = make_request(b"some bytes")

    reply = client.post("/tsa", content=query, headers={"Content-Type": "application/timestamp-query"})

    assert reply.headers["content-type"] == "application/timestamp-reply"
    token = token_of_response(reply.content, query)
    stamp = verify_token(token, b"some bytes", container.trust.store())
    assert abs((container.clock.now() - stamp.time).total_seconds()) < 60


def test_time_stamps_by_both_kinds_of_key(client: TestClient, container: Container, folder: Path) -> None:
    """Beside the default there are stamps by EC and by RSA; without an RSA key that path says so until one is made."""
    for path, kind in (("/tsa/ec", "P-256"), ("/tsa/rsa", "RSA")):
        reply = client.post(path, content=make_request(b"some bytes"))
        stamp = verify_token(token_of_response(reply.content), b"some bytes", container.trust.store())
        assert key_kind(stamp.certificate.public_key()) == kind
    assert client.post("/tsa/dsa", content=b"x").status_code == 422
    for name in ("certificates/tsa-rsa.pem", "keys/tsa-rsa.key"):
        (folder / "authority" / name).unlink()
    assert _rsa_reply(folder).status_code == 404
    made = CliRunner().invoke(main, ["pki", "rsa-timestamps", "--folder", str(folder)])
    assert made.exit_code == 0, made.output
    assert _rsa_reply(folder).headers["content-type"] == "application/timestamp-reply"


def _rsa_reply(folder: Path) -> Response:
    """The answer of a server that is started now."""
    container = build_container(load_settings(folder))
    try:
        with TestClient(create_app(container), base_url=container.settings.api.base_url) as client:
            reply: Response = client.post("/tsa/rsa", content=make_request(b"x"))
            return reply
    finally:
        container.close()


def test_a_query_that_is_none_gets_a_refusal_inside_the_reply(client: TestClient) -> None:
    """The protocol has its own refusals; HTTP stays 200 (RFC 3161 §2.4.2)."""
    reply = client.post("/tsa", content=b"not a query")

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/timestamp-reply"
    assert b"not a time-stamp request" in reply.content


def test_revoking_twice_is_refused(registrar: Visitor, client: TestClient, tmp_path: Path) -> None:
    """A certificate is revoked once, for a known reason."""
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer")
    session = registrar.sign_in()
    path = f"/pki/certificates/{fingerprint_of(buyer.signer.certificate)}/revoke"

    assert client.post(path, json={"reason": "tired"}, headers=session).status_code == 422
    assert client.post(path, json={"reason": "superseded"}, headers=session).status_code == 200
    assert client.post(path, json={"reason": "superseded"}, headers=session).json()["code"] == "wrong-state"
