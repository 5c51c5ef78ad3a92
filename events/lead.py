"""One relay of a database is active: several would break the order of events within a subject."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from kernel.errors import DomainError

_LOG = logging.getLogger(__name__)
# Advisory locks are numbers of the database; "mohr" and what it is for.
_RELAY_LOCK = 0x6D6F_6872_0001


class Lead(Protocol):
    """Held by one process at a time; used by one thread."""

    def hold(self) -> bool:
        """Whether this process leads; takes the lead when it is free."""
        ...

    def release(self) -> None:
        """Let another one lead."""
        ...


class _Alone:
    """Where one server has the database for itself, as with SQLite."""

    def hold(self) -> bool:
        return True

    def release(self) -> None:
        return None


ALONE: Lead = _Alone()


class AdvisoryLead:
    """A PostgreSQL advisory lock of a connection of its own: it ends with that connection, however that ends."""

    def __init__(self, engine: Engine, number: int = _RELAY_LOCK) -> None:
        self._engine = engine
        self._number = number
        self._connection: Connection | None = None

    def hold(self) -> bool:
        """A connection that broke has lost the lock, so it is asked each time."""
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
                return True
            except (DomainError, SQLAlchemyError):
                _LOG.warning("the relay lost the connection that holds its lead")
                self.release()
        return self._take()

    def release(self) -> None:
        """Give the connection back, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # It left the pool when it took the lock, so this ends the connection, and with it the lock.
            with suppress(DomainError, SQLAlchemyError):
                connection.close()

    def _take(self) -> bool:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        query = text("SELECT pg_try_advisory_lock(:number)")
        try:
            taken = bool(connection.execute(query, {"number": self._number}).scalar())
            if taken:
                connection.detach()
                self._connection = connection
        finally:
            if self._connection is None:
                connection.close()
        return taken


def lead_of(engine: Engine) -> Lead:
    """The lead that fits the database."""
    return AdvisoryLead(engine) if engine.dialect.name == "postgresql" else ALONE
