"""The memory of OCSP answers that were signed before anybody asks again.

What is kept has an order by age, so that renewing and forgetting cost as much as there is to renew, not as much as is
kept. The certificate at the end of all answers of one issuer is in memory once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from pki.ocsp_signing import Answer, Period, Status


@dataclass(slots=True)
class KeptAnswer:
    """``asked``: whether anybody wanted it since it was signed."""

    answer: Answer
    status: Status
    serial: int
    issuer: str
    period: Period
    asked: bool = False


class KeptAnswers:
    """Answers by CertID (DER), at most ``limit``; the longest signed go first. Safe for threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[bytes, KeptAnswer] = {}
        self._by_serial: dict[int, tuple[bytes, ...]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, cert_id: bytes) -> KeptAnswer | None:
        return self._kept.get(cert_id)

    def put(self, cert_id: bytes, kept: KeptAnswer) -> None:
        with self._lock:
            self._forget(cert_id)
            while len(self._kept) >= self._limit:
                self._forget(next(iter(self._kept)))
            self._kept[cert_id] = kept
            self._by_serial[kept.serial] = (*self._by_serial.get(kept.serial, ()), cert_id)

    def forget_serial(self, serial: int) -> None:
        with self._lock:
            for cert_id in self._by_serial.get(serial, ()):
                self._forget(cert_id)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._by_serial.clear()

    def take_due(self, now: datetime, at_most: int) -> list[tuple[bytes, KeptAnswer]]:
        """Those to be signed anew, oldest first; those that nobody asked for are forgotten instead."""
        found: list[tuple[bytes, KeptAnswer]] = []
        with self._lock:
            for cert_id in list(_first(self._kept, at_most)):
                kept = self._kept[cert_id]
                if not kept.period.is_due(now):
                    break
                if kept.asked:
                    found.append((cert_id, kept))
                else:
                    self._forget(cert_id)
        return found

    def _forget(self, cert_id: bytes) -> None:
        kept = self._kept.pop(cert_id, None)
        if kept is None:
            return
        others = tuple(each for each in self._by_serial[kept.serial] if each != cert_id)
        if others:
            self._by_serial[kept.serial] = others
        else:
            del self._by_serial[kept.serial]


def _first(kept: dict[bytes, KeptAnswer], at_most: int) -> list[bytes]:
    return [cert_id for cert_id, _ in zip(kept, range(at_most), strict=False)]
