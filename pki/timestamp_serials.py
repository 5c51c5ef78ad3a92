"""Serial numbers of time stamps that never repeat, whatever crashes (RFC 3161 §2.4.2).

Numbers are reserved in blocks by one durable transaction each; a crash skips the rest of a block.
"""

from __future__ import annotations

import threading

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

BLOCK = 1000


class TimestampSerials:
    """The ``next_serial`` of a time-stamping authority, safe for threads and processes of one database."""

    def __init__(self, sessions: sessionmaker[Session], block: int = BLOCK) -> None:
        self._sessions = sessions
        self._block = block
        self._next = self._end = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            if self._next == self._end:
                self._next = self._reserve()
                self._end = self._next + self._block
            serial = self._next
            self._next += 1
            return serial

    def _reserve(self) -> int:
        statement = text(
            "INSERT INTO pki_timestamp_serials (id, next_serial) VALUES (1, 1 + :block) "
            "ON CONFLICT (id) DO UPDATE SET next_serial = pki_timestamp_serials.next_serial + :block "
            "RETURNING next_serial"
        )
        with self._sessions.begin() as session:
            return int(session.execute(statement, {"block": self._block}).scalar_one()) - self._block
