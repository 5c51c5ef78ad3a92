"""Members of a ZIP file, read strictly: what another reader might see otherwise is refused.

The central directory is the only truth, and each local record has to say the same. Records follow one another from
the first byte to the directory, and the end of the directory is the end of the file: nothing stands before, between,
under or after them. Only stored and deflated members, without encryption, on one disk, without ZIP64 (PKWARE
APPNOTE 6.3.10). A member's content is a stream that stops at the length it states and is checked by its CRC.
"""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable

STORED, DEFLATED = 0, 8
MAX_MEMBERS = 2_000
MAX_NAME_BYTES = 512
MAX_UNPACKED_BYTES = 4 << 30
MAX_RATIO = 100
RATIO_COUNTS_FROM = 1 << 20
# Of all members together, beyond that many bytes.
MAX_WHOLE_RATIO = 10
WHOLE_RATIO_COUNTS_FROM = 256 << 20
PIECE = 1 << 18
COMMENT = b"mimetype="

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _DESCRIPTOR, _PATCHED, _STRONG, _MASKED = 0x1, 0x8, 0x20, 0x40, 0x2000
_UNKNOWN = 0xFFFFFFFF
# ZIP64, and the Unicode path of Info-ZIP.
_OTHERWISE = (0x0001, 0x7075)
# Joiners belong to Persian words; of invisible characters no others are needed in a name.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Member:
    """``offset`` is where its record begins, ``data_offset`` where its packed bytes do."""

    name: str
    method: int
    crc: int
    packed: int
    length: int
    offset: int
    data_offset: int
    has_extra: bool


