"""Changes of certificates' statuses by revision, which OCSP responders follow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from kernel.database import BigNumber

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pki_status_changes",
        sa.Column("revision", BigNumber, autoincrement=False, nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("revision"),
    )


def downgrade() -> None:
    op.drop_table("pki_status_changes")
