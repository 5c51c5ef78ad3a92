"""Rows of the authority's record. A certificate has a row, an intent with its serial, before it is signed."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, BigNumber


class CertificateRequestRow(Base):
    """``state``: ``entered`` or ``issued``."""

    __tablename__ = "pki_requests"
    __table_args__ = (UniqueConstraint("profile", "digest"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    profile: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64))
    csr: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16), index=True)
    entered_at: Mapped[str] = mapped_column(String(27))
    fingerprint: Mapped[str | None] = mapped_column(String(64))


class CertificateRow(Base):
    """``state``: ``intended``, ``abandoned``, ``issued`` or ``revoked``; ``serial``: 40 hex digits."""

    __tablename__ = "pki_certificates"
    __table_args__ = (Index("ix_pki_certificates_party", "party", "profile"),)

    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    request: Mapped[str | None] = mapped_column(ForeignKey("pki_requests.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(16), index=True)
    profile: Mapped[str] = mapped_column(String(32))
    party: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    intended_at: Mapped[str] = mapped_column(String(27))
    intended_by: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str | None] = mapped_column(String(64), unique=True)
    der: Mapped[bytes | None] = mapped_column(LargeBinary)
    revoked_at: Mapped[str | None] = mapped_column(String(27))
    reason: Mapped[str | None] = mapped_column(String(32))


class RevocationListRow(Base):
    __tablename__ = "pki_revocation_lists"

    issuer: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(BigNumber, primary_key=True)
    der: Mapped[bytes] = mapped_column(LargeBinary)
    this_update: Mapped[str] = mapped_column(String(27))
    next_update: Mapped[str] = mapped_column(String(27))


class CeremonyRow(Base):
    """A ceremony that was held, with its signed transcript; ``number`` counts from 1."""

    __tablename__ = "pki_ceremonies"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    held_at: Mapped[str] = mapped_column(String(27))
    transcript: Mapped[bytes] = mapped_column(LargeBinary)


class TimestampSerialRow(Base):
    """One row: the first serial number that was not handed out yet."""

    __tablename__ = "pki_timestamp_serials"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    next_serial: Mapped[int] = mapped_column(BigNumber)
