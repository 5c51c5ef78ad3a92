"""A ZIP file written in one order, with one date and without compression: the same members make the same bytes.

Content is a stream and is read once; what is taken over from another container keeps its packed bytes. No ZIP64: a
container ends below 4 GiB (PKWARE APPNOTE 6.3.10).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

from signing.ades.zip_members import (
    MAX_MEMBERS,
    STORED,
    Member,
    ZipMembers,
    folded,
    is_safe_name,
    too_complex,
    unreadable,
)

MAX_CONTAINER_BYTES = (4 << 30) - 1
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 20
_UTF8 = 0x800
# The first instant that the format can say: 1980-01-01, midnight.
_TIME, _DATE = 0, (1 << 5) | 1


class ZipWriting:
    """Writes members one after the other into a file that can be sought in; ``finish`` writes the directory."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._start = target.tell()
        self._written: list[Member] = []
        self._names: set[str] = set()
        self._at = 0

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        """A stored member; raises DocumentUnreadable for a name that is not safe or stands already."""
        crc, length, offset = 0, 0, self._at
        data_offset = self._head(Member(name, STORED, 0, 0, 0, offset, 0, False))
        for piece in pieces:
            crc, length = zlib.crc32(piece, crc), length + len(piece)
            self._put(piece)
        member = Member(name, STORED, crc, length, length, offset, data_offset, False)
        self._target.seek(self._start + offset)
        self._target.write(_local(member))
        self._target.seek(self._start + self._at)
        self._written.append(member)

    def copy(self, members: ZipMembers, member: Member, *, name: str | None = None) -> None:
        """A member of another container with its packed bytes, perhaps under another name."""
        copied = Member(
            name or member.name, member.method, member.crc, member.packed, member.length, self._at, 0, False
        )
        self._head(copied)
        for piece in members.packed_pieces(member):
            self._put(piece)
        self._written.append(copied)

    def finish(self) -> None:
        """Write the directory; nothing is added after it."""
        start = self._at
        for member in self._written:
            self._put(_central(member))
        count = len(self._written)
        self._put(_END.pack(b"PK\x05\x06", 0, 0, count, count, self._at - start, start, 0))
        self._target.flush()

    def _head(self, member: Member) -> int:
        if folded(member.name) in self._names or not is_safe_name(member.name):
            raise unreadable("a member's name is not safe, or stands twice", member=ascii(member.name))
        if len(self._names) >= MAX_MEMBERS:
            raise too_complex("too many members", "members", MAX_MEMBERS)
        self._names.add(folded(member.name))
        self._put(_local(member))
        return self._at

    def _put(self, piece: bytes) -> None:
        if self._at + len(piece) > MAX_CONTAINER_BYTES:
            raise too_complex("the container would be too long", "container-bytes", MAX_CONTAINER_BYTES)
        self._target.write(piece)
        self._at += len(piece)


def _flags(name: bytes) -> int:
    return 0 if name.isascii() else _UTF8


def _local(member: Member) -> bytes:
    name = member.name.encode()
    sizes = (member.crc, member.packed, member.length, len(name), 0)
    return _LOCAL.pack(b"PK\x03\x04", _VERSION, _flags(name), member.method, _TIME, _DATE, *sizes) + name


def _central(member: Member) -> bytes:
    name = member.name.encode()
    sizes = (member.crc, member.packed, member.length, len(name), 0, 0, 0, 0, 0, member.offset)
    head = (b"PK\x01\x02", _VERSION, _VERSION, _flags(name), member.method, _TIME, _DATE)
    return _CENTRAL.pack(*head, *sizes) + name
