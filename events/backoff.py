"""Growing pauses for what failed: 0.2 s, doubled with each failure, up to 30 s."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_FIRST_SECONDS = 0.2
_MAX_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Failed:
    failures: int
    until: float


class Backoff(Generic[Key]):
    """Remembers by key how often something failed in a row, and until when it is left alone."""

    def __init__(
        self, *, max_seconds: float = _MAX_SECONDS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._max = max_seconds
        self._monotonic = monotonic
        self._failed: dict[Key, _Failed] = {}

    def fail(self, key: Key) -> int:
        """One more failure; returns how many there were in a row."""
        before = self._failed.get(key)
        failures = before.failures + 1 if before is not None else 1
        pause = min(_FIRST_SECONDS * 2 ** min(failures - 1, 16), self._max)
        self._failed[key] = _Failed(failures, self._monotonic() + pause)
        return failures

    def clear(self, key: Key) -> None:
        """It went well."""
        self._failed.pop(key, None)

    def resting(self) -> list[Key]:
        """The keys whose pause is not over."""
        now = self._monotonic()
        return [key for key, failed in self._failed.items() if failed.until > now]

    def failed(self) -> list[Key]:
        """The keys that have failed and have not gone well since."""
        return list(self._failed)
