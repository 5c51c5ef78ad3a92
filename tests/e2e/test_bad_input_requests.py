"""Requests that are wrong before their meaning matters: form, size, identifiers, proofs of who is asking."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from app.demo.cast import BUYER, Cast
from app.demo.stage import Stage
from client.errors import ApiRefusal
from client.session import PartySession
from kernel.canonical import to_base64
from pki.algorithms import PrivateKey, fingerprint_of
from pki.authority import make_request
from pki.errors import TimestampInvalid
from pki.names import Subject
from pki.timestamp import make_request as make_query
from pki.timestamp import token_of_response
from signing.login import prove_login
from tests.e2e import scenes
from tests.e2e.refusals import JSON_TYPE, Caller, Recorded, refused, signed_bytes, unchanged
from tests.support.authority import make_authority, make_key


@pytest.fixture(scope="module")
def officer(cast: Cast) -> PartySession:
    return cast.person(BUYER, "buyer")


@pytest.fixture(scope="module")
def buyer(officer: PartySession) -> Caller:
    return Caller.of(officer)


@pytest.fixture(scope="module")
def registrar(cast: Cast) -> Caller:
    cast.registrar_api.get("/auth/me")
    return Caller(cast.base_url, cast.registrar_api.token)


@pytest.fixture(scope="module")
def nobody(stage: Stage) -> Caller:
    return Caller(stage.url)


@pytest.fixture(scope="module")
def draft(cast: Cast) -> str:
    return scenes.drafted(cast)


GARBAGE = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"title": "\xff"}',
    "a list": b"[]",
    "a word": b'"x"',
    "null": b"null",
    "a NUL": b"\x00",
    "nested": b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested objects": b'{"title": ' * 20_000 + b"1" + b"}" * 20_000,
    "a huge number": b'{"title": ' + b"9" * 10_000 + b"}",
    "an infinite number": b'{"title": 1e999}',
    "no number": b'{"title": NaN}',
    "a long title": b'{"title": "' + b"x" * 100_000 + b'"}',
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("path", ["/tenders", "/tenders/{}/publish", "/pki/requests", "/auth/sessions"])
def test_bodies_that_are_no_bodies(stage: Stage, buyer: Caller, draft: str, name: str, path: str) -> None:
    """Whatever is not the promised JSON is malformed or too large, and writes nothing."""
    with unchanged(stage.folder):
        answer = buyer.send("POST", path.format(draft), GARBAGE[name], JSON_TYPE)
        assert answer.status_code in (413, 422)
        refused(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_bodies_of_another_type(stage: Stage, buyer: Caller, cast: Cast, kind: str) -> None:
    """JSON that is not called JSON is not read as such."""
    content = json.dumps(scenes.fields(cast)).encode()
    with unchanged(stage.folder):
        answer = buyer.send("POST", "/tenders", content, {"Content-Type": kind})
        refused(answer, 422, "malformed-input")


def test_bodies_beyond_the_limit(stage: Stage, buyer: Caller, draft: str) -> None:
    """An announced or streamed body beyond the limit is cut off, and so is a document too long for its kind."""
    path = f"/tenders/{draft}/publish"
    chunk = b" " * (1 << 20)

    def endless() -> Iterator[bytes]:
        for _ in range(26):
            yield chunk

    with unchanged(stage.folder):
        announced = announced_only(buyer, path, 1 << 40)
        assert announced.startswith(b"HTTP/1.1 413 ")
        assert b"application/problem+json" in announced
        assert b'"code":"limit-exceeded"' in announced
        refused(buyer.send("POST", path, endless(), JSON_TYPE), 413, "limit-exceeded")
        wire = {"document": to_base64(bytes(2 << 20)), "signature": ""}
        refused(buyer.post(path, wire), 413, "limit-exceeded")
        refused(buyer.post(path, {**wire, "document": "A" * (9 << 20)}), 422, "malformed-input")
        many = {f"X-{number}": "x" for number in range(100)}
        refused(buyer.send("GET", "/tenders", None, many), 431, "headers-too-large")
        refused(buyer.send("GET", "/tenders", None, {"X": "x" * 20_000}), 431, "headers-too-large")


def announced_only(caller: Caller, path: str, length: int) -> bytes:
    """The answer to a request of which nothing but its head is ever sent."""
    host = urlsplit(caller.url)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host.netloc}\r\nAuthorization: Bearer {caller.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    with closing(socket.create_connection((str(host.hostname), int(host.port or 80)), 10.0)) as line:
        line.sendall(head.encode())
        answer = b""
        while part := line.recv(4096):
            answer += part
    return answer


@pytest.mark.parametrize("odd", ["none", "%00", "%ED%A0%80", "%F0%9F%92%A3", "..", "'--", "0" * 64, "a" * 65])
def test_odd_identifiers(stage: Stage, buyer: Caller, odd: str) -> None:
    """An identifier that nobody gave is not found, or malformed when it is none; never a failure."""
    wire = {"document": "", "signature": ""}
    with unchanged(stage.folder):
        for method, path in (
            ("GET", f"/tenders/{odd}"),
            ("GET", f"/tenders/{odd}/notice"),
            ("GET", f"/tenders/{odd}/key-set"),
            ("GET", f"/tenders/{odd}/closing-list"),
            ("POST", f"/tenders/{odd}/submit-for-approval"),
            ("POST", f"/tenders/{odd}/key-set"),
            ("POST", f"/tenders/{odd}/close"),
            ("POST", f"/tenders/{odd}/publish"),
            ("GET", f"/pki/requests/{odd}"),
            ("GET", f"/identity/parties/{odd}"),
            ("GET", f"/pki/crl/{odd}.crl"),
            ("GET", f"/pki/ca/{odd}.crt"),
            ("GET", f"/ocds/records/{odd}"),
        ):
            answer = buyer.post(path, wire) if method == "POST" else buyer.get(path)
            assert answer.status_code in (404, 405, 422) or odd == "..", (path, answer.text)
            # Two dots lead to the place above, or on to its page.
            if answer.status_code not in (200, 307):
                refused(answer, answer.status_code, answer.json()["code"])


def test_unknown_routes_and_methods(nobody: Caller) -> None:
    """What does not exist is answered in the same form."""
    refused(nobody.get("/nowhere"), 404, "not-found")
    refused(nobody.get("/%2e%2e/mohr.toml"), 404, "not-found")
    refused(nobody.send("DELETE", "/tenders"), 405, "method-not-allowed")
    refused(nobody.send("PATCH", "/health"), 405, "method-not-allowed")


LOG_QUERIES = [
    "/log/proof",
    "/log/proof?leaf_hash=",
    "/log/proof?leaf_hash=xyz",
    "/log/proof?leaf_hash=" + "F" * 64,
    "/log/proof?leaf_hash=" + "0" * 65,
    "/log/consistency",
    "/log/consistency?first=-1&second=2",
    "/log/consistency?first=2&second=1",
    "/log/consistency?first=0&second=99999999",
    "/log/consistency?first=1.5&second=2",
    "/log/consistency?first=1e3&second=2",
    "/log/consistency?first=1&second=99999999999999999999999",
    "/log/consistency?first=%00&second=2",
    "/log/entries?start=5&end=1",
    "/log/entries?start=-1&end=1",
    "/log/entries?start=0&end=x",
    "/log/entries?start=0",
    "/ocds/feed?after=-1",
    "/ocds/feed?after=x",
    "/ocds/feed?after=99999999999999999999999",
]


@pytest.mark.parametrize("query", LOG_QUERIES)
def test_log_queries_with_bad_numbers(nobody: Caller, query: str) -> None:
    """Sizes and hashes that make no sense are malformed; the log itself is not touched."""
    answer = nobody.get(query)
    assert answer.status_code in (404, 422), answer.text
    refused(answer, answer.status_code, answer.json()["code"])


def test_a_leaf_that_is_not_in_the_log(nobody: Caller) -> None:
    """No proof is made for a leaf that nobody logged."""
    refused(nobody.get("/log/proof?leaf_hash=" + "0" * 64), 404, "not-found")


def challenge(caller: Caller) -> dict[str, str]:
    given: dict[str, str] = caller.post("/auth/challenges").json()
    return given


def sign_in(caller: Caller, text: str, signature: bytes) -> Any:
    return caller.post("/auth/sessions", {"challenge": text, "signature": to_base64(signature)})


def test_proofs_that_sign_nobody_in(stage: Stage, cast: Cast, nobody: Caller, officer: PartySession) -> None:
    """Replayed, of another challenge or origin, of a stranger, an unregistered or revoked party: no session."""
    now, signer = cast.clock.now(), officer.signer
    first, second = challenge(nobody), challenge(nobody)
    proof = prove_login(first["challenge"], first["origin"], signer, at=now)
    assert sign_in(nobody, first["challenge"], proof).status_code == 201
    before = Recorded.of(stage.folder)
    refused(sign_in(nobody, first["challenge"], proof), 401, "challenge-used")
    refused(sign_in(nobody, "0" * 64, proof), 401, "challenge-unknown")
    refused(sign_in(nobody, second["challenge"], proof), 401, "login-refused")
    third = challenge(nobody)
    elsewhere = prove_login(third["challenge"], "http://elsewhere.invalid", signer, at=now)
    refused(sign_in(nobody, third["challenge"], elsewhere), 401, "login-refused")
    refused(sign_in(nobody, third["challenge"], elsewhere), 401, "challenge-used")
    fourth = challenge(nobody)
    stranger = make_authority(clock=cast.clock).person(officer.party)
    foreign = prove_login(fourth["challenge"], fourth["origin"], stranger, at=now)
    problem = refused(sign_in(nobody, fourth["challenge"], foreign), 401, "login-refused")
    assert problem["reason"] == "certificate-untrusted"
    for garbage in (b"", b"x", b"\x30\x80", os.urandom(5000)):
        refused(sign_in(nobody, challenge(nobody)["challenge"], garbage), 401, "login-refused")
    refused(sign_in(nobody, "0" * 64, bytes(70_000)), 422, "malformed-input")
    for text in ("", "0" * 63, "G" * 64, 7, None, "\u0000"):
        body = {"challenge": text, "signature": ""}
        refused(nobody.post("/auth/sessions", body), 422, "malformed-input")
    changed = before.changed(Recorded.of(stage.folder))
    assert set(changed) == {"login_challenges"}


def test_a_revoked_party_does_not_sign_in(cast: Cast, nobody: Caller) -> None:
    """After revocation neither the old session nor a new proof is taken."""
    leaver = cast.person("رهگذر آزمون", "bidder")
    caller = Caller.of(leaver)
    cast.registrar.revoke(fingerprint_of(leaver.signer.certificate), "cessationOfOperation")
    problem = refused(caller.get("/auth/me"), 401, "session-ended")
    assert problem["reason"] == "certificate-revoked"
    given = challenge(nobody)
    proof = prove_login(given["challenge"], given["origin"], leaver.signer, at=cast.clock.now())
    problem = refused(sign_in(nobody, given["challenge"], proof), 401, "login-refused")
    assert problem["reason"] == "certificate-revoked"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic eDp4", "Bearer " + "x" * 5000, "Bearer \x7f", "bearer"],
)
def test_tokens_that_are_none(stage: Stage, nobody: Caller, header: str) -> None:
    """Without a session that holds, a guarded route tells nothing but that."""
    with unchanged(stage.folder):
        answer = nobody.send("GET", "/auth/me", None, {"Authorization": header})
        assert answer.json()["code"] in ("unauthenticated", "session-ended")
        refused(answer, 401, answer.json()["code"])
        assert answer.headers["www-authenticate"] == "Bearer"


def pem(key: PrivateKey) -> str:
    """A request for that key, with proof of possession."""
    request = x509.load_der_x509_csr(make_request(key, Subject("Somebody", "IR-1")))
    return request.public_bytes(Encoding.PEM).decode("ascii")


def test_certificate_requests_that_are_none(stage: Stage, nobody: Caller) -> None:
    """Garbage, weak keys, unknown profiles and proofs of another key are not taken in."""
    key = make_key()
    good = pem(key)
    weak_key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    weak = pem(weak_key)
    der = x509.load_pem_x509_csr(good.encode()).public_bytes(Encoding.DER)
    forged = "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n"
    broken = forged.format(to_base64(der[:-2] + b"\x00\x00"))
    with unchanged(stage.folder):
        for text in (
            "",
            "x",
            forged.format("AAAA"),
            good[:-80],
            weak,
            broken,
            good.replace("-", "_"),
            "\u0000",
        ):
            answer = nobody.post("/pki/requests", {"profile": "person-signing", "csr": text})
            unreadable = {"certificate-request-invalid", "malformed-input"}
            codes = {"certificate-key-weak"} if text == weak else unreadable
            assert answer.json()["code"] in codes, answer.text
            refused(answer, 422, answer.json()["code"])
        for profile in ("", "root", "intermediate", "tsa", "nobody", "\u0000", "x" * 33, 7):
            answer = nobody.post("/pki/requests", {"profile": profile, "csr": good})
            assert answer.status_code in (403, 422), answer.text
            refused(answer, answer.status_code, answer.json()["code"])
        refused(
            nobody.post("/pki/requests", {"profile": "person-signing", "csr": good * 60}),
            422,
            "malformed-input",
        )


def test_issuing_and_revoking_wrongly(stage: Stage, registrar: Caller, cast: Cast, nobody: Caller) -> None:
    """Unknown and unapproved requests, unreadable papers and reasons, and own approvals are refused."""
    csr = pem(make_key())
    entered = nobody.post("/pki/requests", {"profile": "person-signing", "csr": csr}).json()
    own = fingerprint_of(cast.person(BUYER, "buyer").signer.certificate)
    evidence = [cast.registrar.seen("passport", "P-7", b"scan")]
    subject = Subject("x", "IR-00000000777")
    application = cast.registrar.apply({entered["id"]: entered["csr"]}, subject, evidence)
    with unchanged(stage.folder):
        refused(registrar.post("/pki/requests/none/issue"), 404, "not-found")
        refused(registrar.post(f"/pki/requests/{entered['id']}/issue"), 409, "wrong-state")
        refused(registrar.post("/pki/issue", {"requests": []}), 422, "malformed-input")
        for path in ("/pki/applications", "/pki/decisions", "/pki/renewals"):
            for document in ("", "x", to_base64(b"{}"), to_base64(b"x" * 70_000)):
                answer = registrar.post(path, {"document": document, "signature": to_base64(b"x")})
                refused(answer, answer.status_code, answer.json()["code"])
                assert answer.status_code in (413, 422)
        with pytest.raises(ApiRefusal, match="four-eyes"):
            cast.registrar.decide(application, issue=True)
        refused(
            registrar.post(f"/pki/certificates/{'0' * 64}/revoke", {"reason": "keyCompromise"}),
            404,
            "not-found",
        )
        for reason in ("", "because", "removeFromCRL", "\u0000", 7):
            answer = registrar.post(f"/pki/certificates/{own}/revoke", {"reason": reason})
            refused(answer, 422, "malformed-input")
        refused(
            registrar.post("/pki/certificates/xyz/revoke", {"reason": "keyCompromise"}),
            422,
            "malformed-input",
        )


def test_parties_that_are_none(stage: Stage, registrar: Caller, officer: PartySession) -> None:
    """Odd identifiers, names, kinds and roles, and a party that is registered already, are refused."""
    good = {"party": "IR-00000000778", "name": "x", "kind": "person", "roles": ["bidder"]}
    with unchanged(stage.folder):
        for wrong in (
            {"party": ""},
            {"party": "-x"},
            {"party": "a b"},
            {"party": "a\u0000"},
            {"name": ""},
            {"name": "a\u0000b"},
            {"name": "x" * 65},
            {"kind": "robot"},
            {"roles": ["king"]},
            {"roles": "bidder"},
            {"roles": ["bidder"] * 7},
            {"more": 1},
        ):
            refused(registrar.post("/identity/parties", {**good, **wrong}), 422, "malformed-input")
        known = {**good, "party": officer.party}
        refused(registrar.post("/identity/parties", known), 409, "party-known")
        refused(registrar.post("/identity/parties/IR-99999999999/roles", {"role": "buyer"}), 404, "not-found")
        own = registrar.get("/auth/me").json()["party"]
        refused(registrar.post(f"/identity/parties/{own}/roles", {"role": "buyer"}), 403, "own-roles")


@pytest.mark.parametrize("query", [b"", b"x", b"\x30\x80\x00", os.urandom(300), b"\x30" * 900])
def test_time_stamp_garbage(stage: Stage, nobody: Caller, query: bytes) -> None:
    """A query that is none gets a refusal inside the reply, as RFC 3161 has it, and no token."""
    with unchanged(stage.folder):
        answer = nobody.send("POST", "/tsa", query, {"Content-Type": "application/timestamp-query"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/timestamp-reply")
        with pytest.raises(TimestampInvalid):
            token_of_response(answer.content, make_query(b"x"))


def test_time_stamp_queries_beyond_the_limit(nobody: Caller) -> None:
    """A query of many bytes is cut off."""
    answer = nobody.send("POST", "/tsa", bytes(1 << 20), {"Content-Type": "application/timestamp-query"})
    refused(answer, 413, "limit-exceeded")


def test_documents_under_another_type(stage: Stage, cast: Cast, draft: str, buyer: Caller) -> None:
    """A well signed document of one kind is not taken for another."""
    officer = cast.person(BUYER, "buyer")
    for document in (b"{}", b'{"type":"mohr/award/v1"}', b'{"type":7}', b"[]", b'"x"', b"7"):
        with unchanged(stage.folder):
            answer = buyer.post(f"/tenders/{draft}/publish", signed_bytes(document, officer))
            refused(answer, 422, "malformed-input")
