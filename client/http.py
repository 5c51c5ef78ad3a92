"""HTTP to the server: bounded in time and size, repeated only where repeating is harmless."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from client.errors import ApiRefusal
from kernel.errors import LimitExceeded, MalformedInput, Unavailable
from kernel.tls import tls_authorities

_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
_PASSING_STATUSES = frozenset({502, 503, 504})
_MAX_PROBLEM_BYTES = 64 << 10
_DOWNLOAD_SECONDS = 300.0
# The server syncs and checks a large upload before it answers.
_UPLOAD_TIMEOUT = httpx.Timeout(60.0, read=300.0)


class ApiClient:
    """One connection pool to one server.

    ``log_in`` is called on a 401, once per request, and returns a fresh session token. GET, PUT and DELETE
    are repeated up to ``attempts`` times when the line breaks or a gateway answers; POST only when the
    connection could not be made at all, so that nothing is handed in twice.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float = 20.0,
        attempts: int = 3,
        pause_seconds: float = 0.2,
        max_response_bytes: int = 256 << 20,
        log_in: Callable[[ApiClient], str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.token: str | None = None
        self._log_in = log_in
        self._attempts = max(1, attempts)
        self._pause_seconds = pause_seconds
        self._max_response_bytes = max_response_bytes
        self._http = httpx.Client(
            base_url=self.base_url,
            timeout=httpx.Timeout(timeout_seconds),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            verify=tls_authorities(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """The JSON object at ``path``."""
        return _json_object(self._exchange("GET", path, params=query))

    def get_text(self, path: str, **query: str | int) -> str:
        """The text at ``path``."""
        return self._exchange("GET", path, params=query).decode("utf-8")

    def get_bytes(self, path: str, **query: str | int) -> bytes:
        """The bytes at ``path``."""
        return self._exchange("GET", path, params=query)

    def download(self, path: str, target: Path, *, max_bytes: int = 16 << 30) -> int:
        """Stream a large answer into a file; returns its length. Raises ApiRefusal, LimitExceeded, Unavailable."""
        self.get("/auth/me")  # signs in again where the session has ended; a stream is asked for only once
        headers = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        received = 0
        try:
            with self._http.stream("GET", path, headers=headers, timeout=_DOWNLOAD_SECONDS) as response:
                if response.status_code >= 300:
                    raise _refusal(response.status_code, self._read(response))
                with target.open("wb") as stream:
                    for piece in response.iter_bytes():
                        received += len(piece)
                        if received > max_bytes:
                            raise LimitExceeded("the answer is too long", limit_bytes=max_bytes)
                        stream.write(piece)
        except httpx.TransportError as error:
            raise Unavailable("the download broke off", path=path) from error
        return received

    def post(
        self, path: str, body: dict[str, Any] | None = None, *, anonymous: bool = False
    ) -> dict[str, Any]:
        """Send a JSON object; the answer is one too, or empty."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return _json_object(
            self._exchange("POST", path, content=content, headers=headers, anonymous=anonymous)
        )

    def post_bytes(self, path: str, content: bytes, content_type: str) -> bytes:
        """Send bytes without a session and read bytes, as time stamps are asked for (RFC 3161 §3.4)."""
        return self._exchange(
            "POST", path, content=content, headers={"Content-Type": content_type}, anonymous=True
        )

    def put_bytes(self, path: str, content: bytes) -> dict[str, Any]:
        """Put bytes at ``path``; putting the same again changes nothing."""
        headers = {"Content-Type": "application/octet-stream"}
        return _json_object(self._exchange("PUT", path, content=content, headers=headers))

    def put_stream(
        self, path: str, pieces: Callable[[], Iterator[bytes]], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Put what ``pieces`` gives, never held as a whole; ``headers`` tell its length.

        Sent once: what to send after a line broke depends on what had arrived. Raises ApiRefusal or Unavailable.
        """
        sent = {"Content-Type": "application/octet-stream", **headers}
        return _json_object(
            self._exchange("PUT", path, content=pieces, headers=sent, attempts=1, timeout=_UPLOAD_TIMEOUT)
        )

    def delete(self, path: str) -> None:
        """Delete what is at ``path``."""
        self._exchange("DELETE", path)

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int] | None = None,
        content: bytes | Callable[[], Iterator[bytes]] | None = None,
        headers: dict[str, str] | None = None,
        anonymous: bool = False,
        attempts: int | None = None,
        timeout: httpx.Timeout | None = None,
    ) -> bytes:
        """Send, and on a 401 log in and send once more; raises ApiRefusal or Unavailable."""
        request_headers = dict(headers or {})
        for round_ in (1, 2):
            if not anonymous and self.token is not None:
                request_headers["Authorization"] = f"Bearer {self.token}"
            status, body = self._send(
                method, path, params, content, request_headers, attempts or self._attempts, timeout
            )
            if status == 401 and round_ == 1 and not anonymous and self._log_in is not None:
                self.token = None
                self.token = self._log_in(self)
                continue
            break
        if status >= 300:
            raise _refusal(status, body)
        return body

    def _send(
        self,
        method: str,
        path: str,
        params: dict[str, str | int] | None,
        content: bytes | Callable[[], Iterator[bytes]] | None,
        headers: dict[str, str],
        attempts: int,
        timeout: httpx.Timeout | None,
    ) -> tuple[int, bytes]:
        failure: Exception | None = None
        for attempt in range(attempts):
            if attempt:
                time.sleep(self._pause_seconds * 2 ** (attempt - 1))
            last = attempt == attempts - 1
            try:
                with self._http.stream(
                    method,
                    path,
                    params=params or None,
                    content=content() if callable(content) else content,
                    headers=headers,
                    timeout=timeout or self._http.timeout,
                ) as response:
                    body = self._read(response)
                if response.status_code in _PASSING_STATUSES and method in _IDEMPOTENT and not last:
                    continue
                return response.status_code, body
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except httpx.TransportError as error:
                failure = error
                if method not in _IDEMPOTENT:
                    break
        raise Unavailable("the server did not answer", method=method, path=path) from failure

    def _read(self, response: httpx.Response) -> bytes:
        received = bytearray()
        for piece in response.iter_bytes():
            received += piece
            if len(received) > self._max_response_bytes:
                raise LimitExceeded("the answer is too long", limit_bytes=self._max_response_bytes)
        return bytes(received)


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedInput("the server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise MalformedInput("the server's answer is not a JSON object")
    return value


def _refusal(status: int, body: bytes) -> ApiRefusal:
    problem: dict[str, Any] = {}
    if len(body) <= _MAX_PROBLEM_BYTES:
        try:
            problem = _json_object(body)
        except MalformedInput:
            problem = {}
    code = str(problem.get("code", f"http-{status}"))
    detail = str(problem.get("detail") or problem.get("title") or "the server refused without a reason")
    return ApiRefusal(code, status, detail, problem)
