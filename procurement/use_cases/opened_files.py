"""The files inside an opened envelope, decrypted anew for whoever is entitled, and checked before a byte goes out.

No plaintext is kept between two requests: the record holds the secrets, the store the sealed blobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from kernel.canonical import parse_canonical
from kernel.errors import NotFound, Unavailable
from kernel.storage import refusing_when_full
from procurement.ports import Actor, Desk, StoredSubmission
from procurement.use_cases.ask import require_insider
from procurement.use_cases.open_envelopes import blobs_of
from sealing.coins import Secrets
from sealing.envelope import EnvelopeHeader
from sealing.errors import EnvelopeInvalid, PayloadInvalid
from sealing.opening import decrypt_to
from sealing.payload import FilePlace, find_files

_MAX_RECORD_BYTES = 64 << 20


@dataclass(frozen=True)
class OpenedFile:
    """``length`` bytes from where ``stream`` stands are the file; whoever gets it closes the stream."""

    name: str
    length: int
    digest: str
    stream: IO[bytes]


def list_files(
    tender_id: str, stage: str, manifest_digest: str, *, actor: Actor, desk: Desk
) -> Mapping[str, FilePlace]:
    """The files of one opened envelope by name. Raises Forbidden, NotFound, StorageFull or Unavailable."""
    stored, result = _opened(tender_id, stage, manifest_digest, actor, desk)
    with _decrypted(stored, stage, result, desk) as content:
        files = _find(content, result)
        content.close()
    return files


def open_file(
    tender_id: str, stage: str, manifest_digest: str, name: str, *, actor: Actor, desk: Desk
) -> OpenedFile:
    """One file of an opened envelope. Raises Forbidden, NotFound, StorageFull or Unavailable."""
    stored, result = _opened(tender_id, stage, manifest_digest, actor, desk)
    with _decrypted(stored, stage, result, desk) as content:
        place = _find(content, result).get(name)
        if place is None:
            raise NotFound("the envelope holds no file of that name", name=name[:100])
        content.seek(place.offset)
    return OpenedFile(name, place.length, place.digest, content)


def _opened(
    tender_id: str, stage: str, manifest_digest: str, actor: Actor, desk: Desk
) -> tuple[StoredSubmission, dict[str, Any]]:
    """The submission and what the record says of its opening."""
    require_insider(tender_id, actor, desk)
    with desk.reading() as session:
        repositories = desk.repositories(session)
        record = repositories.documents.one(tender_id, "record", stage=stage)
        stored = repositories.submissions.by_manifest(tender_id, manifest_digest)
    for result in parse_canonical(record.document, max_bytes=_MAX_RECORD_BYTES)["results"]:
        if stored and result["manifest_digest"] == manifest_digest and result["outcome"] == "opened":
            return stored, result
    raise NotFound("no such envelope was opened", manifest=manifest_digest)


@contextmanager
def _decrypted(
    stored: StoredSubmission, stage: str, result: dict[str, Any], desk: Desk
) -> Iterator[IO[bytes]]:
    """The container, whole and verified; it is closed if anything goes wrong inside."""
    header = EnvelopeHeader.parse(stored.headers[stage])
    secrets = Secrets(bytes.fromhex(result["member_secret"]), bytes.fromhex(result["custodian_secret"]))
    content = desk.objects.scratch()
    try:
        with refusing_when_full():
            decrypt_to(header, blobs_of(header, desk), secrets, content)
            content.seek(0)
        yield content
    except (EnvelopeInvalid, PayloadInvalid) as error:
        content.close()
        raise Unavailable("what is kept of the envelope is no longer what was opened") from error
    except BaseException:
        content.close()
        raise


def _find(content: IO[bytes], result: dict[str, Any]) -> Mapping[str, FilePlace]:
    bid_digest, files = find_files(content)
    if bid_digest != result["bid_digest"]:
        raise PayloadInvalid("the record names another bid")
    return files
