"""A connection of the PostgreSQL driver; imported only where there is a PostgreSQL."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.errors import OperationalError


class BoundedConnection(psycopg.Connection[Any]):
    """A connection on which no wait is for ever, not even for a server that was stopped or cut off.

    The server ends what takes too long by itself (``statement_timeout``); this is for one that cannot.
    """

    wait_seconds: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = timeout if timeout is not None else self.wait_seconds
        try:
            return super().wait(gen, interval=interval, timeout=limit)
        except OperationalError:
            # psycopg leaves it to the caller: an answer that comes late would be taken for the next one.
            if timeout is None and not self.closed and self.pgconn.transaction_status == _ACTIVE:
                self.pgconn.finish()
            raise


_ACTIVE = psycopg.pq.TransactionStatus.ACTIVE
