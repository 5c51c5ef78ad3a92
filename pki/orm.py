"""Rows of the authority's record. A certificate has a row, an intent with its serial, before it is signed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    event,
    inspect,
    text,
)
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, object_session

from kernel.database import Base, BigNumber, lock_scope

EVERY_SERIAL = ""
_STATUS = ("state", "revoked_at", "reason")


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
    """``state``: ``intended``, ``abandoned``, ``issued``, ``suspended`` or ``revoked``; ``serial``: 40 hex digits.

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


class RevocationRow(Base):
    """What the lists say of a certificate that was ever revoked or suspended.

    ``state``: ``revoked``, ``suspended`` or ``resumed``; ``tail``: the last two digits of the serial, by which shards
    are chosen; ``changed_in``: the number of the list that was the first to say it.
    """

    __tablename__ = "pki_revocations"
    __table_args__ = (
        Index("ix_pki_revocations_tail", "issuer", "tail"),
        Index("ix_pki_revocations_changed_in", "issuer", "changed_in"),
    )

    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(16))
    tail: Mapped[str] = mapped_column(String(2))
    state: Mapped[str] = mapped_column(String(16))
    revoked_at: Mapped[str] = mapped_column(String(27))
    reason: Mapped[str] = mapped_column(String(32))
    invalid_since: Mapped[str | None] = mapped_column(String(27))
    changed_in: Mapped[int] = mapped_column(BigNumber)


class RevocationProposalRow(Base):
    """``state``: ``proposed``, ``confirmed`` or ``withdrawn``."""

    __tablename__ = "pki_revocation_proposals"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    reason: Mapped[str] = mapped_column(String(32))
    invalid_since: Mapped[str | None] = mapped_column(String(27))
    state: Mapped[str] = mapped_column(String(16))
    proposed_by: Mapped[str] = mapped_column(String(64))
    proposed_at: Mapped[str] = mapped_column(String(27))
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[str | None] = mapped_column(String(27))


class ListNumberRow(Base):
    """The last number that an issuer's lists were given, and until when a process has a long list in work."""

    __tablename__ = "pki_list_numbers"

    issuer: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(BigNumber)
    in_work_until: Mapped[str | None] = mapped_column(String(27))


class RevocationListRow(Base):
    """``scope``: ``full``, ``delta`` or a shard such as ``16-5``; ``base``: the number a delta rests on.

    ``der`` is there for the newest of each scope and stands last, so that the rest is read without it.
    """

    __tablename__ = "pki_published_lists"

    issuer: Mapped[str] = mapped_column(String(16), primary_key=True)
    scope: Mapped[str] = mapped_column(String(8), primary_key=True)
    number: Mapped[int] = mapped_column(BigNumber, primary_key=True)
    base: Mapped[int | None] = mapped_column(BigNumber)
    entries: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    this_update: Mapped[str] = mapped_column(String(27))
    next_update: Mapped[str] = mapped_column(String(27))
    der: Mapped[bytes | None] = mapped_column(LargeBinary)


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


class StatusChangeRow(Base):
    """One change of a certificate's status; ``serial`` is ``EVERY_SERIAL`` where it is not known which."""

    __tablename__ = "pki_status_changes"

    revision: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=False)
    serial: Mapped[str] = mapped_column(String(40))


def note_status_change(session: Session, serial: str) -> None:
    """Record under the next revision that a status changed; one writer after the other, until the commit."""
    lock_scope(session, "pki.status-changes")
    session.connection().execute(
        text(
            "INSERT INTO pki_status_changes (revision, serial) "
            "SELECT coalesce(max(revision), 0) + 1, :serial FROM pki_status_changes"
        ),
        {"serial": serial},
    )


def _after_update(_mapper: Any, _connection: Connection, row: CertificateRow) -> None:
    attributes = inspect(row).attrs
    if not any(attributes[name].history.has_changes() for name in _STATUS):
        return
    # Nobody keeps the status of what was only intended.
    before = attributes["state"].history.deleted
    session = object_session(row)
    if session is not None and list(before or ()) != ["intended"]:
        note_status_change(session, row.serial)


def _after_many(executed: ORMExecuteState) -> None:
    mapper = executed.bind_mapper
    if executed.is_update and mapper is not None and mapper.class_ is CertificateRow:
        note_status_change(executed.session, EVERY_SERIAL)


event.listen(CertificateRow, "after_update", _after_update)
event.listen(Session, "do_orm_execute", _after_many)
