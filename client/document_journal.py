"""Which identifier each file of a long registration has, and which are done: one line of JSON each, synced.

Whoever was interrupted goes on from there: a file keeps the identifier that was reserved for it, so that what the
server had registered already is answered as such and not refused as a second registration.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from client.errors import FolderInvalid

_MAX_BYTES = 1 << 30


class Journal:
    """Kept in a file that only grows, or nowhere (None); a last line that was cut off by a crash is passed over."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._identifiers: dict[str, str] = {}
        self._done: set[str] = set()
        self._read()

    def identifier(self, digest: str) -> str | None:
        """What was reserved for the file with that SHA-256."""
        return self._identifiers.get(digest)

    def is_done(self, digest: str) -> bool:
        return digest in self._done

    def reserved(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Digest and identifier of files that are about to be registered."""
        self._add([{"digest": digest, "identifier": identifier} for digest, identifier in pairs])

    def done(self, digests: Iterable[str]) -> None:
        """These are registered."""
        self._add([{"digest": digest, "done": True} for digest in digests])

    def _read(self) -> None:
        if self._path is None or not self._path.exists():
            return
        if self._path.stat().st_size > _MAX_BYTES:
            raise FolderInvalid("the journal is too long", path=str(self._path))
        data = self._path.read_bytes()
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise FolderInvalid("the journal holds something else", path=str(self._path)) from error
        if not data.endswith(b"\n"):
            with self._path.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)

    def _take(self, line: dict[str, Any]) -> None:
        if line.get("done") is True:
            self._done.add(str(line["digest"]))
        else:
            self._identifiers[str(line["digest"])] = str(line["identifier"])

    def _add(self, lines: list[dict[str, Any]]) -> None:
        if not lines:
            return
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write("".join(json.dumps(each) + "\n" for each in lines).encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
        for each in lines:
            self._take(each)
