"""Registered files by their SHA-256; a name appears only after its bytes and its folder are synced.

```
folder/staging/<random>              what is arriving; held by flock while it does
folder/delivered/<digest>            whole, and not yet known to be registered
folder/files/<first two>/<digest>    registered; kept as long as the register
folder/swept                         when it was last looked for files that nobody registered
```
A file is moved on only after its registration is durable, so whoever asks looks in both places. Any number of processes
may share the folder.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from kernel.clock import Clock
from kernel.errors import NotFound, StorageFull, Unavailable
from kernel.failpoints import reach
from kernel.storage import refusing_when_full

# Who has staged a file and not locked it within that time is dead.
_ABANDONED_SECONDS = 3600.0
_SWEEP = timedelta(hours=1)


class ArrivingFile:
    """A staged file while it is written; not for two threads at once. ``close`` it, whatever happens."""

    # What breaks off leaves nothing: a document is no longer than one upload.
    resumed = False

    def __init__(self, store: DocumentStore, path: Path, descriptor: int) -> None:
        self._store = store
        self._path: Path | None = path
        self._descriptor = descriptor
        self._digest = sha256()
        self.length = 0

    def write(self, data: bytes) -> None:
        """Append; raises StorageFull, and then nothing of it is kept."""
        written = 0
        with refusing_when_full():
            while written < len(data):
                written += os.pwrite(self._descriptor, memoryview(data)[written:], self.length + written)
        self.length += written
        self._digest.update(data)

    def digest(self) -> str:
        """SHA-256 (hex) of all that was written."""
        return self._digest.hexdigest()

    def adopt(self) -> None:
        """Keep it under its digest, durably; twice the same bytes are one file. Raises StorageFull."""
        assert self._path is not None
        with refusing_when_full():
            os.fsync(self._descriptor)
            self._store.take_in(self._path, self.digest())
        self._path = None

    def drop(self) -> None:
        """Nothing is kept unless it is adopted."""

    def close(self) -> None:
        """Let go; what was not adopted is gone."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class DocumentStore:
    """Files of one register. Digests are 64 lower-case hexadecimal digits; callers have checked that.

    How long a file has waited is told by ``clock``, which is that of the register.
    """

    def __init__(self, folder: Path, clock: Clock, *, spare_bytes: int = 0) -> None:
        """``spare_bytes`` of the disk are left to others, as the bids of a tender whose deadline is near."""
        self._clock = clock
        self._spare = spare_bytes
        self._folder = folder
        self._swept = folder / "swept"
        self._staging, self._delivered, self._files = (
            folder / name for name in ("staging", "delivered", "files")
        )
        for each in (self._staging, self._delivered, self._files):
            each.mkdir(parents=True, exist_ok=True)

    def begin(self) -> ArrivingFile:
        """Stage a file of whatever digest; raises StorageFull."""
        if shutil.disk_usage(self._folder).free < self._spare:
            raise StorageFull("the rest of the disk is kept for others; nothing was kept", limit=self._spare)
        path = self._staging / secrets.token_hex(16)
        with refusing_when_full():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return ArrivingFile(self, path, descriptor)

    def receive(self, content: bytes) -> str:
        """Keep bytes that are at hand, as an upload would; returns their digest."""
        arriving = self.begin()
        try:
            arriving.write(content)
            arriving.adopt()
            return arriving.digest()
        finally:
            arriving.close()

    def take_in(self, staged: Path, digest: str) -> None:
        """Give a synced file its name among those delivered, unless it is registered already."""
        if (self._files / digest[:2] / digest).exists():
            staged.unlink()
            return
        self._set_time(staged)
        reach("document.before-rename")
        os.replace(staged, self._delivered / digest)
        _sync_folder(self._delivered)
        reach("document.delivered")

    def touch(self, digest: str) -> bool:
        """Whether the file is here; if it waits for its registration, it waits from now on."""
        try:
            self._set_time(self._delivered / digest)
            return True
        except FileNotFoundError:
            return (self._files / digest[:2] / digest).exists()

    def size(self, digest: str) -> int | None:
        """Bytes of a file; None when it is not here."""
        path = self._find(digest)
        return None if path is None else path.stat().st_size

    def open(self, digest: str) -> BinaryIO:
        """The file, to be read and closed; raises NotFound."""
        for _ in range(2):
            path = self._find(digest)
            try:
                if path is not None:
                    return path.open("rb")
            except FileNotFoundError:
                continue  # it was moved on between being found and being opened
        raise NotFound("that file is not in the register's store", digest=digest)

    def read(self, digest: str) -> bytes:
        """The whole of a file, compared with its digest. Raises NotFound, or Unavailable for a damaged file."""
        with self.open(digest) as file:
            content = file.read()
        if sha256(content).hexdigest() != digest:
            raise Unavailable("the kept file no longer has its digest", digest=digest)
        return content

    def keep(self, digests: Iterable[str]) -> None:
        """Move on what is registered. Safe to repeat, and to be killed in: nothing is ever in neither place."""
        changed: set[Path] = set()
        for digest in digests:
            target = self._files / digest[:2] / digest
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                changed.add(self._files)
            try:
                os.replace(self._delivered / digest, target)
            except FileNotFoundError:
                continue
            changed |= {target.parent, self._delivered}
            reach("document.kept")
        for folder in sorted(changed, reverse=True):
            _sync_folder(folder)

    def delivered_before(self, instant: datetime) -> Iterator[str]:
        """Digests of files that have waited for their registration since before ``instant``."""
        before = instant.timestamp()
        with os.scandir(self._delivered) as found:
            for each in found:
                try:
                    if each.stat().st_mtime < before:
                        yield each.name
                except FileNotFoundError:
                    continue

    def forget(self, digest: str, before: datetime) -> bool:
        """Remove a file unless it was delivered again since ``before``; whether it was removed."""
        path = self._delivered / digest
        try:
            if path.stat().st_mtime >= before.timestamp():
                return False
            path.unlink()
            return True
        except FileNotFoundError:
            return False

    def sweep_is_due(self) -> bool:
        """Whether an hour has gone by since any process looked; if so, this one does now."""
        due = (self._clock.now() - _SWEEP).timestamp()
        try:
            if self._swept.stat().st_mtime > due:
                return False
        except FileNotFoundError:
            pass
        with refusing_when_full():
            self._swept.touch()
        self._set_time(self._swept)
        return True

    def sweep_staging(self) -> int:
        """Remove what killed processes left; returns how many."""
        old, removed = time.time() - _ABANDONED_SECONDS, 0
        for path in self._staging.iterdir():
            try:
                if path.stat().st_mtime < old and not _is_held(path):
                    path.unlink(missing_ok=True)
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    def _set_time(self, path: Path) -> None:
        now = self._clock.now().timestamp()
        os.utime(path, (now, now))

    def _find(self, digest: str) -> Path | None:
        # In the order of its way: a file that is moved on meanwhile is then found at its second place.
        for path in (self._delivered / digest, self._files / digest[:2] / digest):
            if path.exists():
                return path
        return None


def _is_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
