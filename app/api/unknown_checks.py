"""Who asks for too much that does not exist has to wait: guessing identifiers stays as hopeless as they are long.

A question takes one of the source's places before anything is looked up, and gives it back when the document exists.
So a source without places learns nothing more, not even by how it is refused. Places come back evenly over a minute.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from authenticity.errors import TooManyChecks

# A source that is forgotten has all its places again, so who can send from this many others gains by it.
MAX_SOURCES = 100_000
_MINUTE = 60.0


class UnknownChecks:
    """Of one process and one kind of question. Safe for threads."""

    def __init__(
        self,
        per_minute: int,
        *,
        most_sources: int = MAX_SOURCES,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = float(per_minute)
        self._most_sources = most_sources
        self._seconds = seconds
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, source: str) -> None:
        """Raises TooManyChecks (``retry_after_seconds``) when the source has no place left."""
        with self._lock:
            now = self._seconds()
            left = self._now_left(source, now)
            if left < 1:
                wait = math.ceil((1 - left) * _MINUTE / self._most)
                raise TooManyChecks(
                    "too many questions about what is not registered", retry_after_seconds=wait
                )
            self._keep(source, left - 1, now)

    def give_back(self, source: str) -> None:
        """The document exists: the question cost nothing."""
        with self._lock:
            now = self._seconds()
            self._keep(source, self._now_left(source, now) + 1, now)

    def _now_left(self, source: str, now: float) -> float:
        left, since = self._left.get(source, (self._most, now))
        return min(self._most, left + (now - since) * self._most / _MINUTE)

    def _keep(self, source: str, left: float, now: float) -> None:
        if left >= self._most:
            self._left.pop(source, None)
            return
        self._left[source] = (left, now)
        self._left.move_to_end(source)
        if len(self._left) > self._most_sources:
            self._left.popitem(last=False)


def source_of(host: str) -> str:
    """Whom an address counts as: itself, or for IPv6 the network of 64 bits that one subscriber has.

    All that is no address is one source, since a proxy may forward whatever a stranger wrote.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)
