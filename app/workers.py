"""The threads beside the API: the sequencer, the relay, the subscriptions, and the steps that time brings about."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.container import Container
from app.register_desk import tidy_register
from app.signing_desk import tidy
from kernel.errors import Unavailable
from procurement.use_cases.close_submissions import close_due_tenders
from procurement.use_cases.tidy_uploads import discard_stale_uploads

_LOG = logging.getLogger(__name__)
_MAX_BACKOFF_SECONDS = 10.0


class Workers:
    """Started and stopped by the process that serves; each thread survives any failure of a single pass."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=container.sequencer.run_until, args=(self._stop,), name="sequencer"),
            threading.Thread(target=container.relay.run_until, args=(self._stop,), name="relay"),
            threading.Thread(
                target=repeat,
                args=(
                    lambda: timed_steps(container),
                    container.settings.workers.deadlines_interval_seconds,
                    self._stop,
                ),
                name="deadlines",
            ),
            *(
                threading.Thread(target=each.run_until, args=(self._stop,), name=f"subscription-{each.name}")
                for each in container.subscriptions
            ),
        ]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask all threads to end and wait for them, each up to ``workers.stop_timeout_seconds``."""
        self._stop.set()
        for thread in self._threads:
            thread.join(self._container.settings.workers.stop_timeout_seconds)
            if thread.is_alive():
                _LOG.error("the %s thread did not end in time", thread.name)


def timed_steps(container: Container) -> None:
    """What is due by the clock: fresh revocation lists, the OCSP responder, reminders of certificates that end, closing
    lists, the end of broken uploads, of prepared documents and of identifiers without one. Safe to repeat.
    """
    container.trust.refresh()
    container.trust.renew_publication()
    container.responders.refresh()
    container.reminder.remind()
    for tender in close_due_tenders(container.desk):
        _LOG.info("submissions of tender %s are closed", tender)
    discard_stale_uploads(container.desk)
    tidy(container)
    tidy_register(container)


def repeat(step: Callable[[], None], interval_seconds: float, stop: threading.Event) -> None:
    """Run ``step`` every ``interval_seconds`` until ``stop``; after a failure with growing pauses, up to 10 s."""
    pause = interval_seconds
    while not stop.is_set():
        try:
            step()
            pause = interval_seconds
        except Exception as error:
            # What does not answer is no defect of ours: one line is enough.
            told = None if isinstance(error, Unavailable) else error
            _LOG.error("a timed step failed and will be tried again: %s", error, exc_info=told)
            pause = min(pause * 2, max(_MAX_BACKOFF_SECONDS, interval_seconds))
        stop.wait(pause)
