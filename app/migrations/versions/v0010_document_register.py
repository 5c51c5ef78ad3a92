"""The register of documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registered_documents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("identifier", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("unit_name", sa.String(length=64), nullable=False),
        sa.Column("issued_on", sa.String(length=10), nullable=False),
        sa.Column("valid_until", sa.String(length=10), nullable=True),
        sa.Column("disclosure", sa.String(length=8), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("registered_at", sa.String(length=27), nullable=False),
        sa.Column("signatories", sa.Text(), nullable=False),
        sa.Column("paper", sa.String(length=64), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identifier"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_registered_documents_unit", "registered_documents", ["unit", "id"])
    op.create_table(
        "document_changes",
        sa.Column("document", sa.String(length=36), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("successor", sa.String(length=20), nullable=True),
        sa.Column("paper", sa.String(length=64), nullable=False),
        sa.Column("leaf_hash", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["document"], ["registered_documents.id"]),
        sa.PrimaryKeyConstraint("document", "number"),
    )
    op.create_table(
        "document_papers",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "reserved_identifiers",
        sa.Column("identifier", sa.String(length=20), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("reserved_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("identifier"),
    )
    op.create_index("ix_reserved_identifiers_party", "reserved_identifiers", ["party"])
    op.create_index("ix_reserved_identifiers_reserved_at", "reserved_identifiers", ["reserved_at"])


def downgrade() -> None:
    for table in ("reserved_identifiers", "document_papers", "document_changes", "registered_documents"):
        op.drop_table(table)
