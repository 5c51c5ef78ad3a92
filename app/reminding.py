"""Announces certificates that end soon, looking as seldom as days pass."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy.orm import Session, sessionmaker

from app.looks import Look
from kernel.clock import Clock
from kernel.database import read_only
from kernel.unit_of_work import UnitOfWork
from pki.reminders import remind_expiring, reminders_are_due

_LOG = logging.getLogger(__name__)


class Reminder:
    """Called by the worker alone."""

    def __init__(
        self, sessions: sessionmaker[Session], unit_of_work: Callable[[], UnitOfWork], clock: Clock
    ) -> None:
        self._sessions = sessions
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._look = Look()

    def remind(self, *, at_most_every_seconds: float = 60.0) -> None:
        """Announce up to 500 certificates, and look again at once while there are more."""
        now = self._clock.now()
        if not self._look.is_due(now, at_most_every_seconds):
            return
        with read_only(self._sessions) as session:
            due = reminders_are_due(session, now)
        if due:
            count = remind_expiring(unit_of_work=self._unit_of_work, clock=self._clock)
            _LOG.info("%d certificates end soon", count)
        else:
            self._look.note(now)
