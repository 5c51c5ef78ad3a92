"""Requests to strangers over TLS: verified, and never led from https to http."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from httpcore import SyncBackend

from client.bounded_http import BoundedHttp, Deadline, FetchFailed, _is_public
from tests.support.http_services import HttpService, Redirect, http_service


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    """A certificate for this machine's address, with its key, in one PEM file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = built.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    certificate = built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "server.pem").write_bytes(plain + certificate)
    return tmp_path / "server.pem"


@pytest.fixture
def service(certified: Path) -> Iterator[HttpService]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certified)
    with http_service({"/list": lambda _: b"a list"}, tls=tls) as running:
        yield running


def test_over_tls(service: HttpService, certified: Path) -> None:
    """A server that the given authorities vouch for is read; one that nobody vouches for is not."""
    known = BoundedHttp(tls=ssl.create_default_context(cafile=str(certified)))
    url = f"{service.url}/list"
    assert known.get(url, Deadline(5), max_bytes=100) == b"a list"
    with pytest.raises(FetchFailed):
        BoundedHttp().get(url, Deadline(5), max_bytes=100)


def test_redirects_keep_their_protection(service: HttpService, certified: Path) -> None:
    """From https a redirect leads to https only, and as many as were allowed."""
    known = BoundedHttp(tls=ssl.create_default_context(cafile=str(certified)))

    def moved(to: str) -> None:
        def answer(_body: bytes) -> bytes:
            raise Redirect(to)

        service.routes["/moved"] = answer

    moved("/list")
    assert known.get(f"{service.url}/moved", Deadline(5), max_bytes=100, hops=1) == b"a list"
    for to, hops in (("/list", 0), (service.url.replace("https", "http") + "/list", 3), ("", 3)):
        moved(to)
        with pytest.raises(FetchFailed):
            known.get(f"{service.url}/moved", Deadline(5), max_bytes=100, hops=hops)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00::1]",
    ],
)
def test_no_spelling_of_an_address_leads_inside(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However an address of this machine or of a private network is written or wrapped, nothing is connected to."""
    connected: list[str] = []
    monkeypatch.setattr(SyncBackend, "connect_tcp", lambda _self, address, *_: connected.append(address))

    with pytest.raises(FetchFailed):
        BoundedHttp(public_only=True).get(f"http://{host}/", Deadline(5), max_bytes=100)
    assert connected == []


@pytest.mark.parametrize("address", ["193.0.6.139", "2001:67c:2e8:22::c100:68b"])
def test_public_addresses_are_asked(address: str) -> None:
    """Ordinary addresses of others are public ones."""
    assert _is_public(address)
