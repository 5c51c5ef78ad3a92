"""Rows of the authority's record. A certificate has a row, an intent with its serial, before it is signed."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, BigNumber


class ApplicationRow(Base):
    """What a registrar entered for a party, and what another one decided. ``state``: ``applied``, ``approved`` or
    ``rejected``; ``digest`` is that of the signed document."""

    __tablename__ = "pki_applications"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    party: Mapped[str] = mapped_column(String(64), index=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16), index=True)
    entered_by: Mapped[str] = mapped_column(String(64))
    entered_at: Mapped[str] = mapped_column(String(27))
    decision: Mapped[bytes | None] = mapped_column(LargeBinary)
    decision_signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[str | None] = mapped_column(String(27))


class CertificateRequestRow(Base):
    """``state``: ``entered``, ``applied``, ``approved``, ``rejected``, ``issued`` or ``handed-over``.

    ``spki``: SHA-256 of the key. Party, name and organisation are empty until a registrar has named them. ``renews``:
    the certificate that its holder asked to have renewed, with the paper by which he did.
    """

    __tablename__ = "pki_requests"
    __table_args__ = (UniqueConstraint("profile", "digest"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    profile: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64))
    csr: Mapped[bytes] = mapped_column(LargeBinary)
    spki: Mapped[str] = mapped_column(String(64), server_default="")
    state: Mapped[str] = mapped_column(String(16), index=True)
    entered_at: Mapped[str] = mapped_column(String(27))
    party: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str | None] = mapped_column(String(64))
    organization: Mapped[str | None] = mapped_column(String(64))
    application: Mapped[str | None] = mapped_column(ForeignKey("pki_applications.digest"), index=True)
    renews: Mapped[str | None] = mapped_column(String(64), index=True)
    renewal: Mapped[bytes | None] = mapped_column(LargeBinary)
    renewal_signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    handed_over_at: Mapped[str | None] = mapped_column(String(27))
    handed_over_by: Mapped[str | None] = mapped_column(String(64))


class CertificateRow(Base):
    """``state``: ``intended``, ``abandoned``, ``issued`` or ``revoked``; ``serial``: 40 hex digits.

    ``reminded``: the fewest days before its end that were announced.
    """

    __tablename__ = "pki_certificates"
    __table_args__ = (
        Index("ix_pki_certificates_party", "party", "profile"),
        Index("ix_pki_certificates_ending", "state", "not_after"),
    )

    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    request: Mapped[str | None] = mapped_column(ForeignKey("pki_requests.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(16), index=True)
    profile: Mapped[str] = mapped_column(String(32))
    party: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    spki: Mapped[str | None] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16))
    intended_at: Mapped[str] = mapped_column(String(27))
    intended_by: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str | None] = mapped_column(String(64), unique=True)
    der: Mapped[bytes | None] = mapped_column(LargeBinary)
    not_after: Mapped[str | None] = mapped_column(String(27))
    reminded: Mapped[int | None] = mapped_column(Integer)
    revoked_at: Mapped[str | None] = mapped_column(String(27))
    reason: Mapped[str | None] = mapped_column(String(32))


class RevocationListRow(Base):
    __tablename__ = "pki_revocation_lists"

    issuer: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(BigNumber, primary_key=True)
    der: Mapped[bytes] = mapped_column(LargeBinary)
    this_update: Mapped[str] = mapped_column(String(27))
    next_update: Mapped[str] = mapped_column(String(27))


class TimestampSerialRow(Base):
    """One row: the first serial number that was not handed out yet."""

    __tablename__ = "pki_timestamp_serials"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    next_serial: Mapped[int] = mapped_column(BigNumber)
