"""Rows of the register."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, BigNumber


class RegisteredDocumentRow(Base):
    """``authenticity.record.Registration`` without its changes; ``signatories`` is canonical JSON, ``salt`` hex.

    One row for one sequence of bytes: ``digest`` is unique, and so are two kinds for the same bytes refused.
    """

    __tablename__ = "registered_documents"
    __table_args__ = (Index("ix_registered_documents_unit", "unit", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    identifier: Mapped[str] = mapped_column(String(20), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    size: Mapped[int] = mapped_column(BigNumber)
    media_type: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(200))
    unit: Mapped[str] = mapped_column(String(64))
    unit_name: Mapped[str] = mapped_column(String(64))
    issued_on: Mapped[str] = mapped_column(String(10))
    valid_until: Mapped[str | None] = mapped_column(String(10))
    disclosure: Mapped[str] = mapped_column(String(8))
    rule: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    registered_at: Mapped[str] = mapped_column(String(27))
    signatories: Mapped[str] = mapped_column(Text)
    paper: Mapped[str] = mapped_column(String(64))
    event: Mapped[bytes] = mapped_column(LargeBinary)
    leaf_hash: Mapped[str] = mapped_column(String(64))
    salt: Mapped[str] = mapped_column(String(64))


class DocumentChangeRow(Base):
    """``authenticity.record.Change``, numbered from 1 within its document."""

    __tablename__ = "document_changes"

    document: Mapped[str] = mapped_column(String(36), ForeignKey("registered_documents.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=False)
    act: Mapped[str] = mapped_column(String(16))
    at: Mapped[str] = mapped_column(String(27))
    reason: Mapped[str] = mapped_column(String(500))
    successor: Mapped[str | None] = mapped_column(String(20))
    paper: Mapped[str] = mapped_column(String(64))
    leaf_hash: Mapped[str] = mapped_column(String(64))
    salt: Mapped[str] = mapped_column(String(64))


class DocumentPaperRow(Base):
    """A signed paper as it came, by its digest."""

    __tablename__ = "document_papers"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    party: Mapped[str] = mapped_column(String(64))
    at: Mapped[str] = mapped_column(String(27))
    document: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class ReservedIdentifierRow(Base):
    """An identifier that was given out and is not yet on a registered document."""

    __tablename__ = "reserved_identifiers"

    identifier: Mapped[str] = mapped_column(String(20), primary_key=True)
    party: Mapped[str] = mapped_column(String(64), index=True)
    reserved_at: Mapped[str] = mapped_column(String(27), index=True)
