"""An officer delivers the bytes of a document before its registration, under their own digest."""

from __future__ import annotations

from documents.register.desk import Actor, RegisterDesk, require_secretary
from documents.register.store import ArrivingFile
from kernel.errors import LimitExceeded, MalformedInput


def expect_file(digest: str, length: int | None, *, actor: Actor, desk: RegisterDesk) -> bool:
    """Decided before the first byte is read: whether the file is here already, and then waits anew.

    Raises Forbidden, or LimitExceeded for what is announced too long.
    """
    require_secretary(actor)
    if length is not None and length > desk.limits.document_bytes:
        raise LimitExceeded("the document is too long", limit_bytes=desk.limits.document_bytes)
    return desk.files.touch(digest)


def accept_file(digest: str, arriving: ArrivingFile) -> None:
    """Keep what arrived, durably, if it is what was announced; raises MalformedInput or StorageFull."""
    if arriving.length == 0:
        raise MalformedInput("an empty file is no document")
    if arriving.digest() != digest:
        raise MalformedInput("the bytes have another digest", received=arriving.digest())
    arriving.adopt()
