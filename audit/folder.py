"""Reading an audit folder that anybody may have prepared: no links, no surprises, limits on everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.report import Finding
from kernel.canonical import parse_canonical
from kernel.errors import DomainError

MAX_FILES = 1_000_000
MAX_FILE_BYTES = 2 << 30
MAX_DOCUMENT_BYTES = 64 << 20


class Folder:
    """A folder by relative POSIX paths; every refusal is a Finding, since damaged content is one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self) -> list[str]:
        """Every file below the folder, sorted; a link or a special file is a finding."""
        found: list[str] = []
        for parent, folders, files in os.walk(self.root):
            for name in [*folders, *files]:
                path = Path(parent) / name
                if path.is_symlink() or not (path.is_dir() or path.is_file()):
                    raise Finding("neither a file nor a folder", where=self._relative(path))
            found += [self._relative(Path(parent) / name) for name in files]
            if len(found) > MAX_FILES:
                raise Finding("more files than an audit folder can have")
        return sorted(found)

    def exists(self, path: str) -> bool:
        return (self.root / path).is_file()

    def read(self, path: str, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
        target = self.root / path
        try:
            if target.stat().st_size > max_bytes:
                raise Finding("the file is longer than its kind can be", where=path)
            return target.read_bytes()
        except OSError as error:
            raise Finding("the file is missing or can't be read", where=path) from error

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
        yield from self.text(path).splitlines()

    def names(self, path: str) -> list[str]:
        """The names inside a sub-folder, sorted; empty where there is none."""
        target = self.root / path
        return sorted(entry.name for entry in target.iterdir()) if target.is_dir() else []

    def signatures(self, path: str) -> dict[str, bytes]:
        """The detached signatures beside a document, by party."""
        folder, _, name = path.rpartition("/")
        found = {}
        for each in self.names(folder):
            if each.startswith(f"{name}.") and each.endswith(".p7s"):
                found[each[len(name) + 1 : -len(".p7s")]] = self.read(f"{folder}/{each}" if folder else each)
        return found

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
