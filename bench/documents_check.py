"""A check of a registered document, from the question to the signed answer with its log proof, on PostgreSQL.

Measured against what cannot be left out: the row by its primary key in its own transaction, and one P-256 signature.
Documents and log leaves are written by SQL in bulk: rows, leaf hashes and tree are real, commitments are random.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import Template

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.answering import answer_digest, answer_identifier, signed
from app.bootstrap import build_container
from app.container import Container
from app.installation import Plan, initialise
from authenticity.answers import Answer
from authenticity.identifier import is_identifier
from bench.figure import Figure
from documents.register.orm import RegisteredDocumentRow
from kernel.canonical import sha256_hex
from kernel.clock import format_utc
from kernel.database import read_only
from pki import algorithms
from transparency.log_store import LogCheckpointRow, LogEntryRow
from transparency.notes import Checkpoint, NoteSigner, cosign, sign_note
from transparency.tree import MerkleTree

NAMES = ("documents.check.identifier", "documents.check.digest")
FILLED = (10_000, 100_000, 1_000_000)
_ROUNDS = 200
# What one statement makes within the time that every statement has.
_AT_ONCE = 50_000
# Coprime to 10^18: one identifier for each number, scattered as random ones are.
_STRIDE, _RANGE = 618_033_988_749_894_849, 10**18
_FILL = Template(r"""
WITH made AS (
    SELECT n, lpad(mod(n::numeric * $stride, $range)::text, 18, '0') AS body,
        '019aa000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS id,
        encode(sha256(convert_to('file ' || n, 'UTF8')), 'hex') AS digest,
        encode(sha256(convert_to('salt ' || n, 'UTF8')), 'hex') AS salt
    FROM generate_series($first, $last) AS n
), told AS (
    SELECT *, body || lpad((98 - mod(body::numeric * 100, 97))::text, 2, '0') AS identifier,
        convert_to('{"data":{"commitment":"' || salt || '","digest":"' || digest
        || '","document":"' || id || '","kind":"letter","paper":"' || digest || '","unit":"IRO-77"},"id":"' || id
        || '","sequence":1,"subject":"' || id || '","time":"2026-11-24T08:00:00.000000Z",'
        || '"type":"ir.tehran.documents.document-registered.v1"}', 'UTF8') AS event
    FROM made
), entered AS (
    INSERT INTO log_entries (log_index, leaf_hash, entry)
    SELECT $index + n - $first, encode(sha256('\x00'::bytea || event), 'hex'), event FROM told ORDER BY n
)
INSERT INTO registered_documents
    (id, identifier, digest, size, media_type, kind, title, unit, unit_name, issued_on, valid_until, disclosure, rule,
     state, registered_at, signatories, paper, event, leaf_hash, salt)
SELECT id, identifier, digest, 100000, 'application/pdf', 'letter', 'نامه شماره ' || n, 'IRO-77', 'راه‌های شهر',
    '2026-11-24', NULL, 'public', 'city-1405-1', 'valid', '2026-11-24T08:00:00.000000Z',
    '[{"at":"2026-11-24T08:00:00.000000Z","indication":"TOTAL-PASSED","level":"B-LTA","name":"زهرا مرادی",'
    || '"organization":"راه‌های شهر"}]', digest, event, encode(sha256('\x00'::bytea || event), 'hex'), salt
FROM told
""")


@contextmanager
def check_figures(
    folder: Path, url: str, chosen: Sequence[str], fillings: Sequence[int]
) -> Iterator[Iterator[Figure]]:
    """A figure of each chosen name for each number of documents, which grows while they are taken."""
    place = folder / "installation"
    plan = Plan(
        folder=place,
        demo=True,
        registrar_party="IR-1",
        registrar_name="Registrar",
        registrar_folder=folder / "registrar",
        database_url=url,
    )
    container = build_container(initialise(plan).settings)
    try:
        yield _figures(container, chosen, sorted(fillings))
    finally:
        container.close()


def _figures(container: Container, chosen: Sequence[str], fillings: Sequence[int]) -> Iterator[Figure]:
    container.sequencer.sequence()
    filled = 0
    for wanted in fillings:
        _fill(container, filled + 1, wanted)
        filled = wanted
        for name in chosen:
            yield _figure(container, name, wanted)


def _figure(container: Container, name: str, count: int) -> Figure:
    by_identifier = name.endswith(".identifier")
    answered = signed(container, _answer(container, 1, by_identifier))

    def bare(number: int) -> None:
        with read_only(container.sessions) as session:
            session.execute(
                select(RegisteredDocumentRow).where(RegisteredDocumentRow.id == document_id(number))
            ).one()
        algorithms.sign(container.receipt_signer.key, answered.document)

    def measured(number: int) -> None:
        signed(container, _answer(container, number, by_identifier))

    return Figure(
        f"{name}.{count}",
        f"a row of {count:,} by its primary key and one P-256 signature over {len(answered.document):,} bytes",
        prepare=lambda _: 1 + secrets.randbelow(count),
        measured=measured,
        bare=bare,
        rounds=_ROUNDS,
    )


def identifier(number: int) -> str:
    """The identifier of the document with that number, as the filling made it."""
    body = f"{number * _STRIDE % _RANGE:018d}"
    made = body + f"{98 - int(body) * 100 % 97:02d}"
    assert is_identifier(made)
    return made


def document_id(number: int) -> str:
    return f"019aa000-0000-7000-8000-{number:012x}"


def digest(number: int) -> str:
    """That of its made-up file."""
    return sha256_hex(f"file {number}".encode())


def _answer(container: Container, number: int, by_identifier: bool) -> Answer:
    if by_identifier:
        answer = answer_identifier(container, identifier(number))
    else:
        answer = answer_digest(container, digest(number))
    assert answer.registration is not None
    assert answer.proof is not None
    return answer


def _fill(container: Container, first: int, last: int) -> None:
    """Documents ``first`` to ``last`` with their leaves under a signed and cosigned head."""
    for start in range(first, last + 1, _AT_ONCE):
        with container.engine.begin() as connection:
            newest = select(LogEntryRow.log_index).order_by(LogEntryRow.log_index.desc()).limit(1)
            values = {
                "first": start,
                "last": min(last, start + _AT_ONCE - 1),
                "index": (connection.scalar(newest.where(LogEntryRow.log_index.is_not(None))) or 0) + 1,
            }
            connection.exec_driver_sql(_FILL.substitute(values, stride=_STRIDE, range=_RANGE))
    with container.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE registered_documents, log_entries"))
        connection.execute(text("CHECKPOINT"))
    with container.sessions.begin() as session:
        _sign_head(session, container)


def _sign_head(session: Session, container: Container) -> None:
    leaves = session.scalars(select(LogEntryRow.leaf_hash).order_by(LogEntryRow.log_index))
    tree = MerkleTree(map(bytes.fromhex, leaves))
    log, witness = (NoteSigner(name, Ed25519PrivateKey.generate()) for name in ("bench/log", "bench/witness"))
    checkpoint = Checkpoint(log.name, tree.size, tree.root()).text
    note, now = sign_note(checkpoint, log), container.clock.now()
    session.add(
        LogCheckpointRow(
            size=tree.size,
            root=tree.root().hex(),
            note=note,
            signed_at=format_utc(now),
            cosigned_note=note + cosign(checkpoint, witness, int(now.timestamp())),
            cosigned_at=int(now.timestamp()),
        )
    )
