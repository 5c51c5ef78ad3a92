"""HTTP towards a server that stumbles: bounded, repeated only where that is harmless."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from client.errors import ApiRefusal
from client.http import ApiClient
from kernel.errors import LimitExceeded, MalformedInput, Unavailable


class Scripted(ThreadingHTTPServer):
    """A loopback server that answers with the next of ``answers``: (status, body), or None to break the line."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes] | None] = []
        self.seen: list[tuple[str, str | None, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.seen.append((self.command, self.headers.get("Authorization"), body))
        answer = self.server.answers.pop(0)
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def client(server: Scripted, **options: object) -> ApiClient:
    return ApiClient(server.url, pause_seconds=0.0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("stumble", [None, (503, b""), (502, b"")])
def test_reading_is_repeated(server: Scripted, stumble: tuple[int, bytes] | None) -> None:
    """A GET survives two broken lines or gateway errors."""
    server.answers = [stumble, stumble, (200, b'{"a": 1}')]

    with client(server) as api:
        assert api.get("/x") == {"a": 1}


def test_reading_is_given_up_after_three_attempts(server: Scripted) -> None:
    """The third broken line is the last."""
    server.answers = [None, None, None]

    with client(server) as api, pytest.raises(Unavailable):
        api.get("/x")


def test_the_last_gateway_error_is_reported(server: Scripted) -> None:
    """A server that is away for good is a refusal with its status, not silence."""
    server.answers = [(503, b"")] * 3

    with client(server) as api, pytest.raises(ApiRefusal) as refusal:
        api.get("/x")

    assert (refusal.value.status, refusal.value.code) == (503, "http-503")


def test_handing_in_is_not_repeated(server: Scripted) -> None:
    """A POST whose answer was lost may have been taken: it is not sent twice."""
    server.answers = [None, (201, b"{}")]

    with client(server) as api, pytest.raises(Unavailable):
        api.post("/x", {"a": 1})

    assert len(server.seen) == 1


def test_uploading_is_repeated_with_the_same_bytes(server: Scripted) -> None:
    """A PUT changes nothing when it comes twice."""
    server.answers = [None, (200, b"{}")]

    with client(server) as api:
        api.put_bytes("/x", b"blob")

    assert [body for _, _, body in server.seen] == [b"blob", b"blob"]


def test_nobody_listening_is_unavailable(server: Scripted) -> None:
    """No connection at all is the same clear answer for every method."""
    server.shutdown()
    server.server_close()

    with client(server) as api, pytest.raises(Unavailable):
        api.post("/x", {})


def test_an_ended_session_is_renewed_once(server: Scripted) -> None:
    """On a 401 the client logs in again and repeats with the fresh token."""
    server.answers = [(401, b'{"code": "session-ended"}'), (201, b'{"done": true}')]

    with client(server, log_in=lambda api: "fresh") as api:
        api.token = "stale"
        assert api.post("/x", {"a": 1}) == {"done": True}

    assert [token for _, token, _ in server.seen] == ["Bearer stale", "Bearer fresh"]


def test_a_second_401_is_a_refusal(server: Scripted) -> None:
    """A login that does not help is not repeated for ever."""
    server.answers = [(401, b'{"code": "session-ended"}'), (401, b'{"code": "forbidden"}')]

    with client(server, log_in=lambda api: "fresh") as api, pytest.raises(ApiRefusal) as refusal:
        api.get("/x")

    assert refusal.value.code == "forbidden"


def test_anonymous_requests_carry_no_token(server: Scripted) -> None:
    """Challenges and time stamps are asked for without saying who asks."""
    server.answers = [(200, b"{}"), (200, b"stamp")]

    with client(server) as api:
        api.token = "secret"
        api.post("/auth/challenges", anonymous=True)
        assert api.post_bytes("/tsa", b"query", "application/timestamp-query") == b"stamp"

    assert [token for _, token, _ in server.seen] == [None, None]


def test_a_problem_document_becomes_a_refusal(server: Scripted) -> None:
    """Code, status, detail and fields of RFC 9457 are all there."""
    problem = {"code": "submission-late", "detail": "too late", "receipt": {"document": "AA=="}}
    server.answers = [(409, json.dumps(problem).encode())]

    with client(server) as api, pytest.raises(ApiRefusal) as refusal:
        api.post("/x", {})

    assert (refusal.value.code, refusal.value.status, refusal.value.detail) == (
        "submission-late",
        409,
        "too late",
    )
    assert refusal.value.problem["receipt"] == {"document": "AA=="}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b"[" * 100_000, b"x" * 100_000])
def test_a_refusal_without_a_problem_document_is_still_one(server: Scripted, body: bytes) -> None:
    """Whatever stands in the body of an error, the status is reported."""
    server.answers = [(500, body)]

    with client(server) as api, pytest.raises(ApiRefusal) as refusal:
        api.get("/x")

    assert refusal.value.code == "http-500"


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_malformed(server: Scripted, body: bytes) -> None:
    """A 200 with something else than a JSON object is not passed on."""
    server.answers = [(200, body)]

    with client(server) as api, pytest.raises(MalformedInput):
        api.get("/x")


def test_an_endless_answer_is_cut_off(server: Scripted) -> None:
    """The client reads no further than its limit."""
    server.answers = [(200, b"x" * 5000)]

    with client(server, max_response_bytes=1000) as api, pytest.raises(LimitExceeded):
        api.get("/x")


def test_a_redirect_is_not_followed(server: Scripted) -> None:
    """Nobody sends the client, with its token, elsewhere."""
    server.answers = [(307, b"")]

    with client(server) as api, pytest.raises(ApiRefusal):
        api.get("/x")

    assert len(server.seen) == 1
