"""What was revoked before lists had scopes is revoked afterwards, under numbers that go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.migrations import runner
from pki.orm import ListNumberRow, RevocationRow
from pki.published_lists import current_crl, current_head
from tests.support.databases import Databases

_SERIAL, _AT = f"{0xABCDEF:040x}", "2026-11-24T08:00:02.000000Z"
_CERTIFICATE = text(
    "INSERT INTO pki_certificates (serial, issuer, profile, party, name, state, intended_at, intended_by, "
    "revoked_at, reason) VALUES (:serial, 'intermediate', 'person-signing', 'IR-1', 'One', :state, "
    ":at, 'IR-9', :revoked_at, :reason)"
)
_LIST = text(
    "INSERT INTO pki_revocation_lists (issuer, number, der, this_update, next_update) "
    "VALUES (:issuer, :number, :der, :at, :at)"
)


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    made = databases.new_engine()
    yield made
    made.dispose()


def test_revocations_and_newest_lists_are_taken_over(engine: Engine) -> None:
    """Each revocation has its line, the newest list of each issuer stays published, and its number goes on."""
    with engine.begin() as connection:
        command.upgrade(runner._config(connection), "0003")
        for serial, state, at, reason in (
            (_SERIAL, "revoked", _AT, "superseded"),
            ("f" * 40, "issued", None, None),
        ):
            values = {"serial": serial, "state": state, "at": _AT, "revoked_at": at, "reason": reason}
            connection.execute(_CERTIFICATE, values)
        for issuer, number in (("root", 1), ("intermediate", 8), ("intermediate", 9)):
            kept = {"issuer": issuer, "number": number, "der": b"%d" % number * 80, "at": _AT}
            connection.execute(_LIST, kept)

    runner.migrate(engine)

    with Session(engine) as session:
        rows = session.query(RevocationRow).all()
        told = [(row.serial, row.state, row.tail, row.reason, row.revoked_at, row.changed_in) for row in rows]
        assert told == [(_SERIAL, "revoked", "ef", "superseded", _AT, 9)]
        assert session.get_one(ListNumberRow, "intermediate").number == 9
        assert current_crl(session, "intermediate") == b"9" * 80
        assert (current_head(session, "root").number, current_crl(session, "root")) == (1, b"1" * 80)
