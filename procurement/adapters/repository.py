"""Repositories over one session: rows in, plain records out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex, to_base64
from kernel.database import locked, reads_only
from kernel.errors import Conflict, NotFound
from kernel.held_writes import Insertion, write
from procurement.adapters.orm import (
    ActRow,
    BlobRow,
    DocumentRow,
    MinutesRow,
    SignatureRow,
    SubmissionRow,
    TenderRow,
)
from procurement.ports import (
    Repositories,
    StoredAct,
    StoredBlob,
    StoredDocument,
    StoredMinutes,
    StoredSubmission,
)
from procurement.rules.errors import MinutesStale
from procurement.rules.tender import Tender

_AGGREGATE_LIMIT_BYTES = 64 << 20
_KEPT_TENDERS = 64
_KEPT_BYTES = 256 << 10


_ADD_ACT = Insertion("bidder_acts", tuple(ActRow.__table__.columns.keys()))
_ADD_SUBMISSION = Insertion("submissions", tuple(SubmissionRow.__table__.columns.keys()))
_ADD_BLOBS = Insertion(
    "submission_blobs",
    ("submission", "name", "length", "digest", "received"),
    (
        (
            "sqlite",
            "SELECT {submission}, json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
            "json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each({rows})",
        ),
        (
            "postgresql",
            "SELECT {submission}, each ->> 0, (each ->> 1)::bigint, each ->> 2, (each ->> 3)::boolean "
            "FROM json_array_elements(({rows})::json) AS each",
        ),
    ),
)
# Statements that do not change are made once; the drivers know them again.
_STORED = select(TenderRow.version, TenderRow.aggregate).where(TenderRow.id == bindparam("id"))
_STORED_AND_TAKEN = _STORED.with_for_update()
_OF_MANIFEST = select(SubmissionRow.id).where(
    SubmissionRow.tender == bindparam("tender"), SubmissionRow.manifest_digest == bindparam("manifest_digest")
)
_LAST_NUMBER = select(func.max(SubmissionRow.submission_number)).where(
    SubmissionRow.tender == bindparam("tender"),
    SubmissionRow.lot == bindparam("lot"),
    SubmissionRow.bidder == bindparam("bidder"),
)
_BEFORE = select(_OF_MANIFEST.scalar_subquery(), _LAST_NUMBER.scalar_subquery())


class SqlTenders:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._versions: dict[str, int] = {}

    def add(self, tender: Tender, *, drafted_by: str) -> None:
        self._session.add(
            TenderRow(
                id=tender.id,
                version=1,
                state=tender.state,
                closes_at=None,
                drafted_by=drafted_by,
                aggregate=canonical_bytes(tender.to_json()),
            )
        )
        self._session.flush()
        self._versions[tender.id] = 1

    def load(self, tender_id: str) -> Tender:
        query = _STORED if reads_only(self._session) else _STORED_AND_TAKEN
        row = self._session.connection().execute(query, {"id": tender_id}).one_or_none()
        if row is None:
            raise NotFound("no such tender", tender=tender_id[:64])
        self._versions[tender_id], aggregate = row
        return _tender_of(aggregate)

    def drafted_by(self, tender_id: str) -> str:
        return self._row(tender_id).drafted_by

    def save(self, tender: Tender, *, closes_at: str | None = None) -> None:
        version = self._versions[tender.id]
        values: dict[str, object] = {
            "version": version + 1,
            "state": tender.state,
            "aggregate": canonical_bytes(tender.to_json()),
        }
        if closes_at is not None:
            values["closes_at"] = closes_at
        done = self._session.execute(
            update(TenderRow).where(TenderRow.id == tender.id, TenderRow.version == version).values(**values)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]
            raise Conflict("the tender was changed by somebody else meanwhile", tender=tender.id)
        self._versions[tender.id] = version + 1

    def due(self, now: str) -> list[str]:
        query = select(TenderRow.id).where(TenderRow.state == "published", TenderRow.closes_at <= now)
        return list(self._session.scalars(query.order_by(TenderRow.closes_at)))

    def all_ids(self) -> list[str]:
        return list(self._session.scalars(select(TenderRow.id).order_by(TenderRow.id)))

    def published_ids(self, *, after: str, limit: int) -> list[str]:
        # closes_at is set by the publication and never taken back.
        query = select(TenderRow.id).where(TenderRow.id > after, TenderRow.closes_at.is_not(None))
        return list(self._session.scalars(query.order_by(TenderRow.id).limit(limit)))

    def _row(self, tender_id: str) -> TenderRow:
        query = locked(self._session, select(TenderRow).where(TenderRow.id == tender_id))
        row = self._session.scalar(query.execution_options(populate_existing=True))
        if row is None:
            raise NotFound("no such tender", tender=tender_id[:64])
        return row


class SqlDocuments:
    def __init__(self, session: Session) -> None:
        self._session = session

    def put(
        self,
        tender: str,
        kind: str,
        document: bytes,
        *,
        stage: str | None = None,
        party: str | None = None,
        signatures: Mapping[str, bytes] | None = None,
    ) -> str:
        digest = sha256_hex(document)
        row = DocumentRow(
            tender=tender, kind=kind, stage=stage, party=party, digest=digest, document=document
        )
        self._session.add(row)
        self._session.flush()
        for signer, signature in (signatures or {}).items():
            self.sign(tender, digest, signer, signature)
        return digest

    def sign(self, tender: str, digest: str, party: str, signature: bytes) -> None:
        if self._session.get(SignatureRow, (tender, digest, party)) is not None:
            raise Conflict("that party has signed this document already", party=party)
        self._session.add(SignatureRow(tender=tender, digest=digest, party=party, signature=signature))
        self._session.flush()

    def find(
        self, tender: str, kind: str, *, stage: str | None = None, party: str | None = None
    ) -> list[StoredDocument]:
        query = select(DocumentRow).where(DocumentRow.tender == tender, DocumentRow.kind == kind)
        if stage is not None:
            query = query.where(DocumentRow.stage == stage)
        if party is not None:
            query = query.where(DocumentRow.party == party)
        return [self._read(row) for row in self._session.scalars(query.order_by(DocumentRow.id))]

    def one(
        self, tender: str, kind: str, *, stage: str | None = None, party: str | None = None
    ) -> StoredDocument:
        found = self.maybe(tender, kind, stage=stage, party=party)
        if found is None:
            raise NotFound(f"there is no {kind} yet", tender=tender, kind=kind, stage=stage)
        return found

    def maybe(
        self, tender: str, kind: str, *, stage: str | None = None, party: str | None = None
    ) -> StoredDocument | None:
        found = self.find(tender, kind, stage=stage, party=party)
        return found[-1] if found else None

    def by_digest(self, tender: str, digest: str) -> StoredDocument | None:
        query = select(DocumentRow).where(DocumentRow.tender == tender, DocumentRow.digest == digest)
        row = self._session.scalar(query)
        return self._read(row) if row else None

    def all(self, tender: str) -> list[StoredDocument]:
        query = select(DocumentRow).where(DocumentRow.tender == tender).order_by(DocumentRow.id)
        return [self._read(row) for row in self._session.scalars(query)]

    def _read(self, row: DocumentRow) -> StoredDocument:
        query = select(SignatureRow).where(
            SignatureRow.tender == row.tender, SignatureRow.digest == row.digest
        )
        signatures = {each.party: each.signature for each in self._session.scalars(query)}
        return StoredDocument(row.kind, row.stage, row.party, row.digest, row.document, signatures)


class SqlSubmissions:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, submission: StoredSubmission, blobs: Sequence[StoredBlob]) -> None:
        headers = {kind: to_base64(header) for kind, header in submission.headers.items()}
        values = {name: getattr(submission, name) for name in _ADD_SUBMISSION.columns}
        write(self._session, _ADD_SUBMISSION, {**values, "headers": canonical_bytes(headers)})
        rows = json.dumps([(blob.name, blob.length, blob.digest, blob.received) for blob in blobs])
        write(self._session, _ADD_BLOBS, {"submission": submission.id, "rows": rows})

    def get(self, submission_id: str) -> StoredSubmission:
        row = self._session.get(SubmissionRow, submission_id)
        if row is None:
            raise NotFound("no such submission")
        return self._read(row)

    def by_manifest(self, tender: str, manifest_digest: str) -> StoredSubmission | None:
        named = {"tender": tender, "manifest_digest": manifest_digest}
        found = self._session.connection().execute(_OF_MANIFEST, named).scalar()
        return self.get(found) if found is not None else None

    def of_tender(self, tender: str) -> list[StoredSubmission]:
        query = select(SubmissionRow).where(SubmissionRow.tender == tender).order_by(SubmissionRow.counter)
        return [self._read(row) for row in self._session.scalars(query)]

    def before(
        self, tender: str, lot: str, bidder: str, manifest_digest: str
    ) -> tuple[StoredSubmission | None, int]:
        named = {"tender": tender, "lot": lot, "bidder": bidder, "manifest_digest": manifest_digest}
        known, last = self._session.connection().execute(_BEFORE, named).one()
        return self.get(known) if known is not None else None, last or 0

    def last_number(self, tender: str, lot: str, bidder: str) -> int:
        named = {"tender": tender, "lot": lot, "bidder": bidder}
        return self._session.connection().execute(_LAST_NUMBER, named).scalar() or 0

    def current(self, tender: str, lot: str, bidder: str) -> StoredSubmission | None:
        query = (
            select(SubmissionRow)
            .where(
                SubmissionRow.tender == tender,
                SubmissionRow.lot == lot,
                SubmissionRow.bidder == bidder,
                SubmissionRow.state.in_(("receiving", "complete")),
            )
            .order_by(SubmissionRow.submission_number.desc())
        )
        row = self._session.scalars(query).first()
        return self._read(row) if row else None

    def complete(self, tender: str, lot: str, bidder: str) -> list[StoredSubmission]:
        query = select(SubmissionRow).where(
            SubmissionRow.tender == tender,
            SubmissionRow.lot == lot,
            SubmissionRow.bidder == bidder,
            SubmissionRow.state == "complete",
        )
        return [self._read(row) for row in self._session.scalars(query)]

    def set_state(self, submission_id: str, state: str) -> None:
        self._session.execute(
            update(SubmissionRow).where(SubmissionRow.id == submission_id).values(state=state)
        )

    def blob(self, submission_id: str, name: str) -> StoredBlob | None:
        row = self._session.get(BlobRow, (submission_id, name))
        return StoredBlob(row.name, row.length, row.digest, row.received) if row else None

    def blobs(self, submission_id: str) -> list[StoredBlob]:
        query = select(BlobRow).where(BlobRow.submission == submission_id).order_by(BlobRow.name)
        return [StoredBlob(b.name, b.length, b.digest, b.received) for b in self._session.scalars(query)]

    def mark_received(self, submission_id: str, name: str) -> None:
        self._session.execute(
            update(BlobRow)
            .where(BlobRow.submission == submission_id, BlobRow.name == name)
            .values(received=True)
        )
        self._session.flush()

    def add_act(self, act: StoredAct) -> None:
        write(self._session, _ADD_ACT, {**vars(act), "content": canonical_bytes(act.content)})

    def acts(self, tender: str) -> list[StoredAct]:
        query = select(ActRow).where(ActRow.tender == tender).order_by(ActRow.counter)
        return [_read_act(row) for row in self._session.scalars(query)]

    def _read(self, row: SubmissionRow) -> StoredSubmission:
        query = (
            select(BlobRow.name)
            .where(BlobRow.submission == row.id, BlobRow.received.is_(False))
            .order_by(BlobRow.name)
        )
        headers = {kind: from_base64(each) for kind, each in parse_canonical(row.headers).items()}
        return StoredSubmission(
            id=row.id,
            tender=row.tender,
            lot=row.lot,
            bidder=row.bidder,
            submission_number=row.submission_number,
            manifest_digest=row.manifest_digest,
            manifest=row.manifest,
            seal=row.seal,
            headers=headers,
            received_at=row.received_at,
            sealed_at=row.sealed_at,
            state=row.state,
            counter=row.counter,
            missing=list(self._session.scalars(query)),
        )


class SqlMinutes:
    def __init__(self, session: Session) -> None:
        self._session = session

    def maybe(self, tender: str, stage: str) -> StoredMinutes | None:
        row = self._session.get(MinutesRow, (tender, stage), populate_existing=True)
        return _read_minutes(row) if row else None

    def all(self, tender: str) -> list[StoredMinutes]:
        query = select(MinutesRow).where(MinutesRow.tender == tender).order_by(MinutesRow.stage)
        return [_read_minutes(row) for row in self._session.scalars(query)]

    def put(self, tender: str, minutes: StoredMinutes) -> None:
        values = {name: getattr(minutes, name) for name in ("revision", "digest", "renderer", "pdf")}
        if minutes.revision == 1:
            self._session.add(MinutesRow(tender=tender, stage=minutes.stage, **values))
            self._session.flush()
            return
        done = self._session.execute(
            update(MinutesRow)
            .where(
                MinutesRow.tender == tender,
                MinutesRow.stage == minutes.stage,
                MinutesRow.revision == minutes.revision - 1,
            )
            .values(**values)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]
            raise MinutesStale("another member signed meanwhile", stage=minutes.stage)


def _read_minutes(row: MinutesRow) -> StoredMinutes:
    return StoredMinutes(row.stage, row.revision, row.digest, row.renderer, row.pdf)


@lru_cache(maxsize=_KEPT_TENDERS)
def _kept(aggregate: bytes) -> Tender:
    return Tender.from_json(parse_canonical(aggregate))


def _tender_of(aggregate: bytes) -> Tender:
    """The tender of exactly these bytes. It is immutable, so whoever reads the same bytes again gets the same."""
    if len(aggregate) <= _KEPT_BYTES:
        return _kept(aggregate)
    return Tender.from_json(parse_canonical(aggregate, max_bytes=_AGGREGATE_LIMIT_BYTES))


def _read_act(row: ActRow) -> StoredAct:
    names = StoredAct.__dataclass_fields__
    values = {name: getattr(row, name) for name in names}
    values["content"] = parse_canonical(row.content)
    return StoredAct(**values)


def repositories(session: Session) -> Repositories:
    """All repositories of procurement over one session."""
    return Repositories(
        SqlTenders(session), SqlDocuments(session), SqlSubmissions(session), SqlMinutes(session)
    )
