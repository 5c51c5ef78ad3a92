"""The first schema: events, log, authority, parties and sessions, tenders, open data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from kernel.database import BigNumber

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_sequences",
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("last", BigNumber, nullable=False),
        sa.PrimaryKeyConstraint("scope", "name"),
    )
    op.create_table(
        "event_bus_states",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("reported_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("handled_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "event_id"),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", BigNumber, autoincrement=False, nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.String(length=27), nullable=False),
        sa.Column("cosigned_note", sa.Text(), nullable=True),
        sa.Column("cosigned_at", BigNumber, nullable=True),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "log_entries",
        sa.Column("id", BigNumber, autoincrement=True, nullable=False),
        sa.Column("log_index", BigNumber, nullable=True),
        sa.Column("leaf_hash", sa.String(length=64), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("log_index"),
    )
    with op.batch_alter_table("log_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_log_entries_leaf_hash"), ["leaf_hash"], unique=False)

    op.create_table(
        "login_challenges",
        sa.Column("challenge", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=False),
        sa.Column("used_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("challenge"),
    )
    with op.batch_alter_table("login_challenges", schema=None) as batch_op:
        batch_op.create_index("ix_login_challenges_outstanding", ["expires_at", "source"], unique=False)

    op.create_table(
        "ocds_records",
        sa.Column("tender", sa.String(length=36), nullable=False),
        sa.Column("ocid", sa.String(length=64), nullable=True),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("package", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tender"),
        sa.UniqueConstraint("ocid"),
    )
    op.create_table(
        "ocds_releases",
        sa.Column("id", BigNumber, autoincrement=True, nullable=False),
        sa.Column("ocid", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("released_at", sa.String(length=27), nullable=False),
        sa.Column("package", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ocid", "number"),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", BigNumber, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("aggregatetype", sa.String(length=64), nullable=False),
        sa.Column("aggregateid", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("names_digest", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("published_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_aggregateid"), ["aggregateid"], unique=False)
        batch_op.create_index(batch_op.f("ix_outbox_names_digest"), ["names_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_outbox_published_at"), ["published_at"], unique=False)

    op.create_table(
        "parties",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("registered_at", sa.String(length=27), nullable=False),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("party"),
    )
    op.create_table(
        "pki_requests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("profile", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("csr", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("entered_at", sa.String(length=27), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("profile", "digest"),
    )
    with op.batch_alter_table("pki_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pki_requests_state"), ["state"], unique=False)

    op.create_table(
        "pki_revocation_lists",
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("number", BigNumber, nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("this_update", sa.String(length=27), nullable=False),
        sa.Column("next_update", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "number"),
    )
    op.create_table(
        "pki_timestamp_serials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("next_serial", BigNumber, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tenders",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("closes_at", sa.String(length=27), nullable=True),
        sa.Column("drafted_by", sa.String(length=64), nullable=False),
        sa.Column("aggregate", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("tenders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tenders_closes_at"), ["closes_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_tenders_state"), ["state"], unique=False)

    op.create_table(
        "bidder_acts",
        sa.Column("tender", sa.String(length=36), nullable=False),
        sa.Column("counter", BigNumber, nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("lot", sa.String(length=64), nullable=False),
        sa.Column("bidder", sa.String(length=64), nullable=False),
        sa.Column("submission_number", BigNumber, nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("manifest_digest", sa.String(length=64), nullable=True),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("counter_salt", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("leaf_hash", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("receipt_signature", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["tender"],
            ["tenders.id"],
        ),
        sa.PrimaryKeyConstraint("tender", "counter"),
    )
    op.create_table(
        "documents",
        sa.Column("id", BigNumber, autoincrement=True, nullable=False),
        sa.Column("tender", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(length=1), nullable=True),
        sa.Column("party", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tender"],
            ["tenders.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tender", "digest"),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index("ix_documents_lookup", ["tender", "kind", "stage", "party"], unique=False)

    op.create_table(
        "login_sessions",
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(
            ["party"],
            ["parties.party"],
        ),
        sa.PrimaryKeyConstraint("token_digest"),
    )
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_sessions_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_login_sessions_party"), ["party"], unique=False)

    op.create_table(
        "party_roles",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("granted_at", sa.String(length=27), nullable=False),
        sa.Column("granted_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["party"],
            ["parties.party"],
        ),
        sa.PrimaryKeyConstraint("party", "role"),
    )
    op.create_table(
        "pki_certificates",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("request", sa.String(length=36), nullable=True),
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("profile", sa.String(length=32), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("intended_at", sa.String(length=27), nullable=False),
        sa.Column("intended_by", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.Column("revoked_at", sa.String(length=27), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["request"],
            ["pki_requests.id"],
        ),
        sa.PrimaryKeyConstraint("serial"),
        sa.UniqueConstraint("fingerprint"),
    )
    with op.batch_alter_table("pki_certificates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pki_certificates_issuer"), ["issuer"], unique=False)
        batch_op.create_index("ix_pki_certificates_party", ["party", "profile"], unique=False)
        batch_op.create_index(batch_op.f("ix_pki_certificates_request"), ["request"], unique=False)

    op.create_table(
        "submissions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tender", sa.String(length=36), nullable=False),
        sa.Column("lot", sa.String(length=64), nullable=False),
        sa.Column("bidder", sa.String(length=64), nullable=False),
        sa.Column("submission_number", BigNumber, nullable=False),
        sa.Column("manifest_digest", sa.String(length=64), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.String(length=27), nullable=False),
        sa.Column("sealed_at", sa.String(length=27), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("counter", BigNumber, nullable=False),
        sa.ForeignKeyConstraint(
            ["tender"],
            ["tenders.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tender", "lot", "bidder", "submission_number"),
        sa.UniqueConstraint("tender", "manifest_digest"),
    )
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_submissions_tender"), ["tender"], unique=False)

    op.create_table(
        "document_signatures",
        sa.Column("tender", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tender", "digest"],
            ["documents.tender", "documents.digest"],
        ),
        sa.PrimaryKeyConstraint("tender", "digest", "party"),
    )
    op.create_table(
        "submission_blobs",
        sa.Column("submission", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("length", BigNumber, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission"],
            ["submissions.id"],
        ),
        sa.PrimaryKeyConstraint("submission", "name"),
    )


def downgrade() -> None:
    op.drop_table("submission_blobs")
    op.drop_table("document_signatures")
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_submissions_tender"))

    op.drop_table("submissions")
    with op.batch_alter_table("pki_certificates", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pki_certificates_request"))
        batch_op.drop_index("ix_pki_certificates_party")
        batch_op.drop_index(batch_op.f("ix_pki_certificates_issuer"))

    op.drop_table("pki_certificates")
    op.drop_table("party_roles")
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_sessions_party"))
        batch_op.drop_index(batch_op.f("ix_login_sessions_expires_at"))

    op.drop_table("login_sessions")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("ix_documents_lookup")

    op.drop_table("documents")
    op.drop_table("bidder_acts")
    with op.batch_alter_table("tenders", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tenders_state"))
        batch_op.drop_index(batch_op.f("ix_tenders_closes_at"))

    op.drop_table("tenders")
    op.drop_table("pki_timestamp_serials")
    op.drop_table("pki_revocation_lists")
    with op.batch_alter_table("pki_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pki_requests_state"))

    op.drop_table("pki_requests")
    op.drop_table("parties")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_published_at"))
        batch_op.drop_index(batch_op.f("ix_outbox_names_digest"))
        batch_op.drop_index(batch_op.f("ix_outbox_aggregateid"))

    op.drop_table("outbox")
    op.drop_table("ocds_releases")
    op.drop_table("ocds_records")
    with op.batch_alter_table("login_challenges", schema=None) as batch_op:
        batch_op.drop_index("ix_login_challenges_outstanding")

    op.drop_table("login_challenges")
    with op.batch_alter_table("log_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_log_entries_leaf_hash"))

    op.drop_table("log_entries")
    op.drop_table("log_checkpoints")
    op.drop_table("inbox")
    op.drop_table("event_bus_states")
    op.drop_table("event_sequences")
