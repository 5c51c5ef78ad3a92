"""The audit folder of an installation over HTTP, as one tar stream."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, cast

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from app.api.desk import CurrentContainer, require
from app.api.problems import documented
from app.export import ExportedFile, export_files
from kernel.storage import refusing_when_full
from sealing.content import pieces_of

router = APIRouter(tags=["audit"])
_CHUNK_BYTES = 1 << 20


@router.get(
    "/audit/bundle.tar",
    operation_id="exportAuditFolder",
    responses=documented(401, 403, 503, 507),
    response_class=StreamingResponse,
    dependencies=[Depends(require("auditor"))],
)
def bundle(container: CurrentContainer) -> StreamingResponse:
    """Everything that ``mohr audit`` needs, sealed (auditor)."""
    spooled = container.desk.objects.scratch()
    try:
        with refusing_when_full():
            with tarfile.open(fileobj=spooled, mode="w") as archive:
                for file in export_files(container):
                    _add(archive, file)
            spooled.seek(0)
    except BaseException:
        spooled.close()
        raise
    return StreamingResponse(_chunks(spooled), media_type="application/x-tar")


def _add(archive: tarfile.TarFile, file: ExportedFile) -> None:
    entry = tarfile.TarInfo(file.path)
    entry.size = file.length
    archive.addfile(entry, cast(IO[bytes], _Reader(pieces_of(file.content))))


class _Reader:
    """Pieces as the tar's own copying asks for them; it raises if they end too early."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
