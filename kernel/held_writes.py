"""Writes that nobody reads before the commit: plain SQL, and on PostgreSQL all of them in one round trip.

``write`` runs an insertion or a change at once on SQLite, which is in this process. On PostgreSQL it holds it until
the next statement of the transaction, whatever that is, or its commit; what was held goes first, as one statement with
a WITH clause for each part. Parts of one statement have no order among themselves, so two into one table are never
together: rows of a table are written in the order in which they were handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

Values = dict[str, Any]
Placed = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Insertion:
    """One row of ``columns``; or the rows of ``source``: a SELECT for each dialect with ``{name}`` for a value."""

    table: str
    columns: tuple[str, ...]
    source: tuple[tuple[str, str], ...] = ()

    def names(self, values: Values) -> tuple[str, ...]:
        return tuple(values) if self.source else self.columns

    def statement(self, names: tuple[str, ...], dialect: str, placed: Placed) -> str:
        columns = ", ".join(self.columns)
        if self.source:
            source = dict(self.source)[dialect].format(**{name: placed(name) for name in names})
        else:
            source = f"VALUES ({', '.join(placed(name) for name in names)})"
        return f"INSERT INTO {self.table} ({columns}) {source}"


@dataclass(frozen=True, slots=True)
class Change:
    """New values for ``columns`` of the row whose ``key`` is that; a row that is not there is passed over."""

    table: str
    key: str
    columns: tuple[str, ...]

    def names(self, values: Values) -> tuple[str, ...]:
        return (self.key, *self.columns)

    def statement(self, names: tuple[str, ...], dialect: str, placed: Placed) -> str:
        new = ", ".join(f"{name} = {placed(name)}" for name in self.columns)
        return f"UPDATE {self.table} SET {new} WHERE {self.key} = {placed(self.key)}"


Write = Insertion | Change
_ROWS_AT_ONCE = 1_000
_TYPES = {str: "text", bytes: "bytea", bool: "boolean", int: "bigint"}
_Held = list[tuple[Write, Values]]
_held: WeakKeyDictionary[Connection, _Held] = WeakKeyDictionary()


def write(session: Session, insertion: Write, values: Values) -> None:
    """Write in the session's transaction. A violated constraint may be told as late as at its end."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        _held.setdefault(connection, []).append((insertion, values))
    else:
        connection.exec_driver_sql(_sqlite(insertion, insertion.names(values)), values)


def write_many(session: Session, insertion: Write, rows: Sequence[Values]) -> None:
    """Write rows of ``columns`` in their order, after what is held; one row alone is held as by ``write``."""
    if len(rows) <= 1:
        for row in rows:
            write(session, insertion, row)
        return
    connection, names = session.connection(), insertion.names(rows[0])
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_sqlite(insertion, names), list(rows))
        return
    for some in _with_different_keys(insertion, rows):
        values = {name: [row[name] for row in some] for name in names}
        types = tuple(_type_of(values[name]) for name in names)
        connection.exec_driver_sql(_rows_postgresql(insertion, names, types), values)


def hold_writes(engine: Engine) -> None:
    """Have an engine on PostgreSQL send what is held before any other statement and before the commit."""

    def before_statement(connection: Connection, *_: Any) -> None:
        _send(connection)

    event.listen(engine, "before_cursor_execute", before_statement)
    event.listen(engine, "commit", _send)


def send_held(session: Session) -> None:
    """Send what is held now, so that its failures are those of this moment."""
    _send(session.connection())


def _send(connection: Connection) -> None:
    waiting = _held.pop(connection, None)
    while waiting:
        together = _different_tables(waiting)
        del waiting[: len(together)]
        shape = tuple((insertion, insertion.names(values)) for insertion, values in together)
        named = {
            f"p{number}_{name}": values[name]
            for number, (insertion, values) in enumerate(together)
            for name in insertion.names(values)
        }
        connection.exec_driver_sql(_postgresql(shape), named)


def _different_tables(waiting: _Held) -> _Held:
    tables: set[str] = set()
    for position, (insertion, _values) in enumerate(waiting):
        if insertion.table in tables:
            return waiting[:position]
        tables.add(insertion.table)
    return list(waiting)


@lru_cache(maxsize=256)
def _sqlite(insertion: Write, names: tuple[str, ...]) -> str:
    return insertion.statement(names, "sqlite", lambda name: f":{name}")


def _with_different_keys(insertion: Write, rows: Sequence[Values]) -> Iterator[Sequence[Values]]:
    """Some rows at a time; of a change no two for one key, because the later one counts."""
    step = 1 if isinstance(insertion, Change) and _repeats(insertion.key, rows) else _ROWS_AT_ONCE
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _repeats(key: str, rows: Sequence[Values]) -> bool:
    return len({row[key] for row in rows}) != len(rows)


def _type_of(values: Sequence[Any]) -> str:
    """The array that holds a column's values; empty where all of them are NULL."""
    for value in values:
        if value is not None:
            return _TYPES[type(value)]
    return ""


@lru_cache(maxsize=256)
def _rows_postgresql(insertion: Write, names: tuple[str, ...], types: tuple[str, ...]) -> str:
    """One array for each column: the statement is as long for a thousand rows as for two, and planned once.

    Rows of one INSERT are numbered as they stand.
    """
    typed = [(name, type_) for name, type_ in zip(names, types, strict=True) if type_]
    arrays = ", ".join(f"%({name})b::{type_}[]" for name, type_ in typed)
    given = ", ".join((*(name for name, _type in typed), "place"))
    source = f"unnest({arrays}) WITH ORDINALITY AS given ({given})"
    known = {name: f"given.{name}" if type_ else "NULL" for name, type_ in zip(names, types, strict=True)}
    if isinstance(insertion, Change):
        new = ", ".join(f"{name} = {known[name]}" for name in insertion.columns)
        place = f"{insertion.table}.{insertion.key}"
        return f"UPDATE {insertion.table} SET {new} FROM {source} WHERE {place} = {known[insertion.key]}"
    columns = ", ".join(known[name] for name in insertion.columns)
    return (
        f"INSERT INTO {insertion.table} ({', '.join(insertion.columns)}) "
        f"SELECT {columns} FROM {source} ORDER BY place"
    )


@lru_cache(maxsize=256)
def _postgresql(shape: tuple[tuple[Write, tuple[str, ...]], ...]) -> str:
    def numbered(number: int) -> Callable[[str], str]:
        return lambda name: f"%(p{number}_{name})s"

    parts = [each.statement(names, "postgresql", numbered(n)) for n, (each, names) in enumerate(shape)]
    held = ", ".join(f"w{number} AS ({part})" for number, part in enumerate(parts[:-1]))
    return f"WITH {held} {parts[-1]}" if held else parts[-1]
