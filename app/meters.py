"""What one process counts of its own work, for Prometheus. Labels are few and name nobody.

Each process has its own registry and says so by the label ``process``: one scrape is answered by one API process.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OCSP_STATUSES = frozenset({"good", "revoked", "unknown", "refused"})
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Meters:
    """Counters of this process; safe for threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._process = str(os.getpid())
        self._requests = Counter(
            "mohr_http_requests",
            "Requests answered by this process, by class of route and status.",
            ("process", "route", "status"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "mohr_http_request_seconds",
            "Seconds until the answer began, by class of route.",
            ("process", "route"),
            buckets=_BOUNDS,
            registry=self._registry,
        )
        self._stamps = Counter(
            "mohr_timestamps",
            "Time-stamp requests answered by this process: granted or refused.",
            ("process", "answer"),
            registry=self._registry,
        )
        self._ocsp = Counter(
            "mohr_ocsp_answers",
            "Certificates answered for by OCSP in this process, by status.",
            ("process", "status"),
            registry=self._registry,
        )

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request: ``route`` is the class of its route, never its path."""
        self._requests.labels(self._process, route, str(status)).inc()
        self._durations.labels(self._process, route).observe(seconds)

    def timestamp(self, *, granted: bool) -> None:
        """One answer of the time-stamping authority."""
        self._stamps.labels(self._process, "granted" if granted else "refused").inc()

    def ocsp_answer(self, status: str) -> None:
        """One certificate answered for: ``good``, ``revoked``, ``unknown``, or ``refused`` for a whole request."""
        self._ocsp.labels(self._process, status if status in OCSP_STATUSES else "refused").inc()

    def exposition(self, *others: Collector) -> bytes:
        """The text format (version 0.0.4) of this process's counters and of ``others``, read now."""
        registry = CollectorRegistry(auto_describe=False)
        for each in others:
            registry.register(each)
        text: bytes = generate_latest(self._registry) + generate_latest(registry)
        return text
