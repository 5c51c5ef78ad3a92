"""The passes of a relay, one after the other until it is stopped; a database that does not answer is told once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kernel.errors import Unavailable, with_cause

_LOG = logging.getLogger(__name__)
_MAX_PAUSE_SECONDS = 5.0
_QUIET_SECONDS = 5.0
_QUIET_PAUSE_SECONDS = 0.3


def repeat_passes(
    run_once: Callable[[], int], report: Callable[[], None], stop: threading.Event, interval_seconds: float
) -> None:
    """Pass after pass until ``stop``, with a pause after one that did nothing; after failures it grows up to 5 s.

    Where nothing was to be done for a while, it looks more seldom.
    """
    pause, told, busy_at = interval_seconds, "", time.monotonic()
    while not stop.is_set():
        idle = True
        try:
            idle = run_once() == 0
            if told:
                _LOG.warning("the relay goes on")
            pause, told = interval_seconds, ""
            if not idle:
                busy_at = time.monotonic()
            elif time.monotonic() - busy_at > _QUIET_SECONDS:
                pause = max(interval_seconds, _QUIET_PAUSE_SECONDS)
        except Exception as error:
            pause = min(pause * 2, max(_MAX_PAUSE_SECONDS, interval_seconds))
            if not isinstance(error, Unavailable):
                _LOG.exception("the relay could not read or mark the outbox")
            elif told != error.detail:
                _LOG.warning("events wait in the outbox: %s", with_cause(error))
                told = error.detail
        report()
        if idle:
            stop.wait(pause)
