"""Keeps the OCSP responder of an installation certified, whatever the clock does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy.orm import Session, sessionmaker

from app.looks import Look
from kernel.clock import Clock
from kernel.database import read_only
from kernel.unit_of_work import UnitOfWork
from pki.installation import Authority
from pki.ocsp_responders import renew_responders, responders_are_due

_LOG = logging.getLogger(__name__)


class ResponderKeeper:
    """An installation that has no responder yet gets it at the first ``refresh``; called at start and by the worker."""

    def __init__(
        self,
        authority: Authority,
        sessions: sessionmaker[Session],
        unit_of_work: Callable[[], UnitOfWork],
        clock: Clock,
    ) -> None:
        self._authority = authority
        self._sessions = sessions
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._lock = threading.Lock()
        self._look = Look()

    def refresh(self, *, at_most_every_seconds: float = 60.0) -> None:
        """Certify what is due; looks only when that much time of the installation's clock has gone by."""
        now = self._clock.now()
        with self._lock:
            if not self._look.is_due(now, at_most_every_seconds):
                return
            with read_only(self._sessions) as session:
                due = responders_are_due(session, self._authority, now)
            if due:
                made = renew_responders(
                    unit_of_work=self._unit_of_work, clock=self._clock, authority=self._authority
                )
                _LOG.info("the OCSP responder was certified %d times: %s", len(made), ", ".join(due))
            self._look.note(now)
