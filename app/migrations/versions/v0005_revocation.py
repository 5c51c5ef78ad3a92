"""Revocations apart from certificates, with suspension; lists by scope, numbered by issuer; proposals for four eyes."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pki_revocations",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("tail", sa.String(length=2), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("revoked_at", sa.String(length=27), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("invalid_since", sa.String(length=27), nullable=True),
        sa.Column("changed_in", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("serial"),
    )
    op.create_index("ix_pki_revocations_tail", "pki_revocations", ["issuer", "tail"])
    op.create_index("ix_pki_revocations_changed_in", "pki_revocations", ["issuer", "changed_in"])
    op.create_table(
        "pki_revocation_proposals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("invalid_since", sa.String(length=27), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("proposed_at", sa.String(length=27), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_pki_revocation_proposals_fingerprint"), "pki_revocation_proposals", ["fingerprint"]
    )
    op.create_table(
        "pki_list_numbers",
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("in_work_until", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("issuer"),
    )
    lists = op.create_table(
        "pki_published_lists",
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("base", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("this_update", sa.String(length=27), nullable=False),
        sa.Column("next_update", sa.String(length=27), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("issuer", "scope", "number"),
    )
    _take_over(op.get_bind(), lists)
    op.drop_table("pki_revocation_lists")


def downgrade() -> None:
    old = op.create_table(
        "pki_revocation_lists",
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("this_update", sa.String(length=27), nullable=False),
        sa.Column("next_update", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "number"),
    )
    names = ["issuer", "number", "der", "this_update", "next_update"]
    newest = sa.text(
        f"SELECT {', '.join(names)} FROM pki_published_lists WHERE scope = 'full' AND der IS NOT NULL"
    )
    op.execute(old.insert().from_select(names, newest.columns(*(old.c[name] for name in names))))
    for name in (
        "pki_published_lists",
        "pki_list_numbers",
        "pki_revocation_proposals",
        "pki_revocations",
    ):
        op.drop_table(name)


def _take_over(connection: sa.Connection, lists: sa.Table) -> None:
    """Revocations so far count as said by the newest list, whose number goes on; of the lists the newest stays."""
    newest = "(SELECT max(number) FROM pki_revocation_lists WHERE issuer = {issuer})"
    connection.execute(
        sa.text(
            "INSERT INTO pki_revocations (serial, issuer, tail, state, revoked_at, reason, changed_in) "
            "SELECT serial, issuer, substr(serial, 39, 2), 'revoked', revoked_at, "
            f"coalesce(reason, 'unspecified'), coalesce({newest.format(issuer='pki_certificates.issuer')}, 0) "
            "FROM pki_certificates WHERE state = 'revoked' AND revoked_at IS NOT NULL"
        )
    )
    connection.execute(
        sa.text(
            "INSERT INTO pki_list_numbers (issuer, number) "
            "SELECT issuer, max(number) FROM pki_revocation_lists GROUP BY issuer"
        )
    )
    query = "SELECT issuer, number, this_update, next_update, der FROM pki_revocation_lists AS one WHERE number = "
    for row in connection.execute(sa.text(query + newest.format(issuer="one.issuer"))).mappings():
        digest = hashlib.sha256(row["der"]).hexdigest()
        # How many lines it has is only asked for to tell long lists from short ones; 40 octets is one line.
        values = {**row, "scope": "full", "entries": len(row["der"]) // 40, "digest": digest}
        connection.execute(lists.insert().values(values))
