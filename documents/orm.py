"""Rows of documents that wait for a signature value."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base


class PreparedDocumentRow(Base):
    """``state``: ``prepared``, ``completed`` or ``expired``; ``certificate``: its fingerprint; ``digest``: what the key
    signs (hex). ``prepared`` is what completing goes on from, ``document`` what was given, ``signed`` the answer; each
    is there only while somebody may ask for it. ``ends_at``: when this state is over, by the timed step.
    """

    __tablename__ = "prepared_documents"
    __table_args__ = (Index("ix_prepared_documents_party", "party", "state"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    party: Mapped[str] = mapped_column(String(64))
    certificate: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16))
    prepared_at: Mapped[str] = mapped_column(String(27))
    expires_at: Mapped[str] = mapped_column(String(27))
    ends_at: Mapped[str] = mapped_column(String(27), index=True)
    completed_at: Mapped[str | None] = mapped_column(String(27))
    prepared: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    document: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    signed: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
