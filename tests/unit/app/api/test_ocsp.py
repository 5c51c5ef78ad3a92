"""OCSP over HTTP: both methods, what caches are told, and what a broken request gets."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from cryptography.x509 import ocsp
from fastapi.testclient import TestClient

from app.container import Container
from kernel.clock import write_demo_clock
from pki.ocsp import LOOK_SECONDS
from pki.ocsp_request import MAX_REQUEST_BYTES, make_question
from tests.support.ocsp import revoke_service

TYPE = "application/ocsp-response"
MALFORMED = bytes.fromhex("30030a0101")


def question(container: Container, *, nonce: bytes | None = None, digest: str = "sha1") -> bytes:
    authority = container.authority
    return make_question(
        [(authority.receipt.certificate, authority.intermediate.certificate)], digest=digest, nonce=nonce
    )


def post(client: TestClient, body: bytes) -> bytes:
    answered = client.post("/pki/ocsp", content=body, headers={"content-type": "application/ocsp-request"})
    assert (answered.status_code, answered.headers["content-type"]) == (200, TYPE)
    assert answered.headers["cache-control"] == "no-store"
    return bytes(answered.content)


def test_both_methods_give_one_answer(client: TestClient, container: Container) -> None:
    """GET by base64, with its slashes and pluses as they are or escaped, is answered as POST is."""
    asked = question(container)
    posted = post(client, asked)
    text = base64.b64encode(asked).decode("ascii")

    assert ocsp.load_der_ocsp_response(posted).certificate_status is ocsp.OCSPCertStatus.GOOD
    for path in (text, quote(text, safe=""), quote(text, safe="/+=")):
        assert client.get(f"/pki/ocsp/{path}").content == posted


def test_every_form_of_base64_is_read(client: TestClient, container: Container) -> None:
    """A request whose base64 has double slashes and pluses comes through as it was."""
    for number in range(64):
        asked = question(container, nonce=bytes((255, 255, 255, number)) + b"\xfb\xef\xbe" * 9)
        text = base64.b64encode(asked).decode("ascii")
        if "//" in text and "+" in text:
            break
    got = client.get(f"/pki/ocsp/{text}")

    assert ocsp.load_der_ocsp_response(got.content).extensions[0].value.nonce[4:7] == b"\xfb\xef\xbe"
    assert got.headers["cache-control"] == "no-store"


def test_caches_are_told_how_long(client: TestClient, container: Container) -> None:
    """RFC 5019 §6.2: max-age before nextUpdate, Expires, Last-Modified, ETag; an unchanged answer is a 304."""
    path = "/pki/ocsp/" + base64.b64encode(question(container)).decode("ascii")
    got = client.get(path)
    answer = ocsp.load_der_ocsp_response(got.content)
    assert answer.next_update_utc is not None

    assert got.headers["cache-control"] == "max-age=60, public, no-transform, must-revalidate"
    assert parsedate_to_datetime(got.headers["expires"]) == answer.next_update_utc
    assert parsedate_to_datetime(got.headers["last-modified"]) == answer.this_update_utc
    again = client.get(path, headers={"if-none-match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_broken_requests_are_malformed(client: TestClient) -> None:
    """What is no request gets malformedRequest, not a page of the framework: cut, nested, oversized, no base64."""
    paths = ("", "%01", "AAAA", "MAA=", "a" * 30_000, "%D9%85", "M E I", "%2E%2E/x", "MEIwQDA+")
    for path in paths:
        got = client.get(f"/pki/ocsp/{path}")
        assert (got.status_code, got.content) == (200, MALFORMED)
    for body in (
        b"",
        b"\x30",
        b"garbage",
        b"\x30\x80" * 8000,
        b"\0" * (MAX_REQUEST_BYTES + 1),
        b"\0" * (1 << 20),
    ):
        assert post(client, body) == MALFORMED


def test_a_revocation_is_told(client: TestClient, container: Container) -> None:
    """What two registrars revoke is revoked in the next answer after a look."""
    assert ocsp.load_der_ocsp_response(post(client, question(container))).revocation_reason is None
    revoke_service(
        container.authority.receipt.certificate,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )

    time.sleep(LOOK_SECONDS)
    told = ocsp.load_der_ocsp_response(post(client, question(container)))

    assert told.certificate_status is ocsp.OCSPCertStatus.REVOKED


def test_answers_are_of_the_installations_time(client: TestClient, container: Container) -> None:
    """When the demonstration's clock jumps a day, no old answer is given."""
    before = ocsp.load_der_ocsp_response(post(client, question(container)))
    write_demo_clock(container.settings.folder / "demo-clock", 86_400)
    after = ocsp.load_der_ocsp_response(post(client, question(container)))

    assert after.this_update_utc - before.this_update_utc >= timedelta(seconds=86_390)
    assert after.this_update_utc > datetime.now(UTC) + timedelta(hours=23)


def test_other_methods_are_refused(client: TestClient) -> None:
    """A method that is not of the protocol is a problem document."""
    refused = client.put("/pki/ocsp", content=b"x")

    assert (refused.status_code, refused.json()["code"]) == (405, "method-not-allowed")
