"""Recording a submission durably, against one bare durable INSERT of as many bytes in the same database.

Measured is the whole transaction of ``submit_envelope`` after the seal was verified: the tender is loaded and decided
on, outbox row and log leaf are written, the receipt is signed, act, submission and 24 blobs are written, and all is
committed. The durability of both is read from the database before anything is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from bench.figure import Figure
from bench.scene import Office, Scene, Sealed
from kernel.database import Base, make_engine, read_only
from procurement.use_cases import submit_envelope as submitting
from procurement.use_cases.submit_envelope import SubmitEnvelope
from sealing.manifest import SealReport, verify_seal
from tests.support.postgresql import Cluster

_BACKENDS = ("sqlite", "postgresql")
_SAID = {"sqlite": "journal_mode=WAL, synchronous=FULL", "postgresql": "fsync=on, synchronous_commit=on"}
Given = tuple[SubmitEnvelope, SealReport, Sealed]


@contextmanager
def commit_figure(backend: str, folder: Path, scene: Scene, rounds: int) -> Iterator[Figure]:
    """submission.commit.sqlite or submission.commit.postgresql, while its database is there."""
    with bench_engine(backend, folder) as engine:
        office = Office(engine, scene)
        check_durable(engine, backend)
        before = _stored_bytes(office)
        _commit(_verified(scene, office), office)
        written = bytes(_stored_bytes(office) - before)
        with bare_connection(engine, backend) as connection:
            yield Figure(
                f"submission.commit.{backend}",
                f"one bare durable INSERT of {len(written)} bytes by the driver, {_SAID[backend]}",
                prepare=lambda number: _verified(scene, office),
                measured=lambda given: _commit(given, office),
                bare=lambda given: insert_bare(connection, backend, written),
                rounds=rounds,
            )


def _verified(scene: Scene, office: Office) -> Given:
    sealed = scene.fresh()
    report = verify_seal(
        sealed.manifest,
        sealed.seal,
        sealed.headers,
        office.desk.trust(),
        now=scene.authority.now,
        party=sealed.bidder.party,
    )
    return sealed.command(scene.tender.id), report, sealed


def _commit(given: Given, office: Office) -> None:
    command, report, sealed = given
    received = submitting._record(command, report, office.actor(sealed.bidder), office.desk)
    assert received.missing


def insert_bare(connection: Any, backend: str, written: bytes) -> None:
    mark = "?" if backend == "sqlite" else "%s"
    connection.execute(f"INSERT INTO bench_bare (body) VALUES ({mark})", (written,))


@contextmanager
def bench_engine(backend: str, folder: Path) -> Iterator[Engine]:
    cluster = Cluster.create() if backend == "postgresql" else None
    url = cluster.new_database() if cluster else f"sqlite:///{folder / 'bench.sqlite3'}"
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
        if cluster is not None:
            cluster.remove()


@contextmanager
def bare_connection(engine: Engine, backend: str) -> Iterator[Any]:
    """The driver's own connection, configured as the server's are, each statement a transaction."""
    pooled = engine.raw_connection()
    try:
        connection: Any = pooled.driver_connection
        if backend == "postgresql":
            connection.rollback()
            connection.autocommit = True
        number = "INTEGER PRIMARY KEY" if backend == "sqlite" else "BIGSERIAL PRIMARY KEY"
        body = "BLOB" if backend == "sqlite" else "BYTEA"
        connection.execute(f"CREATE TABLE bench_bare (id {number}, body {body})")
        yield connection
    finally:
        pooled.invalidate()


def check_durable(engine: Engine, backend: str) -> None:
    """Both keep what they have said is committed, whatever fails afterwards."""
    with engine.connect() as connection:

        def ask(statement: str) -> object:
            return connection.exec_driver_sql(statement).scalar()

        if backend == "sqlite":
            assert ask("PRAGMA journal_mode") == "wal"
            assert ask("PRAGMA synchronous") == 2
        else:
            assert (ask("SHOW fsync"), ask("SHOW synchronous_commit")) == ("on", "on")
            assert ask("SHOW full_page_writes") == "on"


def _stored_bytes(office: Office) -> int:
    """All that stands in the columns of every table."""
    with read_only(office.sessions) as session:
        rows = [row for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    return sum(_size(value) for row in rows for value in row)


def _size(value: object) -> int:
    return len(value) if isinstance(value, bytes) else 0 if value is None else len(str(value).encode())
