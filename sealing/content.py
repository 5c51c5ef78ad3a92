"""Content of any length: read piece by piece, again and again, and never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

PIECE_BYTES = 1 << 20


class Content(Protocol):
    """Bytes that are kept elsewhere."""

    def pieces(self) -> Iterator[bytes]:
        """All of them in order, at most ``PIECE_BYTES`` at once; each call begins anew."""
        ...


# What is small is handed about as it is.
Blob = bytes | Content


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file, as they are when they are read."""

    path: Path

    def pieces(self) -> Iterator[bytes]:
        with self.path.open("rb", buffering=0) as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece


@dataclass(frozen=True, slots=True)
class Zeros:
    """So many bytes of value 0."""

    length: int

    def pieces(self) -> Iterator[bytes]:
        whole, rest = divmod(self.length, PIECE_BYTES)
        block = bytes(min(self.length, PIECE_BYTES))
        for _ in range(whole):
            yield block
        yield block[:rest]


def pieces_of(blob: Blob) -> Iterator[bytes]:
    """The pieces of a content; bytes are one piece, whatever their length."""
    if isinstance(blob, bytes):
        yield blob
    else:
        yield from blob.pieces()


def measure(blob: Blob) -> tuple[int, str]:
    """Length in bytes and SHA-256 in hex."""
    length, digest = 0, sha256()
    for piece in pieces_of(blob):
        length += len(piece)
        digest.update(piece)
    return length, digest.hexdigest()
