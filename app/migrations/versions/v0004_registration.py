"""Applications and decisions of registrars; keys and ends of certificates."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from cryptography import x509

from kernel.clock import format_utc
from pki.algorithms import spki_of

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
_REQUEST_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "party": sa.String(length=64),
    "name": sa.String(length=64),
    "organization": sa.String(length=64),
    "renews": sa.String(length=64),
    "renewal": sa.LargeBinary(),
    "renewal_signature": sa.LargeBinary(),
    "handed_over_at": sa.String(length=27),
    "handed_over_by": sa.String(length=64),
}


def upgrade() -> None:
    op.create_table(
        "pki_applications",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("entered_by", sa.String(length=64), nullable=False),
        sa.Column("entered_at", sa.String(length=27), nullable=False),
        sa.Column("decision", sa.LargeBinary(), nullable=True),
        sa.Column("decision_signature", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_pki_applications_party", "pki_applications", ["party"])
    op.create_index("ix_pki_applications_state", "pki_applications", ["state"])
    # Columns are added only: SQLite would write a table anew for more, and other tables refer to these rows.
    op.add_column("pki_requests", sa.Column("spki", sa.String(length=64), nullable=False, server_default=""))
    for name, kind in _REQUEST_COLUMNS.items():
        op.add_column("pki_requests", sa.Column(name, kind, nullable=True))
    op.execute(
        "ALTER TABLE pki_requests ADD COLUMN application VARCHAR(64) REFERENCES pki_applications (digest)"
    )
    op.add_column("pki_certificates", sa.Column("spki", sa.String(length=64), nullable=True))
    op.add_column("pki_certificates", sa.Column("not_after", sa.String(length=27), nullable=True))
    op.add_column("pki_certificates", sa.Column("reminded", sa.Integer(), nullable=True))
    _fill(op.get_bind())
    op.create_index("ix_pki_requests_application", "pki_requests", ["application"])
    op.create_index("ix_pki_requests_renews", "pki_requests", ["renews"])
    op.create_index("ix_pki_certificates_spki", "pki_certificates", ["spki"])
    op.create_index("ix_pki_certificates_ending", "pki_certificates", ["state", "not_after"])


def _fill(connection: sa.Connection) -> None:
    """Key and end of what is there already, from its own bytes."""
    requests = connection.execute(sa.text("SELECT id, csr FROM pki_requests")).all()
    for name, csr in requests:
        key = spki_of(x509.load_der_x509_csr(bytes(csr)).public_key())
        connection.execute(
            sa.text("UPDATE pki_requests SET spki = :key WHERE id = :name"), {"key": key, "name": name}
        )
    serials = connection.scalars(sa.text("SELECT serial FROM pki_certificates WHERE der IS NOT NULL")).all()
    for serial in serials:
        der = connection.scalar(
            sa.text("SELECT der FROM pki_certificates WHERE serial = :serial"), {"serial": serial}
        )
        certificate = x509.load_der_x509_certificate(bytes(der))
        values = {
            "key": spki_of(certificate.public_key()),
            "ends": format_utc(certificate.not_valid_after_utc),
            "serial": serial,
        }
        connection.execute(
            sa.text("UPDATE pki_certificates SET spki = :key, not_after = :ends WHERE serial = :serial"),
            values,
        )


def downgrade() -> None:
    with op.batch_alter_table("pki_certificates") as batch_op:
        batch_op.drop_index("ix_pki_certificates_ending")
        batch_op.drop_index("ix_pki_certificates_spki")
        for name in ("reminded", "not_after", "spki"):
            batch_op.drop_column(name)
    with op.batch_alter_table("pki_requests") as batch_op:
        batch_op.drop_index("ix_pki_requests_renews")
        batch_op.drop_index("ix_pki_requests_application")
        for name in (*reversed(_REQUEST_COLUMNS), "application", "spki"):
            batch_op.drop_column(name)
    op.drop_index("ix_pki_applications_state", "pki_applications")
    op.drop_index("ix_pki_applications_party", "pki_applications")
    op.drop_table("pki_applications")
