"""The audit folder of an installation over HTTP, as one tar stream."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator
from typing import IO

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from app.api.desk import CurrentContainer, require
from app.api.problems import documented
from app.export import export_files

router = APIRouter(tags=["audit"])
_CHUNK_BYTES = 1 << 20


@router.get(
    "/audit/bundle.tar",
    operation_id="exportAuditFolder",
    responses=documented(401, 403, 503),
    response_class=StreamingResponse,
    dependencies=[Depends(require("auditor"))],
)
def bundle(container: CurrentContainer) -> StreamingResponse:
    """Everything that ``mohr audit`` needs, sealed (auditor)."""
    spooled = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the stream ends
    with tarfile.open(fileobj=spooled, mode="w") as archive:
        for path, data in export_files(container):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    spooled.seek(0)
    return StreamingResponse(_chunks(spooled), media_type="application/x-tar")


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
