"""What a driver's failure means: the one place that knows SQLSTATEs and SQLite's codes."""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING

from kernel.errors import Conflict, DatabaseUnavailable, DomainError, MalformedInput, StorageFull

if TYPE_CHECKING:
    import psycopg

_FULL = "there is no room left for the database; nothing was kept"
_GONE = "the database did not answer or ended the connection"
_BUSY = "the database was busy with others for too long"
_TAKEN = "somebody else was first: it is recorded already"
_UNFIT = "a value cannot be stored"
# PostgreSQL: 53100 disk_full, 53200 out_of_memory, 53300 too_many_connections; classes 08 and 57 (ended, shut down),
# 25006 a standby that only reads, 40001/40P01/55P03 lost to others, 57014 statement_timeout, 58030 io_error.
_GONE_CLASSES = ("08", "53", "57P", "58", "25006")
_BUSY_STATES = ("40001", "40P01", "55P03", "57014")


def domain_error_of(error: BaseException | None) -> DomainError | None:
    """The refusal that a driver's error amounts to; None for a defect of ours, which stays what it is."""
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error)
    # A driver that is not loaded raised nothing.
    driver = sys.modules.get("psycopg")
    if driver is not None and isinstance(error, driver.Error):
        return _of_postgresql(error)
    return None


def _of_sqlite(error: sqlite3.Error) -> DomainError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Conflict(_TAKEN)
    primary = code & 0xFF
    # The index of the write-ahead log could not grow: that is a full disk too.
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return StorageFull(_FULL)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseUnavailable(_BUSY)
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return DatabaseUnavailable(_GONE)
    return None


def _of_postgresql(error: psycopg.Error) -> DomainError | None:
    state = error.sqlstate
    if state is None:
        # Errors without a state come from the driver itself: the line broke, or a value that it cannot send.
        import psycopg

        if isinstance(error, psycopg.DataError):
            return MalformedInput(_UNFIT)
        return DatabaseUnavailable(_GONE) if isinstance(error, psycopg.OperationalError) else None
    if state == "53100":
        return StorageFull(_FULL)
    if state in _BUSY_STATES:
        return DatabaseUnavailable(_BUSY)
    if state.startswith(_GONE_CLASSES):
        return DatabaseUnavailable(_GONE)
    if state == "23505":
        return Conflict(_TAKEN)
    if state.startswith("22"):
        return MalformedInput(_UNFIT)
    return None
