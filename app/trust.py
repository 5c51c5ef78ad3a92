"""The server's trust store with the newest revocation lists, whatever the clock does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import Clock
from kernel.database import read_only
from kernel.unit_of_work import UnitOfWork
from pki.installation import Authority
from pki.list_issuing import crls_are_due, publication_is_due, refresh_crls, renew_publication
from pki.published_lists import DELTA, FULL, list_of, newest_lists
from pki.trust import TrustStore


class TrustKeeper:
    """Pinned root, own intermediate and current lists. ``refresh`` writes, ``store`` only reads.

    So a use case may ask for the store inside its transaction, and lists are renewed outside of one: before
    each request and by the worker.
    """

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
        self._looked_at: datetime | None = None
        self._taken: dict[tuple[str, str], int] = {}
        self._store = TrustStore(
            [authority.root.certificate],
            [issuer.certificate for issuer in authority.issuers if issuer.name != authority.root.name],
        )

    def store(self) -> TrustStore:
        """The store as the last ``refresh`` or ``add_crl`` left it."""
        return self._store

    def crls(self) -> list[bytes]:
        """The lists in use (DER)."""
        return self._store.crls()

    def add_crl(self, der: bytes) -> None:
        """Take a list into use at once, as after a revocation."""
        self._store.add_crl(der)

    def refresh(self, *, at_most_every_seconds: float = 1.0) -> None:
        """Renew the lists that are past half of their life, and take the newest into use.

        Looks at the database only when that much time of the installation's clock has gone by.
        """
        now = self._clock.now()
        with self._lock:
            looked = self._looked_at
            if looked is not None and 0 <= (now - looked).total_seconds() < at_most_every_seconds:
                return
            with read_only(self._sessions) as session:
                due = crls_are_due(session, now, self._authority)
            if due:
                refresh_crls(unit_of_work=self._unit_of_work, clock=self._clock, authority=self._authority)
            self._take_newest()
            self._looked_at = now

    def renew_publication(self) -> None:
        """Issue shards, and long full lists whose changes the deltas tell of so far: the worker's part."""
        with read_only(self._sessions) as session:
            due = publication_is_due(session, self._clock.now(), self._authority)
        if due:
            renew_publication(unit_of_work=self._unit_of_work, clock=self._clock, authority=self._authority)
            with self._lock:
                self._take_newest()

    def _take_newest(self) -> None:
        with read_only(self._sessions) as session:
            for head in newest_lists(session):
                place = (head.issuer, head.scope)
                if head.scope in (FULL, DELTA) and self._taken.get(place) != head.number:
                    self._store.add_crl(list_of(session, head))
                    self._taken[place] = head.number
