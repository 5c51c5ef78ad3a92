"""PostgreSQL: waits that end, and what a database must be like before receipts may rest on it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event, text

from kernel.errors import DatabaseUnsuitable

STATEMENT_SECONDS = 15.0
LOCK_SECONDS = 10.0
CONNECT_SECONDS = 5
_GRACE_SECONDS = 5.0
_OLDEST = 150000


def bound_waits(engine: Engine, statement_seconds: float | None) -> None:
    """Connect within ``CONNECT_SECONDS``; bound every statement and lock; commits reach the disk."""
    # The driver takes a tenth of a second to load, which an installation on SQLite need not wait for.
    from kernel.postgresql_connection import BoundedConnection

    def connect(_dialect: Any, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        given = str(parameters.pop("options", ""))
        settings = {"synchronous_commit": "on", "timezone": "UTC"}
        if statement_seconds is not None:
            milliseconds = int(statement_seconds * 1000)
            settings["statement_timeout"] = str(milliseconds)
            settings["lock_timeout"] = str(min(milliseconds, int(LOCK_SECONDS * 1000)))
            settings["idle_in_transaction_session_timeout"] = str(4 * milliseconds)
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        parameters.setdefault("connect_timeout", CONNECT_SECONDS)
        parameters.setdefault("application_name", "mohr")
        connection = BoundedConnection.connect(*arguments, options=f"{given} {options}", **parameters)
        connection.wait_seconds = None if statement_seconds is None else statement_seconds + _GRACE_SECONDS
        return connection

    event.listen(engine, "do_connect", connect)


def require_suitable(engine: Engine) -> None:
    """Refuse a PostgreSQL that forgets commits or sorts by a language; raises DatabaseUnsuitable.

    SQLite is set up on each connection and is always suitable.
    """
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0)
        found = {
            name: connection.scalar(text(f"SHOW {name}"))
            for name in ("fsync", "full_page_writes", "synchronous_commit", "server_encoding")
        }
        row = connection.execute(
            text("SELECT datcollate, datlocprovider FROM pg_database WHERE datname = current_database()")
        ).one()
    wrong = [f"{name} is {found[name]}" for name in ("fsync", "full_page_writes") if found[name] != "on"]
    if found["synchronous_commit"] in ("off", "local"):
        wrong.append(f"synchronous_commit is {found['synchronous_commit']}")
    if version < _OLDEST:
        wrong.append("PostgreSQL is older than 15")
    if found["server_encoding"] != "UTF8":
        wrong.append(f"the encoding is {found['server_encoding']}, not UTF8")
    if row.datlocprovider != "c" or row.datcollate not in ("C", "POSIX", "C.UTF-8", "C.utf8"):
        wrong.append("the collation is not C: create the database with --template=template0 --locale=C")
    if wrong:
        raise DatabaseUnsuitable("the database is not fit for use: " + "; ".join(wrong))
