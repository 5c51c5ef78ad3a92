"""A disk that is really full: a small file system in memory, or where none may be mounted, a limit on file sizes."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BLOCK = bytes(1 << 16)


class FullDisk(Protocol):
    """``fill`` leaves so much room, ``empty`` gives all of it back; ``path`` is where files belong."""

    path: Path

    def fill(self, *, but: int = 0) -> None: ...
    def empty(self) -> None: ...


@dataclass
class SmallDisk:
    """A tmpfs: the system answers ENOSPC."""

    path: Path

    def fill(self, *, but: int = 0) -> None:
        reserve, filler = self.path / "reserve", self.path / "filler"
        reserve.write_bytes(bytes(but))
        try:
            with filler.open("wb", buffering=0) as file:
                while file.write(_BLOCK):
                    pass
        except OSError:
            pass
        reserve.unlink()

    def empty(self) -> None:
        (self.path / "filler").unlink()


@dataclass
class ShortFiles:
    """This process's files may not grow (RLIMIT_FSIZE): the system answers EFBIG."""

    path: Path
    before: tuple[int, int]

    def fill(self, *, but: int = 0) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (but, self.before[1]))

    def empty(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[FullDisk]:
    """A file system of ``size`` bytes at ``path`` where this process may mount one."""
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        limited = ShortFiles(path, resource.getrlimit(resource.RLIMIT_FSIZE))
        try:
            yield limited
        finally:
            limited.empty()
        return
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
