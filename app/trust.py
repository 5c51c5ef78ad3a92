"""The server's trust store with the newest revocation lists, whatever the clock does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker

from app.looks import Look
from kernel.clock import Clock
from kernel.database import read_only
from kernel.errors import DomainError
from kernel.unit_of_work import UnitOfWork
from pki.ceremonies.record import record_ceremonies, require_recorded, unrecorded
from pki.ceremonies.transcript import verify_history
from pki.errors import CertificateRevoked
from pki.installation import Authority
from pki.list_issuing import crls_are_due, publication_is_due, refresh_crls, renew_publication
from pki.published_lists import DELTA, FULL, list_of, newest_lists
from pki.signed_data import Signer
from pki.trust import TrustStore


class TrustKeeper:
    """Our roots, all intermediates and current lists. ``refresh`` writes, ``store`` only reads.

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
        self._look, self._publication = Look(), Look()
        self._verified = False
        self._store = _store_of(authority)
        self._taken: dict[tuple[str, str], int] = {}

    def store(self) -> TrustStore:
        """The store as the last ``refresh`` or ``add_crl`` left it."""
        return self._store

    def crls(self) -> list[bytes]:
        """The lists in use (DER)."""
        return self._store.crls()

    def add_crl(self, der: bytes) -> None:
        """Take a list into use at once, as after a revocation."""
        self._store.add_crl(der)

    def is_revoked_stamper(self, signer: Signer, at: datetime) -> bool:
        """Whether a list that is known refuses the stamps of that signer; a list that is missing stops nobody."""
        try:
            self._store.validate(signer.certificate, signer.chain, at, "timestamping", revocation="ever")
        except CertificateRevoked:
            return True
        except DomainError:
            return False
        return False

    def refresh(self, *, at_most_every_seconds: float = 0.5) -> None:
        """Take up what a ceremony left, renew the lists that are past half of their life, take the newest into use.

        Looks at folder and database only when that much time of the installation's clock has gone by.
        """
        now = self._clock.now()
        with self._lock:
            if not self._look.is_due(now, at_most_every_seconds):
                return
            if self._authority.has_changed() or not self._verified:
                with read_only(self._sessions) as session:
                    require_recorded(session, self._authority)
                verify_history(self._authority.folder)
                self._authority.reload()
                self._store = _store_of(self._authority, self._store.crls())
                self._verified = True
            with read_only(self._sessions) as session:
                due = crls_are_due(session, now, self._authority)
                new = unrecorded(session, self._authority)
                if not due and not new:
                    self._take_newest(session)
            if new:
                record_ceremonies(self._authority, unit_of_work=self._unit_of_work, clock=self._clock)
            if due:
                refresh_crls(unit_of_work=self._unit_of_work, clock=self._clock, authority=self._authority)
            if due or new:
                with read_only(self._sessions) as session:
                    self._take_newest(session)
            self._look.note(now)

    def renew_publication(self, *, at_most_every_seconds: float = 2.0) -> None:
        """Issue shards, and long full lists whose changes the deltas tell of so far: the worker's part.

        Looks only when that much time of the installation's clock has gone by.
        """
        now = self._clock.now()
        if not self._publication.is_due(now, at_most_every_seconds):
            return
        with read_only(self._sessions) as session:
            due = publication_is_due(session, now, self._authority)
        if due:
            renew_publication(unit_of_work=self._unit_of_work, clock=self._clock, authority=self._authority)
            with self._lock, read_only(self._sessions) as session:
                self._take_newest(session)
        self._publication.note(now)

    def _take_newest(self, session: Session) -> None:
        for head in newest_lists(session):
            place = (head.issuer, head.scope)
            if head.scope in (FULL, DELTA) and self._taken.get(place) != head.number:
                self._store.add_crl(list_of(session, head))
                self._taken[place] = head.number


def _store_of(authority: Authority, crls: Iterable[bytes] = ()) -> TrustStore:
    """Retired intermediates stay, so that what they signed is judged; revoked ones too, so that it is refused."""
    roots = [each.certificate for each in authority.roots]
    return TrustStore(roots, authority.intermediates, crls)
