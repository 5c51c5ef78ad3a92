"""The chain of the authority's acts, from the first of its events on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import rfc8785
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ACTOR_FIELDS = ("actor", "approved_by", "entered_by", "issued_by", "revoked_by", "by")
_AT_ONCE = 1000


def upgrade() -> None:
    acts = op.create_table(
        "pki_acts",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("event"),
    )
    waiting: list[dict[str, Any]] = []
    for row in _rows():
        waiting.append(row)
        if len(waiting) == _AT_ONCE:
            op.bulk_insert(acts, waiting)
            waiting = []
    if waiting:
        op.bulk_insert(acts, waiting)


def downgrade() -> None:
    op.drop_table("pki_acts")


def _rows() -> Iterator[dict[str, Any]]:
    """What was recorded before there was a chain, in the order of the outbox."""
    query = "SELECT payload FROM outbox WHERE type LIKE 'ir.tehran.pki.%' ORDER BY seq"
    previous = "0" * 64
    for number, (payload,) in enumerate(op.get_bind().execute(sa.text(query)).all(), start=1):
        row = _row(bytes(payload), number, previous)
        previous = row["hash"]
        yield row


def _row(payload: bytes, number: int, previous: str) -> dict[str, Any]:
    event = json.loads(payload)
    named = (event["data"].get(name) for name in _ACTOR_FIELDS)
    row = {
        "number": number,
        "event": event["id"],
        "type": event["type"],
        "actor": next((value for value in named if isinstance(value, str) and 0 < len(value) <= 64), ""),
        "subject": event["subject"],
        "time": event["time"],
        "digest": hashlib.sha256(payload).hexdigest(),
        "previous": previous,
    }
    hashed = {**row, "event_type": row["type"], "type": "mohr/pki-act/v1"}
    return {**row, "hash": hashlib.sha256(rfc8785.dumps(hashed)).hexdigest()}
