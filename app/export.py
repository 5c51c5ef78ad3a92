"""The audit folder: everything an auditor needs, as files, with a sealed list of all of them.

Paths are those of docs/formats.md, "The audit folder".
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from app.container import Container
from events.outbox import public_event_waits
from kernel.canonical import parse_canonical, to_base64
from kernel.clock import format_utc
from kernel.database import read_only
from kernel.errors import Unavailable
from procurement.ports import Repositories, StoredDocument, StoredSubmission
from procurement.rules.tender import Tender
from sealing.content import Blob, measure, pieces_of
from signing.documents import sign_document
from transparency.log_store import entries as log_entries
from transparency.log_store import only_commitments_beyond
from transparency.notes import Checkpoint, split_note
from transparency.ocds_store import record_of, releases_of

File = tuple[str, Blob]
_ONE_EACH = {
    "notice": "notice",
    "key-set": "key-set",
    "closing-list": "closing-list",
    "key-destruction": "key-destruction",
}
_BY_STAGE = {"session": "session", "release": "release", "record": "record"}
_BY_PARTY = {"attendance": "attendance", "batch": "batch"}
_BATCH = 500
_PATIENCE_SECONDS = 30.0
_MAX_LIST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of the folder; what is large is not held, and is read once more when it is written."""

    path: str
    length: int
    digest: str
    content: Blob


@dataclass(frozen=True, slots=True)
class _Instant:
    """What belongs together: a reading session, a cosigned checkpoint of ``size`` entries, the custodian's journal."""

    session: Session
    note: str
    size: int
    journal_entries: str
    journal_checkpoint: str


def anchors_of(container: Container) -> dict[str, Any]:
    """``mohr/anchors/v1``: what a client or an auditor pins."""
    settings = container.settings
    return {
        "type": "mohr/anchors/v1",
        "root": container.authority.anchor.certificate.public_bytes(Encoding.PEM).decode("ascii"),
        "log": container.sequencer.vkey,
        "witnesses": [settings.witness.vkey],
        "custodian": settings.custodian.vkey,
        "demo": settings.demo,
    }


def export_files(container: Container) -> Iterator[ExportedFile]:
    """Every file of the audit folder, the sealed list last; all of it as of one instant.

    Raises Unavailable when the witness or the custodian does not answer, or no such instant comes in 30 s.
    """
    listed = []
    with _one_instant(container) as instant:
        for path, content in _files(container, instant):
            file = _exported(path, content)
            listed.append({"path": path, "length": file.length, "digest": file.digest})
            yield file
    now = container.clock.now()
    bundle = {
        "type": "mohr/bundle/v1",
        "files": sorted(listed, key=lambda entry: str(entry["path"])),
        "exported_at": format_utc(now),
        "demo": container.settings.demo,
    }
    signed = sign_document(bundle, container.receipt_signer, now)
    yield _exported("bundle.json", signed.document)
    yield _exported(f"bundle.json.{container.receipt_signer.party}.p7s", signed.signature)


def _exported(path: str, content: Blob) -> ExportedFile:
    length, digest = measure(content)
    return ExportedFile(path, length, digest, content)


def write_folder(files: Iterator[ExportedFile], folder: Path) -> int:
    """Write the files below a new folder; returns how many. Raises FileExistsError if it holds anything."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    count = 0
    for file in files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            for piece in pieces_of(file.content):
                stream.write(piece)
        count += 1
    os.sync()
    return count


@contextmanager
def _one_instant(container: Container) -> Iterator[_Instant]:
    """A snapshot whose public events all stand in the cosigned tree and are published, and a journal that agrees.

    Others go on writing meanwhile, so it is looked for until it is found.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        journal = _journal_of(container)
        note = container.sequencer.refresh()
        size = Checkpoint.parse(split_note(note)[0]).size
        with read_only(container.sessions) as session:
            told = not public_event_waits(session) and only_commitments_beyond(session, size)
            if told and journal == _journal_of(container):
                yield _Instant(session, note, size, *journal)
                return
        time.sleep(0.05)
    raise Unavailable("events are still being published; export again when they are")


def _journal_of(container: Container) -> tuple[str, str]:
    return container.custodian.journal_entries(), container.custodian.journal_checkpoint()


def _files(container: Container, instant: _Instant) -> Iterator[File]:
    yield from trust_files(container)
    session = instant.session
    yield "log/checkpoint", instant.note.encode()
    yield "log/entries.jsonl", _log_lines(session, instant.size)
    yield "journal/entries.jsonl", instant.journal_entries.encode("ascii")
    yield "journal/checkpoint", instant.journal_checkpoint.encode()
    repositories = container.desk.repositories(session)
    for tender_id in repositories.tenders.all_ids():
        tender = repositories.tenders.load(tender_id)
        if tender.notice is not None:
            yield from _ocds_files(session, tender.ocid)
            for path, data in _tender_files(tender, repositories, container):
                yield f"tenders/{tender_id}/{path}", data


