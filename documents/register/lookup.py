"""What is registered, read from rows: by identifier, by the digest of the bytes, and all of a unit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from authenticity.record import Act, Change, Disclosure, Record, Registration, Signatory, State
from documents.register.orm import DocumentChangeRow, RegisteredDocumentRow
from kernel.canonical import canonical_bytes
from kernel.errors import LimitExceeded

MAX_PAGE = 500


def by_identifier(session: Session, identifier: str) -> Registration | None:
    """The document that bears these 20 digits; None when there is none."""
    return _one(session, RegisteredDocumentRow.identifier == identifier)


def by_digest(session: Session, digest: str) -> Registration | None:
    """The document whose bytes have this SHA-256 (64 lower-case hexadecimal digits); None when there is none."""
    return _one(session, RegisteredDocumentRow.digest == digest)


def of_unit(session: Session, unit: str, after: str | None, limit: int) -> list[Registration]:
    """At most ``limit`` documents of a unit in the order of their registration, beyond the document ``after``.

    Raises LimitExceeded.
    """
    if not 0 < limit <= MAX_PAGE:
        raise LimitExceeded("a page holds 1 to 500 documents", limit=MAX_PAGE)
    query = select(RegisteredDocumentRow).where(RegisteredDocumentRow.unit == unit)
    if after is not None:
        query = query.where(RegisteredDocumentRow.id > after)
    return registrations(
        session, session.scalars(query.order_by(RegisteredDocumentRow.id).limit(limit)).all()
    )


def registrations(session: Session, rows: Sequence[RegisteredDocumentRow]) -> list[Registration]:
    """Rows with their changes, in the same order."""
    # What is in force never changed, since no document comes back.
    changed = [row.id for row in rows if row.state != "valid"]
    changes = _changes_of(session, changed) if changed else {}
    return [registration(row, changes.get(row.id, ())) for row in rows]


def registration(row: RegisteredDocumentRow, changes: Sequence[Change] = ()) -> Registration:
    """One row as a value."""
    return Registration(
        record=Record(
            document=row.id,
            identifier=row.identifier,
            digest=row.digest,
            size=row.size,
            media_type=row.media_type,
            kind=row.kind,
            title=row.title,
            unit=row.unit,
            unit_name=row.unit_name,
            issued_on=row.issued_on,
            valid_until=row.valid_until,
            disclosure=cast(Disclosure, row.disclosure),
            rule=row.rule,
        ),
        state=cast(State, row.state),
        registered_at=row.registered_at,
        signatories=tuple(Signatory(**each) for each in json.loads(row.signatories)),
        paper=row.paper,
        event=row.event,
        leaf_hash=row.leaf_hash,
        salt=row.salt,
        changes=tuple(changes),
    )


def signatories_text(signatories: Iterable[Signatory]) -> str:
    """As the row keeps them: canonical JSON."""
    fields = ("name", "organization", "level", "indication", "at")
    listed: Any = [{name: getattr(each, name) for name in fields} for each in signatories]
    return canonical_bytes(listed).decode()


def _one(session: Session, condition: Any) -> Registration | None:
    row = session.scalar(select(RegisteredDocumentRow).where(condition))
    return None if row is None else registrations(session, [row])[0]


def _changes_of(session: Session, documents: Sequence[str]) -> Mapping[str, list[Change]]:
    query = (
        select(DocumentChangeRow)
        .where(DocumentChangeRow.document.in_(documents))
        .order_by(DocumentChangeRow.document, DocumentChangeRow.number)
    )
    found: dict[str, list[Change]] = {}
    for row in session.scalars(query):
        found.setdefault(row.document, []).append(
            Change(cast(Act, row.act), row.at, row.reason, row.successor, row.paper, row.leaf_hash, row.salt)
        )
    return found
