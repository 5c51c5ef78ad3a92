"""Blobs as files named by their SHA-256; a name appears only after its bytes and its folder are synced."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from kernel.errors import NotFound, Unavailable
from kernel.failpoints import reach
from kernel.ids import new_id


class FileObjectStore:
    """``folder/<first two digits>/<digest>``; whatever is in ``folder/staging`` at start was never promised."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._staging = folder / "staging"
        self._staging.mkdir(parents=True, exist_ok=True)
        for left_over in self._staging.iterdir():
            left_over.unlink()

    def staging_path(self) -> Path:
        """A fresh path to stream an upload into."""
        return self._staging / new_id()

    def adopt(self, staged: Path, digest: str) -> None:
        """Make a staged file durable under its digest. Adopting the same bytes twice is harmless."""
        target = self._path(digest)
        try:
            with staged.open("rb+") as stream:
                os.fsync(stream.fileno())
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                _sync_folder(self._folder)
            reach("blob.before-rename")
            os.replace(staged, target)
            _sync_folder(target.parent)
            reach("blob.renamed")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable("the object store is full; nothing was received") from error
            raise

    def read(self, digest: str) -> bytes:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFound("that blob is not in the object store", digest=digest) from error

    def has(self, digest: str) -> bool:
        return self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
