"""Bringing a database to the newest version of the schema."""

from __future__ import annotations

import importlib
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.orm import Session

from app.migrations.version import FOLDER, newest_version
from kernel.database import Base, lock_scope
from kernel.postgresql import require_suitable

ROW_MODULES = (
    "events.inbox",
    "events.outbox",
    "events.watch",
    "identity.adapters.orm",
    "pki.acts",
    "pki.orm",
    "procurement.adapters.orm",
    "documents.orm",
    "documents.register.orm",
    "transparency.log_store",
    "transparency.ocds_store",
)


def metadata() -> MetaData:
    """The tables of every room."""
    for module in ROW_MODULES:
        importlib.import_module(module)
    return Base.metadata


def migrate(engine: Engine) -> str:
    """Bring the database to the newest version in one transaction, one program at a time; returns that version.

    Raises DatabaseUnsuitable before anything is made.
    """
    require_suitable(engine)
    with Session(engine) as session, session.begin():
        lock_scope(session, "schema")
        connection = session.connection()
        command.upgrade(_config(connection), "head")
    return newest_version()


def differences(engine: Engine) -> list[Any]:
    """What Alembic would still change to make the database fit the rows; empty when they agree."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        return list(compare_metadata(context, metadata()))


def draft(engine: Engine, message: str, version: str) -> None:
    """Write the next migration by comparing the rows with a database at the newest version."""
    with engine.begin() as connection:
        command.revision(_config(connection), message=message, rev_id=version, autogenerate=True)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata()
    return config
