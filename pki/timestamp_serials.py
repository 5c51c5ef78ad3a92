"""Serial numbers of time stamps that never repeat, whatever crashes (RFC 3161 §2.4.2).

Numbers are reserved in blocks by one durable transaction each; a crash skips the rest of a block.
"""

from __future__ import annotations

import threading

from sqlalchemy.orm import Session, sessionmaker

from pki.orm import TimestampSerialRow

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
        with self._sessions.begin() as session:
            row = session.get(TimestampSerialRow, 1, with_for_update=True)
            if row is None:
                row = TimestampSerialRow(id=1, next_serial=1)
                session.add(row)
            first = row.next_serial
            row.next_serial = first + self._block
            return first
