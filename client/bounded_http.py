"""One request to a service of somebody else: bounded in total time, answer size, hops and addresses.

httpx bounds each read and not their sum, and a service that sends a byte now and then never ends; so this stands one
layer lower, where every read and write gets what is left of the whole time. Only looking up a name is bounded by the
resolver of the machine instead. Plain bytes: no content encoding is asked for or undone, no cookies, no proxy.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from kernel.tls import tls_authorities

MAX_URL_LENGTH = 2048
_SCHEMES = frozenset({"http", "https"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_ADDRESSES = 4
# RFC 4291 §2.4; 6to4 (RFC 3056) and Teredo (RFC 4380) are within it, NAT64 (RFC 6052) and IPv4-compatible are not.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_TRANSLATED = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"))


class FetchFailed(Exception):
    """Why there is no answer, in words for whoever runs this."""


class Deadline:
    """A number of seconds from now, shared by all that has to be done in it."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self, at_most: float | None = None) -> float:
        """Seconds left, at most that many; raises FetchFailed when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise FetchFailed("it took too long")
        return left if at_most is None else min(left, at_most)


@dataclass(frozen=True, slots=True)
class BoundedHttp:
    """How requests are made. ``public_only`` refuses addresses of the own machine and of private networks.

    Set it where strangers choose the addresses, as in certificates that came from outside.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    public_only: bool = False
    tls: ssl.SSLContext | None = None

    def get(self, url: str, deadline: Deadline, *, max_bytes: int, hops: int = 0) -> bytes:
        """The answer at ``url``, following up to so many redirects, never from https to http.

        Raises FetchFailed.
        """
        for _ in range(hops + 1):
            answer, place = self._once("GET", url, deadline, max_bytes)
            if place is None:
                return answer
            url = _redirected(url, place)
        raise FetchFailed("too many redirects")

    def post(
        self, url: str, content: bytes, content_type: str, deadline: Deadline, *, max_bytes: int
    ) -> bytes:
        """The answer to what is posted; a redirect is a failure. Raises FetchFailed."""
        headers = [("Content-Type", content_type), ("Content-Length", str(len(content)))]
        answer, place = self._once("POST", url, deadline, max_bytes, headers, content)
        if place is not None:
            raise FetchFailed("it redirects")
        return answer

    def _once(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        max_bytes: int,
        headers: Iterable[tuple[str, str]] = (),
        content: bytes | None = None,
    ) -> tuple[bytes, str | None]:
        host = check_url(url)
        sent = [("Host", host), ("Accept", "*/*"), ("Connection", "close"), *headers]
        seconds = {"connect": self.connect_seconds, "read": self.read_seconds, "write": self.read_seconds}
        backend = _BoundedBackend(deadline, public_only=self.public_only)
        tls = self.tls or tls_authorities()
        try:
            with (
                httpcore.ConnectionPool(tls, max_connections=1, network_backend=backend) as pool,
                pool.stream(
                    method, url, headers=sent, content=content, extensions={"timeout": seconds}
                ) as response,
            ):
                return _body(response, deadline, max_bytes)
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise FetchFailed("it did not answer in time") from error
        except socket.gaierror as error:
            raise FetchFailed("its name is not known") from error
        except (httpcore.NetworkError, OSError) as error:
            raise FetchFailed("no connection could be made, or it broke") from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError, TypeError) as error:
            raise FetchFailed("its answer is not HTTP") from error


def check_url(url: str) -> str:
    """The host with its port, as a Host header says it; raises FetchFailed unless it is a plain http address."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in _SCHEMES and bool(parts.hostname) and "@" not in parts.netloc
        port = parts.port
    except ValueError as error:
        raise FetchFailed("the address cannot be read") from error
    printable = url.isascii() and url.isprintable() and " " not in url
    if not plain or not printable or len(url) > MAX_URL_LENGTH or port == 0:
        raise FetchFailed("only plain http and https addresses are asked")
    return parts.netloc


def _redirected(url: str, place: str) -> str:
    to = urljoin(url, place)
    check_url(to)
    if urlsplit(url).scheme == "https" and urlsplit(to).scheme != "https":
        raise FetchFailed("it redirects from https to http")
    return to


def _body(response: httpcore.Response, deadline: Deadline, max_bytes: int) -> tuple[bytes, str | None]:
    if response.status in _REDIRECTS:
        places = [value for name, value in response.headers if name.lower() == b"location"]
        return b"", places[0].decode("latin-1") if places else ""
    if response.status != 200:
        raise FetchFailed(f"it answered with status {response.status}")
    received = bytearray()
    for piece in response.iter_stream():
        received += piece
        deadline.left()
        if len(received) > max_bytes:
            raise FetchFailed(f"its answer is longer than {max_bytes} bytes")
    return bytes(received), None


class _BoundedBackend(httpcore.NetworkBackend):
    """Connects only to allowed addresses, and hands out streams that end with the deadline."""

    def __init__(self, deadline: Deadline, *, public_only: bool) -> None:
        self._deadline = deadline
        self._public_only = public_only
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in self._addresses(host, port):
            left = self._deadline.left(timeout)
            try:
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _BoundedStream(stream, self._deadline)
        raise failure or FetchFailed("its name is not known")

    def _addresses(self, host: str, port: int) -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))[:_MAX_ADDRESSES]
        if self._public_only and not all(_is_public(each) for each in addresses):
            raise FetchFailed("its address is not a public one")
        return addresses


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _BoundedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return _is_public(str(found.ipv4_mapped))
        # Only what is given out as global unicast; the rest, and what tunnels lead on by, may end anywhere.
        if found not in _GLOBAL_UNICAST or any(found in each for each in _TRANSLATED):
            return False
    return found.is_global and not found.is_multicast
