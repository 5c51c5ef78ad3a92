"""``openssl ocsp`` asks a real server, and believes what it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from app.api.application import create_app
from app.container import Container
from pki.authority import pem_of
from pki.ocsp import LOOK_SECONDS
from tests.support.ocsp import revoke_service
from tests.support.openssl import run_openssl


@contextmanager
def served(container: Container) -> Iterator[str]:
    """The address of the API, served by uvicorn in a thread."""
    config = uvicorn.Config(create_app(container), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="served")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/pki/ocsp"
    finally:
        server.should_exit = True
        thread.join()


def write_certificates(container: Container, folder: Path) -> None:
    authority = container.authority
    for name, certificate in (
        ("root", authority.root.certificate),
        ("ca", authority.intermediate.certificate),
        ("tsa", authority.tsa.certificate),
        ("receipt", authority.receipt.certificate),
    ):
        (folder / f"{name}.pem").write_bytes(pem_of([certificate]))


def test_openssl_asks_and_verifies(container: Container, tmp_path: Path) -> None:
    """Both digests, with nonce and without, one certificate and several, of one issuer and of two: verified OK."""
    write_certificates(container, tmp_path)
    revoke_service(
        container.authority.receipt.certificate,
        unit_of_work=container.unit_of_work,
        clock=container.clock,
        authority=container.authority,
    )
    time.sleep(LOOK_SECONDS)
    trust = ["-CAfile", "root.pem", "-verify_other", "ca.pem"]
    two = ["-issuer", "ca.pem", "-cert", "tsa.pem", "-cert", "receipt.pem"]
    with served(container) as url:

        def ask(*arguments: str) -> str:
            agreed, said = run_openssl(tmp_path, "ocsp", "-url", url, *arguments)
            assert agreed, said
            return said

        for nonce in ("-nonce", "-no_nonce"):
            for digest in ("-sha1", "-sha256"):
                said = ask(nonce, *trust, digest, *two)
                assert "Response verify OK" in said
                assert "tsa.pem: good" in said
                assert "receipt.pem: revoked" in said
                assert "Reason: superseded" in said
                assert "WARNING" not in said
        said = ask("-no_nonce", *trust, "-issuer", "root.pem", "-cert", "ca.pem", "-respout", "ca.der")
        assert "Response verify OK" in said
        assert "ca.pem: good" in said
        # One delegate for two issuers: OpenSSL wants to be told that it is trusted for all it says.
        _, text = run_openssl(tmp_path, "ocsp", "-respin", "ca.der", "-resp_text", "-noverify")
        certificate = text[text.index("-----BEGIN") : text.index("-----END")]
        (tmp_path / "va.pem").write_text(f"{certificate}-----END CERTIFICATE-----\n")
        said = ask("-nonce", "-VAfile", "va.pem", *two, "-issuer", "root.pem", "-cert", "ca.pem")
        assert "Response verify OK" in said
        assert "ca.pem: good" in said
        assert "tsa.pem: good" in said
        unknown = ask("-no_nonce", *trust, "-issuer", "ca.pem", "-serial", "0x1234")
        assert "0x1234: unknown" in unknown
        refused = run_openssl(
            tmp_path, "ocsp", "-url", url, "-issuer", "tsa.pem", "-serial", "1", "-noverify"
        )[1]
        assert "unauthorized (6)" in refused
