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
from pki.authority import make_request as make_csr
from pki.names import Subject
from pki.papers import Decision, Renewal
from pki.timestamp import make_request, token_of_response, verify_token
from pki.trust import TrustStore
from tests.support.authority import make_key
from tests.unit.app.people import Visitor, apply, certify, decide, enrol, registrar_of, send


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
        "csr": entered.json()["csr"],
        "reason": None,
        "certificate": None,
        "chain": [],
    }


def test_registration_is_for_two_registrars(
    registrar: Visitor, client: TestClient, container: Container, tmp_path: Path
) -> None:
    """Without a session, with another role, or by one alone, nothing is certified; by two it is."""
    entered = client.post("/pki/requests", json=new_request(container, tmp_path / "nine")).json()
    requests, request = {entered["id"]: entered["csr"]}, entered["id"]
    subject = Subject("Nine", "IR-9")
    buyer = enrol(registrar, tmp_path, "IR-2", "buyer")
    second = registrar_of(container, client, "registrar-2")

    assert client.post(f"/pki/requests/{request}/issue").status_code == 401
    body = {"profile": "person-signing", "csr": make_csr(make_key(), subject).decode("latin-1")}
    assert client.post("/pki/requests", json=body, headers={"Authorization": "Bearer x"}).status_code == 401
    assert code_of(apply(buyer, requests, subject)) == (403, "forbidden")
    application = apply(registrar, requests, subject).json()["application"]
    approval = Decision(application, True, None)
    assert code_of(decide(registrar, approval)) == (403, "four-eyes")
    session = registrar.sign_in()
    early = client.post(f"/pki/requests/{request}/issue", headers=session)
    assert code_of(early) == (409, "wrong-state")
    shown = client.get(f"/pki/applications/{application}", headers=second.sign_in()).json()
    assert parse_json(from_base64(shown["paper"]["document"]))["party"] == "IR-9"
    assert decide(second, approval).json()["state"] == "approved"
    issued = client.post(f"/pki/requests/{request}/issue", headers=session).json()
    assert client.get(f"/pki/requests/{request}").json()["certificate"] == issued["certificate"]
    assert client.post(f"/pki/requests/{request}/hand-over", headers=session).status_code == 204
    assert client.get(f"/pki/requests/{request}").json()["state"] == "handed-over"


def test_the_registrar_names_the_subject(
    registrar: Visitor, client: TestClient, container: Container, tmp_path: Path
) -> None:
    """The certificate carries what the registrars established, whatever the request wished for."""
    entered = client.post("/pki/requests", json=new_request(container, tmp_path / "nine")).json()

    issued = certify(registrar, {entered["id"]: entered["csr"]}, Subject("Ten", "IR-10", "Ministry"))

    pem = issued["requests"][0]["certificate"]
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.subject.rfc4514_string().count("IR-10") == 1
    session = registrar.sign_in()
    shown = client.get(f"/pki/certificates/{fingerprint_of(certificate)}", headers=session).json()
    assert (shown["certificate"], shown["party"], shown["state"]) == (pem, "IR-10", "issued")


def test_a_batch_over_http(
    registrar: Visitor, client: TestClient, container: Container, tmp_path: Path
) -> None:
    """Several approved requests are issued in one call; what waits is listed for registrars."""
    entered = [
        client.post("/pki/requests", json=new_request(container, tmp_path / f"nine-{number}")).json()
        for number in range(3)
    ]
    session = registrar.sign_in()
    waiting = client.get("/pki/requests", headers=session).json()["requests"]
    assert [each["id"] for each in waiting] == [each["id"] for each in entered]
    digests = {each["id"]: each["csr"] for each in entered}
    application = apply(registrar, digests, Subject("Nine", "IR-9")).json()["application"]
    listed = client.get("/pki/applications", headers=session).json()["applications"]
    assert [each["application"] for each in listed] == [application]
    decide(registrar_of(container, client, "registrar-2"), Decision(application, True, None))

    issued = client.post("/pki/issue", json={"requests": list(digests)}, headers=session).json()["issued"]

    assert len({each["fingerprint"] for each in issued}) == 3


def test_parties_see_their_own_certificates(registrar: Visitor, client: TestClient, tmp_path: Path) -> None:
    """A party searches and shows its own, soon over or not; a registrar those of everybody."""
    own = enrol(registrar, tmp_path, "IR-2", "bidder")
    session, registrars = own.sign_in(), registrar.sign_in()

    def found(headers: dict[str, str], **query: str | int) -> list[str]:
        answer = client.get("/pki/certificates", params=query, headers=headers).json()
        return [each["party"] for each in answer["certificates"]]

    assert found(session) == ["IR-2"]
    assert found(session, expiring_within=30) == []
    assert found(session, expiring_within=731) == ["IR-2"]
    assert found(registrars, name="Name of", profile="person-signing") == ["IR-2"]
    assert len(found(registrars, limit=2)) == 2
    others = client.get("/pki/certificates", params={"party": registrar.party}, headers=session)
    assert code_of(others) == (403, "forbidden")
    fingerprint = fingerprint_of(registrar.signer.certificate)
    assert code_of(client.get(f"/pki/certificates/{fingerprint}", headers=session)) == (403, "forbidden")
    assert client.get("/pki/certificates").status_code == 401


def test_a_holder_rekeys_over_http(registrar: Visitor, tmp_path: Path) -> None:
    """Signed with the present certificate, the wish gets a certificate for a new key at once."""
    own = enrol(registrar, tmp_path, "IR-2", "bidder")
    new = make_key()
    csr = make_csr(new, Subject("Wish", "IR-3"))
    wish = Renewal(fingerprint_of(own.signer.certificate), csr, True)

    answer = send(own, "/pki/renewals", wish.to_document()).json()

    issued = x509.load_pem_x509_certificate(answer["certificate"].encode())
    assert issued.public_key() == new.public_key()
    assert issued.subject == own.signer.certificate.subject
    assert code_of(send(registrar, "/pki/renewals", wish.to_document())) == (403, "forbidden")


def code_of(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


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
