"""Services on the loopback interface as they are met: some that answer, and some that never should have been asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answering = Callable[[bytes], bytes]
Behaviour = Callable[[socket.socket, threading.Event], None]


class HttpService:
    """``asked`` lists method and path of every request, in order; a route may be changed while it runs.

    A route that raises Redirect sends the client elsewhere.
    """

    def __init__(self, routes: Mapping[str, Answering]) -> None:
        self.routes = dict(routes)
        self.asked: list[str] = []
        self.url = ""


class Redirect(Exception):
    """To the address in the message."""


@contextmanager
def http_service(
    routes: Mapping[str, Answering], *, tls: ssl.SSLContext | None = None
) -> Iterator[HttpService]:
    """A server that gives each path's answer to whatever is sent to it; with ``tls`` over HTTPS."""
    service = HttpService(routes)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            service.asked.append(f"{self.command} {self.path}")
            route = service.routes.get(self.path)
            try:
                answer = None if route is None else route(body)
            except Redirect as to:
                self.send_response(302)
                self.send_header("Location", str(to))
                self.end_headers()
                return
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Not on the terminal of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw_service(behave: Behaviour) -> Iterator[str]:
    """The address of a server that does that with each connection, until it is told to stop."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.02)

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(0.2)
                    try:
                        behave(connection, stop)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/service"
        finally:
            stop.set()
            thread.join()


def silent(connection: socket.socket, stop: threading.Event) -> None:
    """Takes the request and says nothing."""
    stop.wait()


def dribbling(connection: socket.socket, stop: threading.Event) -> None:
    """Sends a header's byte now and then, so that no single read ever takes long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stop.wait(0.02):
        connection.sendall(b"x")


def garbling(connection: socket.socket, stop: threading.Event) -> None:
    """Answers in no protocol."""
    connection.recv(4096)
    connection.sendall(b"\x00\xff" * 100)


def endless(connection: socket.socket, stop: threading.Event) -> None:
    """Answers properly and never ends."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"\x30" * 65536)


def refused_address() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}/service"
