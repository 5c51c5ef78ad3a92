"""Rows of identity. Of a session's token only the SHA-256 is kept."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base


class PartyRow(Base):
    __tablename__ = "parties"

    party: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    registered_at: Mapped[str] = mapped_column(String(27))
    registered_by: Mapped[str] = mapped_column(String(64))


class PartyRoleRow(Base):
    """A role held now; the events tell since when and until when others were."""

    __tablename__ = "party_roles"

    party: Mapped[str] = mapped_column(ForeignKey("parties.party"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    granted_at: Mapped[str] = mapped_column(String(27))
    granted_by: Mapped[str] = mapped_column(String(64))


class ChallengeRow(Base):
    __tablename__ = "login_challenges"
    __table_args__ = (Index("ix_login_challenges_outstanding", "expires_at", "source"),)

    challenge: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(255))
    source: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[str] = mapped_column(String(27))
    used_at: Mapped[str | None] = mapped_column(String(27))


class SessionRow(Base):
    __tablename__ = "login_sessions"

    token_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    party: Mapped[str] = mapped_column(ForeignKey("parties.party"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    started_at: Mapped[str] = mapped_column(String(27))
    expires_at: Mapped[str] = mapped_column(String(27), index=True)
    ended_at: Mapped[str | None] = mapped_column(String(27))
