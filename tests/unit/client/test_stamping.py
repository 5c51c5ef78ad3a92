"""Time stamps over HTTP: against a real authority, and against services that fail in every way."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from client.stamping import HttpStamps
from kernel.clock import SystemClock
from pki import asn1
from pki.timestamp import claimed_time
from signing.ades.asice import sign_container
from signing.ades.asice_inside import ContainerFile
from signing.ades.cades import sign_file
from signing.ades.services import Level, Services
from signing.errors import TimestampUnavailable
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.http_services import (
    Behaviour,
    Redirect,
    dribbling,
    endless,
    garbling,
    http_service,
    raw_service,
    refused_address,
    silent,
)
from tests.support.openssl import run_openssl, write_signer, write_trust

DIGEST = hashlib.sha256(b"a document").digest()
_OPENSSL = """
[tsa]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = ca.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = yes
ess_cert_id_alg = sha1
"""


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


def test_a_token_comes_over_http(authority: MemoryAuthority) -> None:
    """What an authority answers over HTTP is a token over the digest that was asked for."""
    with http_service({"/tsa": authority.tsa.respond}) as service:
        token = HttpStamps(f"{service.url}/tsa").stamp("sha256", DIGEST)
    assert claimed_time(token) == authority.now
    assert service.asked == ["POST /tsa"]


@pytest.mark.parametrize("behave", [silent, dribbling, garbling, endless])
def test_a_service_that_fails_is_named_in_bounded_time(behave: Behaviour) -> None:
    """Whether it hangs, dribbles, babbles or never ends: the refusal names the service, soon."""
    with raw_service(behave) as url, pytest.raises(TimestampUnavailable) as refused:
        HttpStamps(url, total_seconds=0.4).stamp("sha256", DIGEST)
    assert refused.value.fields["service"] == url


def test_where_nobody_listens() -> None:
    """A refused connection and a name that cannot be one are refusals that name the service."""
    for url in (refused_address(), f"http://{64 * 'a'}.invalid/tsa"):
        with pytest.raises(TimestampUnavailable) as refused:
            HttpStamps(url, total_seconds=5).stamp("sha256", DIGEST)
        assert refused.value.fields["service"] == url


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "http://user@a/", "http:///x", "//a", ""])
def test_only_plain_web_addresses(url: str) -> None:
    """No other scheme, no credentials and no address without a host is ever asked."""
    with pytest.raises(TimestampUnavailable):
        HttpStamps(url)


def test_an_answer_to_another_request(authority: MemoryAuthority) -> None:
    """A token over another digest, an old answer, a refusal, a broken signature and a redirect are refused."""
    kept: list[bytes] = []

    def old(request: bytes) -> bytes:
        kept.append(authority.tsa.respond(request))
        return kept[0]

    def altered(request: bytes) -> bytes:
        answer = bytearray(authority.tsa.respond(request))
        answer[-3] ^= 1
        return bytes(answer)

    def of_another(request: bytes) -> bytes:
        asked = asn1.decode(asn1.TimeStampRequest, request)
        digest = asked.message_imprint.hashed_message
        return authority.tsa.respond(request.replace(digest, hashlib.sha256(digest).digest()))

    def elsewhere(_request: bytes) -> bytes:
        raise Redirect("/old")

    routes = {
        "/old": old,
        "/altered": altered,
        "/other": of_another,
        "/refusing": lambda request: authority.tsa.respond(b"?"),
        "/elsewhere": elsewhere,
    }
    with http_service(routes) as service:
        HttpStamps(f"{service.url}/old").stamp("sha256", DIGEST)
        for path in (*routes, "/missing"):
            with pytest.raises(TimestampUnavailable) as refused:
                HttpStamps(service.url + path).stamp("sha256", DIGEST)
            assert refused.value.fields["service"] == service.url + path


def test_nothing_is_half_signed(authority: MemoryAuthority) -> None:
    """When the service fails, a signature is not returned at a lower level, and a container stays empty."""
    signer, target = authority.person("IR-0012345678"), io.BytesIO(b"")
    services = Services(HttpStamps(refused_address()))
    with pytest.raises(TimestampUnavailable):
        sign_file(io.BytesIO(b"content"), signer, Level.B_T, services, at=authority.now)
    files = [ContainerFile.of_bytes("a.txt", b"content")]
    with pytest.raises(TimestampUnavailable):
        sign_container(files, target, signer, Level.B_T, services, at=authority.now)
    assert target.getvalue() == b""


def test_an_authority_of_others(tmp_path: Path) -> None:
    """OpenSSL's tokens, which name the authority, are ordered, and identify certificates by SHA-1, are taken too."""
    authority = make_authority(clock=SystemClock())
    write_trust(tmp_path, authority)
    signer = authority.tsa_signer
    write_signer(tmp_path, "tsa", signer.key, signer.certificate)
    (tmp_path / "ts.cnf").write_text(_OPENSSL)
    (tmp_path / "serial").write_text("01")

    def respond(request: bytes) -> bytes:
        (tmp_path / "q.tsq").write_bytes(request)
        reply = [
            "ts",
            "-reply",
            "-config",
            "ts.cnf",
            "-section",
            "tsa",
            "-queryfile",
            "q.tsq",
            "-out",
            "r.tsr",
        ]
        made, said = run_openssl(tmp_path, *reply)
        assert made, said
        return (tmp_path / "r.tsr").read_bytes()

    with http_service({"/tsa": respond}) as service:
        token = HttpStamps(f"{service.url}/tsa").stamp("sha256", DIGEST)
    (tmp_path / "t.der").write_bytes(token)
    verify = ["ts", "-verify", "-token_in", "-in", "t.der", "-digest", DIGEST.hex(), "-CAfile", "root.pem"]
    agreed, said = run_openssl(tmp_path, *verify, "-untrusted", "ca.pem")
    assert agreed, said
