"""Reading an audit folder that anybody may have prepared: no links, no surprises, limits on everything."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from audit.report import Finding
from kernel.canonical import parse_canonical
from kernel.errors import DomainError
from sealing.content import PIECE_BYTES

MAX_FILES = 1_000_000
MAX_FILE_BYTES = 2 << 30
MAX_DOCUMENT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FolderContent:
    """One file of a folder as content that is not held."""

    folder: Folder
    path: str
    max_bytes: int

    def pieces(self) -> Iterator[bytes]:
        return self.folder.pieces(self.path, self.max_bytes)


class Folder:
    """A folder by relative POSIX paths; every refusal is a Finding, since damaged content is one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self) -> list[str]:
        """Every file below the folder, sorted; a link or a special file is a finding."""
        found: list[str] = []
        for parent, folders, files in os.walk(self.root, onerror=_unreadable):
            for name in [*folders, *files]:
                path = Path(parent) / name
                if path.is_symlink() or not (path.is_dir() or path.is_file()):
                    raise Finding("neither a file nor a folder", where=self._relative(path))
            found += [self._relative(Path(parent) / name) for name in files]
            if len(found) > MAX_FILES:
                raise Finding("more files than an audit folder can have")
        return sorted(found)

    def exists(self, path: str) -> bool:
        return self._target(path).is_file()

    def read(self, path: str, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
        """The whole of a regular file; no link is followed, and nothing is waited for."""
        try:
            with self._open(path, max_bytes) as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise Finding("the file is missing or can't be read", where=path) from error
        if len(data) > max_bytes:
            raise Finding("the file is longer than its kind can be", where=path)
        return data

    def content(self, path: str, *, max_bytes: int = MAX_FILE_BYTES) -> FolderContent:
        """A file of any length, read piece by piece whenever it is needed."""
        return FolderContent(self, path, max_bytes)

    def pieces(self, path: str, max_bytes: int) -> Iterator[bytes]:
        """The bytes of a regular file, never more than ``max_bytes``, as ``read`` reads them."""
        left = max_bytes
        try:
            with self._open(path, max_bytes) as file:
                while piece := file.read(PIECE_BYTES):
                    left -= len(piece)
                    if left < 0:
                        raise Finding("the file is longer than its kind can be", where=path)
                    yield piece
        except OSError as error:
            raise Finding("the file is missing or can't be read", where=path) from error

    def _open(self, path: str, max_bytes: int) -> IO[bytes]:
        target = self._target(path)
        try:
            file = os.fdopen(os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except (OSError, ValueError) as error:
            raise Finding("the file is missing or can't be read", where=path) from error
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            file.close()
            regular = stat.S_ISREG(status.st_mode)
            reason = "the file is longer than its kind can be" if regular else "neither a file nor a folder"
            raise Finding(reason, where=path)
        return file

    def document(self, path: str) -> dict[str, Any]:
        """A canonical JSON object."""
        try:
            return parse_canonical(self.read(path), max_bytes=MAX_DOCUMENT_BYTES)
        except DomainError as error:
            raise Finding(error.detail, where=path) from error

    def text(self, path: str) -> str:
        try:
            return self.read(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Finding("the file is not UTF-8 text", where=path) from error

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a file in which each, the last too, ends with a newline."""
        *lines, rest = self.text(path).split("\n")
        if rest:
            raise Finding("the last line is not whole", where=path)
        yield from lines

    def names(self, path: str) -> list[str]:
        """The names inside a sub-folder, sorted; empty where there is none."""
        target = self._target(path)
        return sorted(entry.name for entry in target.iterdir()) if target.is_dir() else []

    def signatures(self, path: str) -> dict[str, bytes]:
        """The detached signatures beside a document, by party."""
        folder, _, name = path.rpartition("/")
        found = {}
        for each in self.names(folder):
            if each.startswith(f"{name}.") and each.endswith(".p7s"):
                found[each[len(name) + 1 : -len(".p7s")]] = self.read(f"{folder}/{each}" if folder else each)
        return found

    def _target(self, path: str) -> Path:
        """Where a path leads, which documents of the folder may have named: inside, and through no link."""
        parts = PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts or "\0" in path:
            raise Finding("a name leads out of the folder", where=path)
        target = self.root
        try:
            for part in parts:
                target = target / part
                if target.is_symlink():
                    raise Finding("neither a file nor a folder", where=path)
        except OSError as error:
            raise Finding("no file can have that name", where=path[:200]) from error
        return target

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _unreadable(error: OSError) -> None:
    raise Finding("a folder can't be read", where=os.path.basename(error.filename or "")) from error
