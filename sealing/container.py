"""The archive around a bid: a ZIP of stored entries in one written form, made and read as a stream.

APPNOTE 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (its end). No archive library takes part: what is written
follows from names, lengths and checksums alone, so it can be compared while it is read; and each library has
ways around a directory that was counted before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO

from sealing.content import PIECE_BYTES, Blob, pieces_of
from sealing.errors import PayloadInvalid

_LOCAL, _LOCAL_MAGIC = struct.Struct("<4s5H3I2H"), b"PK\x03\x04"
_CENTRAL, _CENTRAL_MAGIC = struct.Struct("<4s2B5H3I5H2I"), b"PK\x01\x02"
_END, _END_MAGIC = struct.Struct("<4s4H2IH"), b"PK\x05\x06"
_VERSION, _UNIX, _STORED = 20, 3, 0
_UTF8 = 1 << 11
# 1 January 1980, midnight, which is the first instant that the form can say.
_TIME, _DATE = 0, 1 << 5 | 1
_MODE = 0o600 << 16
_ZEROS = bytes(PIECE_BYTES)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the headers say of an entry, and the SHA-256 of its body (32 bytes), which they do not."""

    name: str
    length: int
    crc: int
    digest: bytes

    @classmethod
    def of(cls, name: str, blob: Blob, *, limit: int | None = None) -> Entry:
        """Read it once to know it; reads no further than the piece in which it passes ``limit``."""
        length, crc, digest = 0, 0, sha256()
        for piece in pieces_of(blob):
            length, crc = length + len(piece), zlib.crc32(piece, crc)
            digest.update(piece)
            if limit is not None and length > limit:
                break
        return cls(name, length, crc, digest.digest())

    @property
    def cost(self) -> int:
        """What it takes in the archive beside its body."""
        return _LOCAL.size + _CENTRAL.size + 2 * len(self._name()[0])

    def local_header(self) -> bytes:
        name, flags = self._name()
        fields = (_VERSION, flags, _STORED, _TIME, _DATE, self.crc, self.length, self.length, len(name), 0)
        return _LOCAL.pack(_LOCAL_MAGIC, *fields) + name

    def central_header(self, offset: int) -> bytes:
        name, flags = self._name()
        fields = (_VERSION, flags, _STORED, _TIME, _DATE, self.crc, self.length, self.length, len(name))
        return _CENTRAL.pack(_CENTRAL_MAGIC, _VERSION, _UNIX, *fields, 0, 0, 0, 0, _MODE, offset) + name

    def _name(self) -> tuple[bytes, int]:
        return self.name.encode("utf-8"), 0 if self.name.isascii() else _UTF8


def archive_length(entries: Sequence[Entry]) -> int:
    """The length of the whole archive in bytes."""
    return sum(entry.cost + entry.length for entry in entries) + _END.size


def directory_of(entries: Sequence[Entry]) -> bytes:
    """What follows the last body: the directory and its end."""
    headers, offset = [], 0
    for entry in entries:
        headers.append(entry.central_header(offset))
        offset += len(headers[-1]) - _CENTRAL.size + _LOCAL.size + entry.length
    directory = b"".join(headers)
    count = len(entries)
    return directory + _END.pack(_END_MAGIC, 0, 0, count, count, len(directory), offset, 0)


def archive_pieces(entries: Sequence[Entry], bodies: Sequence[Blob]) -> Iterator[bytes]:
    """The archive from its first byte to its last; raises PayloadInvalid if a body is no longer what was measured."""
    for entry, body in zip(entries, bodies, strict=True):
        yield entry.local_header()
        if isinstance(body, bytes):
            yield body
            continue
        length, digest = 0, sha256()
        for piece in body.pieces():
            length += len(piece)
            digest.update(piece)
            yield piece
        if (length, digest.digest()) != (entry.length, entry.digest):
            raise PayloadInvalid("a file was changed while it was being sealed", name=entry.name)
    yield directory_of(entries)


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry as it was found: where its body begins, whether that is all zeros, and the body if it is held."""

    entry: Entry
    offset: int
    written: bool
    zeros: bool
    body: bytes | None = field(repr=False)


def read_archive(stream: IO[bytes], most: int, held: Mapping[str, int]) -> Iterator[FoundEntry]:
    """The stored entries from the first byte on, then a check that only their directory follows.

    ``held`` names the bodies to keep, each with its longest length. ``written`` says whether a local header
    is the one that an honest writer makes. Raises PayloadInvalid; whoever stops before the end has checked
    nothing of what follows.
    """
    entries: list[Entry] = []
    at = 0
    while (head := stream.read(_LOCAL.size)).startswith(_LOCAL_MAGIC):
        if len(entries) == most:
            raise PayloadInvalid("more entries than the container's directory may list")
        if len(head) < _LOCAL.size:
            raise PayloadInvalid("not a readable container")
        _, _, _, _, _, _, _, length, _, name_length, _ = _LOCAL.unpack(head)
        head += stream.read(name_length)
        at += len(head)
        found = _read_body(stream, head, at, length, held)
        if any(entry.name == found.entry.name for entry in entries):
            raise PayloadInvalid("a name occurs twice in the container")
        entries.append(found.entry)
        at += length
        yield found
    expected = directory_of(entries)
    if head + stream.read(max(len(expected) + 1 - len(head), 0)) != expected:
        raise PayloadInvalid("the container is not written in its one form")


def _read_body(
    stream: IO[bytes], head: bytes, offset: int, length: int, held: Mapping[str, int]
) -> FoundEntry:
    try:
        name = head[_LOCAL.size :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadInvalid("not a readable container") from error
    kept: list[bytes] | None = [] if length <= held.get(name, -1) else None
    crc, digest, zeros, left = 0, sha256(), True, length
    while left:
        piece = stream.read(min(left, PIECE_BYTES))
        if not piece:
            raise PayloadInvalid("the container ends inside an entry")
        crc, left = zlib.crc32(piece, crc), left - len(piece)
        digest.update(piece)
        zeros = zeros and piece == _ZEROS[: len(piece)]
        if kept is not None:
            kept.append(piece)
    entry = Entry(name, length, crc, digest.digest())
    body = None if kept is None else b"".join(kept)
    return FoundEntry(entry, offset, entry.local_header() == head, zeros, body)
