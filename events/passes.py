"""The passes of a relay, one after the other until it is stopped; a database that does not answer is told once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from kernel.errors import Unavailable, with_cause

_LOG = logging.getLogger(__name__)
_MAX_PAUSE_SECONDS = 5.0


def repeat_passes(
    run_once: Callable[[], int], report: Callable[[], None], stop: threading.Event, interval_seconds: float
) -> None:
    """Pass after pass until ``stop``, with a pause after one that did nothing; after failures it grows up to 5 s."""
    pause, told = interval_seconds, ""
    while not stop.is_set():
        idle = True
        try:
            idle = run_once() == 0
            if told:
                _LOG.warning("the relay goes on")
            pause, told = interval_seconds, ""
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
