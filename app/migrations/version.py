"""Whether a database is at the version of the schema that this program needs: asked at every start, without Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from kernel.errors import DomainError

FOLDER = Path(__file__).parent
_TABLE = "alembic_version"


class SchemaBehind(DomainError):
    """The database is not at the version of the schema that this program needs."""

    code = "schema-behind"


def newest_version() -> str:
    """The version that this program needs: the number of the last file."""
    return max(path.name[1:5] for path in (FOLDER / "versions").glob("v[0-9][0-9][0-9][0-9]_*.py"))


def version_of(engine: Engine) -> str | None:
    """The version a database is at; None before the first migration."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE):
            return None
        found = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))
    return None if found is None else str(found)


def require_newest(engine: Engine) -> None:
    """Raises SchemaBehind unless the database is at the newest version."""
    found, needed = version_of(engine), newest_version()
    if found != needed:
        raise SchemaBehind("the database must be migrated first: mohr migrate", found=found, needed=needed)
