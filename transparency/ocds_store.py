"""The OCDS publisher: a consumer of events that keeps release packages and record packages as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, LargeBinary, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.canonical import canonical_bytes, parse_json
from kernel.database import Base, BigNumber
from kernel.errors import NotFound
from transparency.ocds import evolve, record_for, release_for
from transparency.ocds_package import Publisher, from_bytes, record_package, release_package, to_bytes
from transparency.ocds_parts import TenderState

_MAX_FEED = 100


class OcdsReleaseRow(Base):
    """One published release package; ``id`` only grows and is the cursor of the feed."""

    __tablename__ = "ocds_releases"
    __table_args__ = (UniqueConstraint("ocid", "number"),)

    id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=True)
    ocid: Mapped[str] = mapped_column(String(64))
    number: Mapped[int] = mapped_column(Integer)
    released_at: Mapped[str] = mapped_column(String(27))
    package: Mapped[bytes] = mapped_column(LargeBinary)


class OcdsRecordRow(Base):
    """What the publisher knows of a tender, and its record package once there is a release."""

    __tablename__ = "ocds_records"

    tender: Mapped[str] = mapped_column(String(36), primary_key=True)
    ocid: Mapped[str | None] = mapped_column(String(64), unique=True)
    state: Mapped[bytes] = mapped_column(LargeBinary)
    package: Mapped[bytes | None] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A release in the feed; ask again with ``after=cursor``."""

    cursor: int
    ocid: str
    number: int
    released_at: str


class OcdsPublisher:
    """Handles events in the consumer's own transaction; it never commits."""

    name = "ocds-publisher"
    reads_confidential = False

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def handle(self, session: Session, event: Mapping[str, Any]) -> None:
        """Publish what the event releases, and bring the record up to date."""
        row = session.get(OcdsRecordRow, event["subject"], with_for_update=True)
        before = TenderState.from_json(parse_json(row.state)) if row is not None else TenderState()
        state = evolve(before, event)
        release = release_for(event, state, self._publisher.base_uri)
        if release is None:
            return
        if row is None:
            row = OcdsRecordRow(tender=event["subject"], ocid=release["ocid"])
            session.add(row)
        row.state = canonical_bytes(state.to_json())
        earlier = [from_bytes(package)["releases"][0] for package in releases_of(session, release["ocid"])]
        number = len(earlier) + 1
        package = to_bytes(release_package(release, number, self._publisher))
        session.add(
            OcdsReleaseRow(ocid=release["ocid"], number=number, released_at=release["date"], package=package)
        )
        row.package = to_bytes(record_package(record_for([*earlier, release]), self._publisher))


def releases_of(session: Session, ocid: str) -> list[bytes]:
    """The release packages of an ocid, oldest first."""
    query = select(OcdsReleaseRow.package).where(OcdsReleaseRow.ocid == ocid).order_by(OcdsReleaseRow.number)
    return list(session.scalars(query))


def release_of(session: Session, ocid: str, number: int) -> bytes:
    """One release package; raises NotFound."""
    query = select(OcdsReleaseRow.package).where(OcdsReleaseRow.ocid == ocid, OcdsReleaseRow.number == number)
    return _found(session.scalar(query))


def record_of(session: Session, ocid: str) -> bytes:
    """The record package of an ocid; raises NotFound."""
    return _found(session.scalar(select(OcdsRecordRow.package).where(OcdsRecordRow.ocid == ocid)))


def feed(session: Session, after: int = 0, limit: int = _MAX_FEED) -> list[FeedItem]:
    """Releases in the order of their publication, from the cursor ``after`` on, at most 100 at a time."""
    query = (
        select(OcdsReleaseRow.id, OcdsReleaseRow.ocid, OcdsReleaseRow.number, OcdsReleaseRow.released_at)
        .where(OcdsReleaseRow.id > after)
        .order_by(OcdsReleaseRow.id)
        .limit(min(limit, _MAX_FEED))
    )
    return [FeedItem(*row) for row in session.execute(query)]


def _found(package: bytes | None) -> bytes:
    if package is None:
        raise NotFound("nothing is published under that ocid")
    return package
