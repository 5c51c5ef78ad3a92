"""OCSP answers that were signed before, over HTTP, against constant bytes from the same server.

The server is the real application in a process of its own, served as ``mohr serve`` does; a route of the bench alone
reads a body and returns as many bytes as an answer has. Both are asked over one connection that is kept. Beside it the
responder of ``openssl ocsp``, which takes one request for each connection and signs each answer; there ours gets a
connection for each request too.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.api.application import create_app
from app.bootstrap import build_container
from app.container import Container
from app.installation import Plan, initialise
from app.processes import serve_until_told
from app.settings import load_settings
from bench.figure import Figure
from kernel.clock import format_utc
from kernel.database import read_only
from pki import asn1
from pki.asn1.ocsp import OcspRequest, SingleRequest, TbsRequest
from pki.authority import new_serial, pem_of
from pki.ocsp_request import cert_id
from pki.ocsp_responders import RESPONDER_KEY, load_responder
from pki.orm import CertificateRow
from pki.registry import serial_text

NAMES = ("pki.ocsp_http", "pki.ocsp_http.openssl")
_ROUNDS, _PER, _CONNECTIONS = 30, 200, 20
_CERTIFICATES = 1000
_PATIENCE_SECONDS = 60
_CONSTANT = "/bench/constant"
_EXPIRES = "361231235959Z"


class Client:
    """Raw HTTP over one kept connection, the same for both sides; each answer is read to its last byte."""

    def __init__(self, port: int, path: str, requests: list[bytes]) -> None:
        self._port = port
        self._requests = cycle(_post(path, request) for request in requests)
        self._kept: socket.socket | None = None

    def kept(self, times: int) -> int:
        """So many answers over the kept connection; their bytes."""
        self._kept = connection = self._kept or self._connect()
        return sum(_exchange(connection, request) for request in islice(self._requests, times))

    def apart(self, times: int) -> int:
        """So many answers over a connection each; their bytes."""
        read = 0
        for request in islice(self._requests, times):
            with self._connect() as connection:
                read += _exchange(connection, request)
        return read

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@contextlib.contextmanager
def ocsp_figures(folder: Path) -> Iterator[list[Figure]]:
    """pki.ocsp_http and pki.ocsp_http.openssl, while their servers run."""
    place = folder / "installation"
    initialise(
        Plan(
            folder=place,
            demo=True,
            registrar_party="IR-0000000001",
            registrar_name="Registrar",
            registrar_folder=place / "registrar",
        )
    )
    container = build_container(load_settings(place))
    try:
        serials = record_certificates(container, _CERTIFICATES)
        requests = [question(container, serial) for serial in serials]
        _write_openssl(container, folder, serials)
        length = len(container.ocsp.respond(requests[0]).body)
    finally:
        container.close()
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(_served(place, length))
        foreign = Client(stack.enter_context(_openssl(folder)), "/", requests)
        ours = Client(port, "/pki/ocsp", requests)
        constant = Client(port, _CONSTANT, requests)
        for client in (ours, constant):
            stack.callback(client.close)
        ours.kept(_CERTIFICATES)
        yield [
            Figure(
                NAMES[0],
                f"{length} constant bytes by the same server to the same client, one kept connection",
                prepare=lambda number: None,
                measured=lambda given: ours.kept(_PER),
                bare=lambda given: constant.kept(_PER),
                rounds=_ROUNDS,
                per=_PER,
            ),
            Figure(
                NAMES[1],
                "openssl ocsp as a responder, which signs each answer; a connection for each request",
                prepare=lambda number: None,
                measured=lambda given: ours.apart(_CONNECTIONS),
                bare=lambda given: foreign.apart(_CONNECTIONS),
                rounds=_ROUNDS,
                per=_CONNECTIONS,
            ),
        ]


def record_certificates(container: Container, count: int) -> list[int]:
    """Rows of issued certificates, as the registry has them but for the certificate itself, which OCSP never reads."""
    serials = [new_serial() for _ in range(count)]
    with container.unit_of_work() as uow:
        now = format_utc(container.clock.now())
        uow.session.add_all(
            CertificateRow(
                serial=serial_text(serial),
                issuer="intermediate",
                profile="person-signing",
                party="IR-1",
                name="Person",
                state="issued",
                intended_at=now,
                intended_by="bench",
            )
            for serial in serials
        )
        uow.session.commit()
    return serials


def question(container: Container, serial: int) -> bytes:
    """What openssl ocsp asks by default, without a nonce: SHA-1."""
    named = cert_id(serial, container.authority.intermediate.certificate, "sha1")
    request = SingleRequest(cert_id=named, extensions=None)
    tbs = TbsRequest(version=0, requestor=None, requests=[request], extensions=None)
    return asn1.encode(OcspRequest(tbs=tbs, signature=None))


def serve(folder: Path, port: int, length: int) -> None:
    """The child: the application of that folder, with the constant route in front of all others."""
    container = build_container(load_settings(folder))
    app = create_app(container)
    app.router.routes.insert(0, Route(_CONSTANT, _Constant(b"\0" * length), methods=["POST"]))
    serve_until_told(app, "127.0.0.1", port, when_ready=lambda: print("ready", flush=True))


class _Constant:
    """The least that an ASGI application can do with a body and an answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._headers = [
            (b"content-type", b"application/ocsp-response"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


@contextlib.contextmanager
def _served(folder: Path, length: int) -> Iterator[int]:
    port = _free_port()
    command = [sys.executable, "-m", "bench.pki_ocsp", str(folder), str(port), str(length)]
    with _process(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield port


@contextlib.contextmanager
def _openssl(folder: Path) -> Iterator[int]:
    port = _free_port()
    program = shutil.which("openssl")
    assert program is not None, "openssl is not installed"
    command = [program, "ocsp", "-port", str(port), "-index", "index.txt", "-CA", "ca.pem"]
    command += ["-rsigner", "ocsp.pem", "-rkey", "ocsp.key", "-ndays", "1", "-resp_key_id"]
    with _process(command, folder) as process:
        assert process.stdout is not None
        while b"waiting for OCSP client connections" not in (line := process.stdout.readline()):
            assert line, "openssl ocsp ended"
        yield port


@contextlib.contextmanager
def _process(command: list[str], folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def _write_openssl(container: Container, folder: Path, serials: list[int]) -> None:
    """The same certificates and the same key, as openssl's own responder reads them."""
    with read_only(container.sessions) as session:
        responder = load_responder(session, container.authority)
    assert responder is not None
    key = container.authority.keys.load(RESPONDER_KEY)
    (folder / "ocsp.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "ocsp.pem").write_bytes(pem_of([responder.certificates["intermediate"]]))
    (folder / "ca.pem").write_bytes(pem_of([container.authority.intermediate.certificate]))
    lines = [f"V\t{_EXPIRES}\t\t{serial:040X}\tunknown\t/CN={serial:x}" for serial in serials]
    (folder / "index.txt").write_text("\n".join(lines) + "\n", "ascii")


def _post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/ocsp-request\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body


def _exchange(connection: socket.socket, request: bytes) -> int:
    connection.sendall(request)
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _some(connection)
    head = data[:end].lower()
    assert b" 200 " in head.partition(b"\r\n")[0] + b" "
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    left = length - (len(data) - end - 4)
    while left > 0:
        left -= len(_some(connection))
    return length


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    assert data, "the server closed the connection"
    return data


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
