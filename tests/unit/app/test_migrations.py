"""Migrations and rows agree."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from app.migrations import runner, version
from kernel.clock import format_utc
from kernel.database import Base
from pki.algorithms import der_of, spki_of
from pki.authority import make_request
from pki.names import Subject
from tests.support.authority import make_authority
from tests.support.databases import Databases, tables_of

SERVER_ROOMS = ("kernel", "pki", "events", "signing", "transparency", "documents", "identity", "procurement")


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    made = databases.new_engine()
    yield made
    made.dispose()


def test_the_migrations_make_what_the_rows_describe(engine: Engine) -> None:
    """After the last migration Alembic finds nothing left to change."""
    runner.migrate(engine)

    assert runner.differences(engine) == []


def test_no_row_is_forgotten() -> None:
    """Every module that defines rows is one that migrations look at."""
    for room in SERVER_ROOMS:
        for module in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
            importlib.import_module(module.name)

    defining = {mapper.class_.__module__ for mapper in Base.registry.mappers}

    assert {each for each in defining if not each.startswith("tests.")} == set(runner.ROW_MODULES)


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    """A database at the newest version stays as it is."""
    assert version.version_of(engine) is None
    assert runner.migrate(engine) == runner.migrate(engine) == version.version_of(engine)


def test_a_database_that_is_behind_is_not_served(engine: Engine) -> None:
    """Serving refuses, with the versions, until the database was migrated."""
    with pytest.raises(version.SchemaBehind) as refused:
        version.require_newest(engine)
    assert refused.value.fields == {"found": None, "needed": version.newest_version()}

    runner.migrate(engine)

    version.require_newest(engine)


def test_a_failed_migration_leaves_nothing_behind(engine: Engine) -> None:
    """The whole migration is one transaction: a table in the way rolls all of it back."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE login_sessions (id INTEGER)"))

    with pytest.raises(Exception, match="login_sessions"):
        runner.migrate(engine)

    assert tables_of(engine) == {"login_sessions"}


def test_the_history_has_one_end() -> None:
    """There is one newest version, and every version has an upgrade and a downgrade."""
    versions = sorted(version.FOLDER.glob("versions/v*.py"))

    assert versions
    for path in versions:
        source = path.read_text("utf-8")
        assert "def upgrade() -> None:" in source
        assert "def downgrade() -> None:" in source
    assert version.newest_version() == f"{len(versions):04d}"
    assert version.newest_version() == ScriptDirectory(str(version.FOLDER)).get_current_head()


def test_certificates_of_before_are_known_by_their_keys(engine: Engine) -> None:
    """What was issued under an earlier version has its key and its end afterwards, so no key is certified again."""
    authority = make_authority()
    signer = authority.person("IR-1")
    csr = make_request(signer.key, Subject("Wish", "IR-1"))
    with engine.begin() as connection:
        command.upgrade(runner._config(connection), "0003")
        values = {"csr": csr, "der": der_of(signer.certificate)}
        for statement in (
            "INSERT INTO pki_requests (id, profile, digest, csr, state, entered_at)"
            " VALUES ('r', 'person-signing', 'd', :csr, 'issued', 'now')",
            "INSERT INTO pki_certificates (serial, request, issuer, profile, party, name, state, intended_at,"
            " intended_by, fingerprint, der) VALUES"
            " ('7', 'r', 'intermediate', 'person-signing', 'IR-1', 'x', 'issued', 'now', 'by', 'f', :der)",
        ):
            connection.execute(text(statement), values)

    runner.migrate(engine)

    assert runner.differences(engine) == []
    with engine.connect() as connection:
        (request,) = connection.execute(text("SELECT spki, state FROM pki_requests")).all()
        (row,) = connection.execute(text("SELECT spki, not_after, request FROM pki_certificates")).all()
    key = spki_of(signer.certificate.public_key())
    assert (request.spki, request.state, row.spki, row.request) == (key, "issued", key, "r")
    assert row.not_after == format_utc(signer.certificate.not_valid_after_utc)