class ZipMembers:
    """The members of a file that can be sought in; the file stays the caller's. ``size`` is its length."""

    def __init__(self, source: BinaryIO) -> None:
        """Raises DocumentUnreadable, DocumentEncrypted or DocumentTooComplex."""
        self._source = source
        self.size = source.seek(0, 2)
        start, count, length, self.comment = self._end()
        entries = self._directory(start, count, length)
        self.members: tuple[Member, ...] = tuple(self._records(entries, start))
        self._by_name = {each.name: each for each in self.members}
        _check_names([each.name for each in self.members])
        _check_lengths(self.members)

    def find(self, name: str) -> Member | None:
        """The member of exactly that name."""
        return self._by_name.get(name)

    @property
    def files(self) -> list[Member]:
        """All but folders, in the order of the file."""
        return [each for each in self.members if not each.name.endswith("/")]

    def packed_pieces(self, member: Member) -> Iterator[bytes]:
        """Its bytes as they stand in the file."""
        at, left = member.data_offset, member.packed
        while left:
            self._source.seek(at)
            piece = self._source.read(min(PIECE, left))
            if not piece:
                raise unreadable("a member is cut short", member=member.name)
            at, left = at + len(piece), left - len(piece)
            yield piece

    def pieces(self, member: Member) -> Iterator[bytes]:
        """Its content, in pieces; raises DocumentUnreadable if length or CRC are other than stated."""
        crc, seen = 0, 0
        for piece in self._unpacked(member):
            crc, seen = zlib.crc32(piece, crc), seen + len(piece)
            if seen > member.length:
                raise unreadable("a member is longer than it states", member=member.name)
            yield piece
        if (seen, crc) != (member.length, member.crc):
            raise unreadable("a member has another length or CRC than it states", member=member.name)

    def read(self, member: Member, *, limit: int) -> bytes:
        """The whole content of a small member; raises DocumentTooComplex beyond ``limit`` bytes."""
        if member.length > limit:
            raise too_complex("a member is too long", "member-bytes", limit, member=member.name)
        return b"".join(self.pieces(member))

    def _unpacked(self, member: Member) -> Iterator[bytes]:
        if member.method == STORED:
            yield from self.packed_pieces(member)
            return
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self.packed_pieces(member):
                while packed:
                    yield inflater.decompress(packed, PIECE)
                    packed = inflater.unconsumed_tail
            yield inflater.flush(PIECE)
        except zlib.error as error:
            raise unreadable("a member cannot be unpacked", member=member.name) from error
        if not inflater.eof or inflater.unused_data:
            raise unreadable("a member ends before or after its packed bytes", member=member.name)

    def _end(self) -> tuple[int, int, int, bytes]:
        tail_length = min(self.size, _END.size + 0xFFFF)
        self._source.seek(self.size - tail_length)
        tail = self._source.read(tail_length)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise unreadable("not a ZIP file")
        _, disk, first, here, count, length, start, comment = _END.unpack_from(tail, at)
        if disk or first or here != count:
            raise unreadable("a ZIP file in several parts is not read")
        if count == 0xFFFF or _UNKNOWN in (length, start) or start + length != self.size - len(tail) + at:
            raise unreadable("the directory of the ZIP file does not end where its end record stands")
        if at + _END.size + comment != len(tail):
            raise unreadable("data stands after the end of the ZIP file")
        if not count <= MAX_MEMBERS:
            raise too_complex("too many members", "members", MAX_MEMBERS)
        return start, count, length, tail[at + _END.size :]

    def _directory(self, start: int, count: int, length: int) -> list[tuple[Member, int]]:
        if length > count * (_CENTRAL.size + MAX_NAME_BYTES + 1024):
            raise too_complex("the directory is too long", "directory-bytes", length)
        self._source.seek(start)
        data, at, found = self._source.read(length), 0, []
        for _ in range(count):
            if len(data) - at < _CENTRAL.size or data[at : at + 4] != b"PK\x01\x02":
                raise unreadable("the directory of the ZIP file is damaged")
            fields = _CENTRAL.unpack_from(data, at)
            name_length, extra_length, comment_length = fields[10:13]
            name = data[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
            extra_at = at + _CENTRAL.size + name_length
            _check_extra(data[extra_at : extra_at + extra_length])
            found.append((_listed(fields, name), fields[3]))
            at += _CENTRAL.size + name_length + extra_length + comment_length
        if at != len(data):
            raise unreadable("the directory of the ZIP file has another length than it states")
        return found

    def _records(self, entries: list[tuple[Member, int]], start: int) -> Iterator[Member]:
        """In the order of the file."""
        ordered = sorted(entries, key=lambda entry: entry[0].offset)
        ends = [entry.offset for entry, _ in ordered[1:]] + [start]
        if not ordered or ordered[0][0].offset != 0:
            raise unreadable("there is no member, or data stands before the first")
        for (listed, flags), end in zip(ordered, ends, strict=True):
            yield self._record(listed, flags, end)

    def _record(self, listed: Member, flags: int, end: int) -> Member:
        self._source.seek(listed.offset)
        head = self._source.read(_LOCAL.size)
        if len(head) != _LOCAL.size or head[:4] != b"PK\x03\x04":
            raise unreadable("a member has no record", member=listed.name)
        fields = _LOCAL.unpack(head)
        name_length, extra_length = fields[9:11]
        name = self._source.read(name_length)
        _check_extra(self._source.read(extra_length))
        same = (fields[2], fields[3], _name(name)) == (flags, listed.method, listed.name)
        stated = fields[6:9]
        if not same or (stated != (listed.crc, listed.packed, listed.length) and not flags & _DESCRIPTOR):
            raise unreadable("a member's record says otherwise than the directory", member=listed.name)
        data_offset = listed.offset + _LOCAL.size + name_length + extra_length
        self._check_rest(listed, flags, data_offset + listed.packed, end)
        return Member(
            listed.name,
            listed.method,
            listed.crc,
            listed.packed,
            listed.length,
            listed.offset,
            data_offset,
            bool(extra_length),
        )

    def _check_rest(self, listed: Member, flags: int, at: int, end: int) -> None:
        """Between the packed bytes and the next record there is nothing, or a descriptor that says the same."""
        descriptor = struct.pack("<3L", listed.crc, listed.packed, listed.length)
        allowed = {b""} if not flags & _DESCRIPTOR else {descriptor, b"PK\x07\x08" + descriptor}
        if 0 <= end - at <= 16:
            self._source.seek(at)
            if self._source.read(end - at) in allowed:
                return
        raise unreadable("members overlap, or data stands between them", member=listed.name)


def unreadable(detail: str, **fields: str) -> DocumentUnreadable:
    """The refusal of a container that cannot be read."""
    return DocumentUnreadable(detail, kind="asice", **fields)


def too_complex(detail: str, limit: str, value: int, **fields: str) -> DocumentTooComplex:
    """The refusal of a container beyond a limit."""
    return DocumentTooComplex(detail, kind="asice", limit=limit, value=value, **fields)


def is_safe_name(name: str) -> bool:
    """Whether a name stays below the folder it is unpacked in, and is read by people as it is by programs."""
    parts = name.removesuffix("/").split("/")
    plain = not any(
        char in "\\:"
        or (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _JOINERS)
        for char in name
    )
    return plain and all(part.strip(" .") for part in parts) and len(name.encode()) <= MAX_NAME_BYTES


def folded(name: str) -> str:
    """A name as the least careful file system compares it."""
    return unicodedata.normalize("NFKC", name).casefold().rstrip("/")


def _listed(fields: Sequence[int], name: bytes) -> Member:
    flags, method, crc, packed, length = fields[3], fields[4], fields[7], fields[8], fields[9]
    disk, offset = fields[13], fields[16]
    read = _name(name)
    if flags & (_ENCRYPTED | _STRONG | _MASKED):
        raise DocumentEncrypted("a member is encrypted", kind="asice", member=read)
    if disk or flags & _PATCHED or method not in (STORED, DEFLATED) or _UNKNOWN in (packed, length, offset):
        raise unreadable("a member is packed in a way that is not read", member=read)
    if method == STORED and packed != length:
        raise unreadable("a stored member has two lengths", member=read)
    return Member(read, method, crc, packed, length, offset, 0, False)


def _check_extra(extra: bytes) -> None:
    """No field that gives a member a second name or length."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind in _OTHERWISE:
            raise unreadable("a member states a second name or length")
        at += 4 + length


def _name(raw: bytes) -> str:
    if len(raw) > MAX_NAME_BYTES:
        raise too_complex("the name of a member is too long", "name-bytes", MAX_NAME_BYTES)
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise unreadable("the name of a member is not UTF-8") from error
    if not is_safe_name(name):
        raise unreadable("a member's name leads out of the container or cannot be shown", member=ascii(name))
    return name


def _check_names(names: Sequence[str]) -> None:
    """Names that one file system or another takes for the same are the same."""
    if len({folded(name) for name in names}) != len(names):
        raise unreadable("two members have the same name")


def _check_lengths(members: Sequence[Member]) -> None:
    whole, packed = sum(each.length for each in members), sum(each.packed for each in members)
    if whole > min(MAX_UNPACKED_BYTES, WHOLE_RATIO_COUNTS_FROM + packed * MAX_WHOLE_RATIO):
        raise too_complex("the members are too long together", "unpacked-bytes", MAX_UNPACKED_BYTES)
    for each in members:
        if each.length > RATIO_COUNTS_FROM and each.length > each.packed * MAX_RATIO:
            raise too_complex("a member is packed too tightly", "ratio", MAX_RATIO, member=each.name)