def trust_files(container: Container) -> Iterator[File]:
    anchors = anchors_of(container)
    yield "trust/root.pem", anchors["root"].encode("ascii")
    authority = container.authority
    for issuer in authority.known:
        if issuer.certificate != authority.anchor.certificate:
            yield f"trust/ca/{issuer.name}.pem", issuer.certificate.public_bytes(Encoding.PEM)
    for number, cross in enumerate(authority.crosses):
        yield f"trust/ca/cross-{number}.pem", cross.public_bytes(Encoding.PEM)
    for number, crl in enumerate(sorted(container.trust.crls())):
        yield f"trust/crl/{number}.crl", crl
    yield "trust/log.vkey", f"{anchors['log']}\n".encode()
    yield "trust/custodian.vkey", f"{anchors['custodian']}\n".encode()
    for number, vkey in enumerate(anchors["witnesses"]):
        yield f"trust/witness-{number}.vkey", f"{vkey}\n".encode()


def _ocds_files(session: Session, ocid: str) -> Iterator[File]:
    for number, release in enumerate(releases_of(session, ocid), start=1):
        yield f"ocds/releases/{ocid}/{number}.json", release
    yield f"ocds/records/{ocid}.json", record_of(session, ocid)


def _log_lines(session: Session, size: int) -> bytes:
    lines = []
    for start in range(0, size, _BATCH):
        lines += [to_base64(entry) for entry in log_entries(session, start, min(start + _BATCH, size))]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _tender_files(tender: Tender, repositories: Repositories, container: Container) -> Iterator[File]:
    """The tender's files, as far as its time has come.

    Before the closing list nobody, no auditor either, is told who has bid or how many; and a share is shown
    only beside the record of its opening.
    """
    in_force = {decision.digest for decision in tender.decisions.values()}
    if tender.award is not None:
        in_force.add(tender.award.digest)
    records: dict[str, dict[str, Any]] = {}
    for stored in repositories.documents.all(tender.id):
        if stored.kind == "record":
            records[str(stored.stage)] = parse_canonical(stored.document, max_bytes=_MAX_LIST_BYTES)
        path = _path_of(stored, in_force)
        if path is not None and _may_be_shown(stored, tender):
            yield from _signed(path, stored.document, stored.signatures)
    for minutes in repositories.minutes.all(tender.id):
        yield f"minutes/{minutes.stage}.pdf", minutes.pdf
    for stage, record in records.items():
        for result in record["results"]:
            if result["bid_digest"] is not None:
                bid = repositories.documents.by_digest(tender.id, result["bid_digest"])
                if bid is not None:
                    yield f"submissions/{result['manifest_digest']}/bid-{stage}.json", bid.document
    if tender.closing is None:
        return
    closing_list = parse_canonical(
        repositories.documents.one(tender.id, "closing-list").document, max_bytes=_MAX_LIST_BYTES
    )
    disclosed = len(closing_list["submissions"])
    for act in repositories.submissions.acts(tender.id):
        if act.counter > disclosed:
            continue  # refused after the list was made: its receipt is the sender's own
        signature = {container.receipt_signer.party: act.receipt_signature}
        yield from _signed(f"receipts/{act.leaf_hash}.json", act.receipt, signature)
    for submission in repositories.submissions.of_tender(tender.id):
        yield from _submission_files(submission, repositories, container)


def _may_be_shown(stored: StoredDocument, tender: Tender) -> bool:
    if stored.kind == "withdrawal":
        return tender.closing is not None
    return stored.kind != "batch" or stored.stage in tender.records


def _path_of(stored: StoredDocument, in_force: set[str]) -> str | None:
    if stored.kind in _ONE_EACH:
        return f"{_ONE_EACH[stored.kind]}.json"
    if stored.kind in _BY_STAGE:
        return f"openings/{stored.stage}/{_BY_STAGE[stored.kind]}.json"
    if stored.kind in _BY_PARTY:
        return f"openings/{stored.stage}/{_BY_PARTY[stored.kind]}-{stored.party}.json"
    if stored.kind == "decision" and stored.digest in in_force:
        return f"openings/{stored.stage}/decision.json"
    if stored.kind == "award" and stored.digest in in_force:
        return "award.json"
    if stored.kind == "withdrawal":
        return f"withdrawals/{stored.digest}.json"
    if stored.kind == "return":
        return f"returns/{parse_canonical(stored.document)['manifest_digest']}.json"
    return None


def _submission_files(
    stored: StoredSubmission, repositories: Repositories, container: Container
) -> Iterator[File]:
    place = f"submissions/{stored.manifest_digest}"
    yield f"{place}/manifest.json", stored.manifest
    yield f"{place}/seal.p7s", stored.seal
    for kind, header in stored.headers.items():
        yield f"{place}/header-{kind}.json", header
    if stored.state == "listed":
        for blob in repositories.submissions.blobs(stored.id):
            yield f"{place}/{blob.name}", container.desk.objects.content(blob.digest)


def _signed(path: str, document: bytes, signatures: dict[str, bytes]) -> Iterator[File]:
    yield path, document
    for party, signature in signatures.items():
        yield f"{path}.{party}.p7s", signature
