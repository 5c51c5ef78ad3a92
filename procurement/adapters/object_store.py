"""Blobs as files named by their SHA-256; a name appears only after its bytes and its folder are synced.

```
folder/<first two digits>/<digest>                            what was received
folder/staging/<bidder>.<submission>.<blob name>              what is arriving; held by flock while it does
```
Any number of processes may share the folder: nobody touches a staged file that another one holds.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import IO

from kernel.canonical import sha256_hex
from kernel.errors import NotFound
from kernel.failpoints import reach
from kernel.storage import refusing_when_full
from procurement.uploads import (
    RESUMABLE_BYTES,
    PartialUpload,
    TooManyUploads,
    UploadInProgress,
    UploadOffset,
    UploadPlace,
)
from sealing.content import PIECE_BYTES, FileContent


class FileUpload:
    """A staged file while it is written; not for two threads at once."""

    def __init__(self, store: FileObjectStore, path: Path, descriptor: int, length: int) -> None:
        """``length`` bytes, which are in the file, are taken over."""
        self._store = store
        self._path: Path | None = path
        self.resumed = length > 0
        self.length = 0
        self._descriptor = descriptor
        self._digest = sha256()
        self._wanted = True
        while self.length < length:
            piece = os.pread(descriptor, min(PIECE_BYTES, length - self.length), self.length)
            if not piece:
                raise UploadOffset("the kept part ends elsewhere", staged=self.length)
            self._digest.update(piece)
            self.length += len(piece)

    def write(self, data: bytes) -> None:
        """Append; raises StorageFull, and then nothing of the upload will be kept."""
        written = 0
        try:
            with refusing_when_full():
                while written < len(data):
                    place = self.length + written
                    written += os.pwrite(self._descriptor, memoryview(data)[written:], place)
        except BaseException:
            self._wanted = False
            raise
        self.length += written
        self._digest.update(data)

    def digest(self) -> str:
        """SHA-256 (hex) of all that was taken over and written."""
        return self._digest.hexdigest()

    def drop(self) -> None:
        """Keep nothing of it, however much there is."""
        self._wanted = False

    def adopt(self) -> None:
        """Keep it for good under its digest. Doing so twice with the same bytes is harmless."""
        assert self._path is not None
        self._sync()
        self._store.put(self._path, self.digest())
        self._path = None

    def close(self) -> None:
        """Let go. What broke off late enough stays, durable, to go on from; the rest leaves nothing."""
        try:
            if self._path is not None and self._stays():
                self._sync()
        finally:
            if self._path is not None and not self._stays():
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)

    def _stays(self) -> bool:
        return self._wanted and self.length >= RESUMABLE_BYTES

    def _sync(self) -> None:
        try:
            with refusing_when_full():
                os.fsync(self._descriptor)
        except BaseException:
            self._wanted = False
            raise


class FileObjectStore:
    """``max_partial_uploads`` bounds how many blobs of one bidder may be staged at a time."""

    def __init__(self, folder: Path, *, max_partial_uploads: int = 8) -> None:
        self._folder = folder
        self._staging = folder / "staging"
        self._most = max_partial_uploads
        self._staging.mkdir(parents=True, exist_ok=True)
        for left_over in self._staged_files(""):
            if left_over.stat().st_size < RESUMABLE_BYTES:
                _discard(left_over)

    def begin(self, place: UploadPlace, offset: int) -> FileUpload:
        """Stage a blob anew, or from ``offset`` on, which must be where the kept part ends.

        Raises UploadInProgress, UploadOffset or TooManyUploads. ``close`` the upload, whatever happens.
        """
        path = self._staging / _file_name(place)
        self._make_room(path)
        create = os.O_CREAT if offset == 0 else 0
        try:
            descriptor = _hold(path, os.O_RDWR | create)
        except FileNotFoundError as error:
            raise UploadOffset("nothing of the blob is kept to go on from", staged=0) from error
        try:
            staged = os.fstat(descriptor).st_size
            if offset not in (0, staged):
                raise UploadOffset("the kept part ends elsewhere", staged=staged)
            if offset == 0:
                os.ftruncate(descriptor, 0)
            return FileUpload(self, path, descriptor, offset)
        except BaseException:
            os.close(descriptor)
            raise

    def staged(self, place: UploadPlace) -> int:
        """How many bytes of a blob are kept to go on from."""
        try:
            length = (self._staging / _file_name(place)).stat().st_size
        except FileNotFoundError:
            return 0
        return length if length >= RESUMABLE_BYTES else 0

    def partial_uploads(self) -> list[PartialUpload]:
        """Everything that is staged, held or not."""
        return [PartialUpload(path.name, *_parsed(path.name)) for path in self._staged_files("")]

    def discard(self, partial: PartialUpload) -> None:
        """Remove a staged file unless somebody holds it."""
        _discard(self._staging / partial.file)

    def put(self, staged: Path, digest: str) -> None:
        """Give a synced file its name, durably; raises StorageFull."""
        target = self._path(digest)
        with refusing_when_full():
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                _sync_folder(self._folder)
            reach("blob.before-rename")
            os.replace(staged, target)
            _sync_folder(target.parent)
        reach("blob.renamed")

    def read(self, digest: str) -> bytes:
        """The whole of a small blob; raises NotFound."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise _missing(digest) from error

    def content(self, digest: str) -> FileContent:
        """A blob of any length, to be read piece by piece; raises NotFound."""
        if not self.has(digest):
            raise _missing(digest)
        return FileContent(self._path(digest))

    def has(self, digest: str) -> bool:
        return self._path(digest).exists()

    def scratch(self) -> IO[bytes]:
        """A file without a name, readable by nobody else, gone when it is closed or the process ends.

        What is small stays in memory; the rest is on the disk of the store.
        """
        return tempfile.SpooledTemporaryFile(PIECE_BYTES, dir=str(self._folder))

    def _make_room(self, wanted: Path) -> None:
        """Of the bidder's other staged blobs at most so many stay; the oldest that nobody holds go first."""
        bidder = wanted.name.partition(".")[0]
        others = [path for path in self._staged_files(bidder) if path != wanted]
        others.sort(key=_age)
        while len(others) >= self._most:
            idle = next((path for path in others if _discard(path)), None)
            if idle is None:
                raise TooManyUploads("too many blobs of this bidder are arriving at once", limit=self._most)
            others.remove(idle)

    def _staged_files(self, bidder: str) -> list[Path]:
        return [path for path in self._staging.iterdir() if path.name.startswith(bidder)]

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


def _file_name(place: UploadPlace) -> str:
    return f"{sha256_hex(place.bidder.encode())[:16]}.{place.submission}.{place.name}"


def _parsed(file_name: str) -> tuple[str, str]:
    parts = file_name.split(".", 2)
    return (parts[1], parts[2]) if len(parts) == 3 else ("", "")


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _hold(path: Path, flags: int) -> int:
    """Open a staged file that nobody else holds, and hold it until it is closed. Raises UploadInProgress."""
    while True:
        descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have given it its final name, or removed it, since it was opened.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise UploadInProgress("the same blob is arriving on another line") from error
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _discard(path: Path) -> bool:
    """Remove a staged file unless somebody holds it; whether it is gone."""
    try:
        descriptor = _hold(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except UploadInProgress:
        return False
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def _missing(digest: str) -> NotFound:
    return NotFound("that blob is not in the object store", digest=digest)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
