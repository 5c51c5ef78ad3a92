"""Files of opened envelopes, as downloads that no browser takes for anything else."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.bodies import OpenedFileEntry, OpenedFiles
from app.api.desk import CurrentActor, CurrentDesk, TenderId
from app.api.problems import documented
from kernel.errors import Unavailable
from procurement.use_cases.opened_files import OpenedFile, list_files, open_file

router = APIRouter(tags=["openings"])

Stage = Annotated[str, Path(pattern="^[ABC]$", description="the kind of envelope that was opened")]
ManifestDigest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, Path(min_length=1, max_length=100)]
_REFUSALS = documented(401, 403, 404, 422, 503, 507)
_CHUNK_BYTES = 1 << 20
# Each list holds a decrypted container on the disk while it is read, each download for as long as its reader takes.
_MOST_AT_ONCE = 16
_at_once = threading.BoundedSemaphore(_MOST_AT_ONCE)


@router.get(
    "/tenders/{tender_id}/openings/{stage}/bids/{manifest_digest}/files",
    operation_id="listOpenedFiles",
    responses=_REFUSALS,
)
def files(
    tender_id: TenderId, stage: Stage, manifest_digest: ManifestDigest, actor: CurrentActor, desk: CurrentDesk
) -> OpenedFiles:
    """Names, lengths and digests of the files inside an opened envelope (commission, auditor)."""
    _take_place()
    try:
        found = list_files(tender_id, stage, manifest_digest, actor=actor, desk=desk)
    finally:
        _at_once.release()
    return OpenedFiles(
        files=[
            OpenedFileEntry(name=name, length=place.length, digest=place.digest)
            for name, place in sorted(found.items())
        ]
    )


@router.get(
    "/tenders/{tender_id}/openings/{stage}/bids/{manifest_digest}/files/{name}",
    operation_id="downloadOpenedFile",
    responses=_REFUSALS,
    response_class=StreamingResponse,
)
def download(
    tender_id: TenderId,
    stage: Stage,
    manifest_digest: ManifestDigest,
    name: FileName,
    actor: CurrentActor,
    desk: CurrentDesk,
) -> StreamingResponse:
    """One file inside an opened envelope, decrypted and verified before its first byte (commission, auditor)."""
    _take_place()
    try:
        file = open_file(tender_id, stage, manifest_digest, name, actor=actor, desk=desk)
    except BaseException:
        _at_once.release()
        raise
    return _Download(file)


def _take_place() -> None:
    if not _at_once.acquire(blocking=False):
        raise Unavailable("too many files are being fetched at once; ask again")


class _Download(StreamingResponse):
    """Whatever becomes of the line, the decrypted container is gone afterwards."""

    def __init__(self, file: OpenedFile) -> None:
        headers = headers_of(file.name, file.length, file.digest)
        super().__init__(_chunks(file), media_type="application/octet-stream", headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.stream.close()
            _at_once.release()


def _chunks(file: OpenedFile) -> Iterator[bytes]:
    left = file.length
    while left and (chunk := file.stream.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


def headers_of(name: str, length: int, digest: str) -> dict[str, str]:
    """Length, digest (RFC 9530) and a name that is only a name (RFC 6266, RFC 8187): nothing is shown in place."""
    return {
        "Content-Length": str(length),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(digest)).decode('ascii')}:",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
    }
