"""Rows of procurement. Aggregates are canonical JSON with a version column; what is queried has columns of its own."""

from __future__ import annotations

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, BigNumber


class TenderRow(Base):
    __tablename__ = "tenders"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(40), index=True)
    closes_at: Mapped[str | None] = mapped_column(String(27), index=True)
    drafted_by: Mapped[str] = mapped_column(String(64))
    aggregate: Mapped[bytes] = mapped_column(LargeBinary)


class DocumentRow(Base):
    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("tender", "digest"),
        Index("ix_documents_lookup", "tender", "kind", "stage", "party"),
    )

    id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=True)
    tender: Mapped[str] = mapped_column(ForeignKey("tenders.id"))
    kind: Mapped[str] = mapped_column(String(32))
    stage: Mapped[str | None] = mapped_column(String(1))
    party: Mapped[str | None] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    document: Mapped[bytes] = mapped_column(LargeBinary)


class SignatureRow(Base):
    __tablename__ = "document_signatures"
    __table_args__ = (ForeignKeyConstraint(["tender", "digest"], ["documents.tender", "documents.digest"]),)

    tender: Mapped[str] = mapped_column(String(36), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    party: Mapped[str] = mapped_column(String(64), primary_key=True)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class SubmissionRow(Base):
    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint("tender", "lot", "bidder", "submission_number"),
        UniqueConstraint("tender", "manifest_digest"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tender: Mapped[str] = mapped_column(ForeignKey("tenders.id"), index=True)
    lot: Mapped[str] = mapped_column(String(64))
    bidder: Mapped[str] = mapped_column(String(64))
    submission_number: Mapped[int] = mapped_column(BigNumber)
    manifest_digest: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[bytes] = mapped_column(LargeBinary)
    seal: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[str] = mapped_column(String(27))
    sealed_at: Mapped[str] = mapped_column(String(27))
    state: Mapped[str] = mapped_column(String(16))
    counter: Mapped[int] = mapped_column(BigNumber)


class BlobRow(Base):
    __tablename__ = "submission_blobs"

    submission: Mapped[str] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    length: Mapped[int] = mapped_column(BigNumber)
    digest: Mapped[str] = mapped_column(String(64))
    received: Mapped[bool] = mapped_column()


class ActRow(Base):
    __tablename__ = "bidder_acts"

    tender: Mapped[str] = mapped_column(ForeignKey("tenders.id"), primary_key=True)
    counter: Mapped[int] = mapped_column(BigNumber, primary_key=True)
    act: Mapped[str] = mapped_column(String(16))
    lot: Mapped[str] = mapped_column(String(64))
    bidder: Mapped[str] = mapped_column(String(64))
    submission_number: Mapped[int | None] = mapped_column(BigNumber)
    digest: Mapped[str] = mapped_column(String(64))
    manifest_digest: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[str] = mapped_column(String(27))
    counter_salt: Mapped[str] = mapped_column(String(64))
    salt: Mapped[str] = mapped_column(String(64))
    leaf_hash: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    receipt: Mapped[bytes] = mapped_column(LargeBinary)
    receipt_signature: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str | None] = mapped_column(String(64))


class MinutesRow(Base):
    """The newest revision of each minutes; the earlier ones are its beginnings. ``revision`` counts signatures."""

    __tablename__ = "minutes"

    tender: Mapped[str] = mapped_column(ForeignKey("tenders.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(8), primary_key=True)
    revision: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    renderer: Mapped[str] = mapped_column(String(64))
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
