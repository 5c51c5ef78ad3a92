"""Whether the machine's clock is in doubt, so that no time stamp is made (RFC 3161 §2.1, EN 319 421 §7.7.2).

Judged is the machine's clock, never ``kernel.clock``: a demo's clock leaps by days on purpose. NTP slews both clocks
of the kernel alike; what makes them part is a step, and whoever stepped the clock restarts the server once it is right.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache

_TIME_ERROR = 5
_STA_UNSYNC = 0x40
_KERNEL_BYTES = 512


class _Timex(ctypes.Structure):
    """The beginning of Linux's ``struct timex``; mode 0 reads and changes nothing."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * _KERNEL_BYTES),
    )


def kernel_synchronised() -> bool:
    """What adjtimex says; False where there is no such call."""
    call = _adjtimex()
    if call is None:
        return False
    told = _Timex()
    state = call(ctypes.byref(told))
    return 0 <= state < _TIME_ERROR and not told.status & _STA_UNSYNC


@cache
def _adjtimex() -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), "adjtimex", None)


def steady_seconds() -> float:
    """Seconds that nobody sets: of Linux also those of a suspended machine."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class MachineClock:
    """Compares the machine's clock with its steady one since the first question; safe for threads.

    ``accuracy`` is how far they may part. ``synchronised`` is asked too, unless it is None.
    """

    def __init__(
        self,
        accuracy: timedelta,
        *,
        synchronised: Callable[[], bool] | None = None,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = steady_seconds,
    ) -> None:
        self._accuracy = accuracy.total_seconds()
        self._synchronised = synchronised
        self._wall, self._steady = wall, steady
        self._apart = wall() - steady()

    def doubt(self) -> str | None:
        """Why the clock is in doubt now, for people to read; None if it is not."""
        leapt = self._wall() - self._steady() - self._apart
        if abs(leapt) > self._accuracy:
            return "the clock has leapt" if leapt > 0 else "the clock has run back"
        if self._synchronised is not None and not self._synchronised():
            return "the clock is not synchronised"
        return None
