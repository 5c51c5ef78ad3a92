"""Indirect objects in the plainest spelling, read at once; whatever is spelled otherwise is left to the library.

The library reads octet by octet, and most objects of most files are dictionaries of names, numbers and references.
What is read here is equal to what the library makes of it, which a test compares object by object; an escape, a
comment, a stream, a name that is there twice, or anything unexpected is not read here at all.
"""

from __future__ import annotations

import re

from pyhanko.pdf_utils import generic

_SPACE = rb"[ \r\n\t\f\x00]*"
_HEADER = re.compile(rb"(\d{1,10}) (\d{1,5}) obj" + _SPACE)
_ENDS = re.compile(_SPACE + rb"endobj\b")
_AFTER = rb"(?=[ \r\n\t\f\x00()<>\[\]{}/%])"
_TOKEN = re.compile(
    _SPACE
    + rb"(?:(/[!\"$&'*+,\-.0-9:;=?@A-Z\\^_`a-z|~]+)"
    + _AFTER
    + rb"|([1-9]\d{0,9}) (\d{1,5}) R"
    + _AFTER
    + rb"|([+-]?\d{1,18})"
    + _AFTER
    + rb"|([+-]?\d{0,18}\.\d{1,18})"
    + _AFTER
    + rb"|(<<)|(>>)|(\[)|(\])|\(([^()\\]*)\)|<([0-9A-Fa-f]*)>|(true|false|null)"
    + _AFTER
    + rb")"
)
_NAME, _ID, _GENERATION, _WHOLE, _BROKEN, _OPEN, _CLOSE, _BEGIN, _END, _TEXT, _HEX, _WORD = range(1, 13)
# An integer before this may be the beginning of a reference in an unusual spelling.
_MAYBE_REFERENCE = re.compile(rb"[ \r\n\t\f\x00]+\d+[ \r\n\t\f\x00]+R")
# Octets that are the same in the encoding of PDF as in ASCII.
_PRINTABLE = re.compile(rb"[ -~]*")
MAX_DEPTH = 50
Way = tuple[str | int, ...]
Reach = tuple[Way, int]
# Of five digits; an object's number and its generation make one integer, which is found faster than a reference.
_GENERATION_BITS = 17


class _NotPlain(Exception):
    """To be left to the library."""


class _Frame:
    """An array or dictionary that is being read; ``key`` waits for its value."""

    __slots__ = ("items", "key", "values")

    def __init__(self, is_array: bool) -> None:
        self.items: dict[generic.NameObject, generic.PdfObject] | None = None if is_array else {}
        self.values: list[generic.PdfObject] = []
        self.key: generic.NameObject | None = None

    def take(self, value: generic.PdfObject) -> None:
        if self.items is None:
            self.values.append(value)
        elif self.key is not None:
            self.items[self.key] = value
            self.key = None
        else:
            raise _NotPlain

    def begin(self, name: bytes) -> None:
        key = generic.NameObject(name.decode("ascii"))
        if self.items is None or key in self.items:
            raise _NotPlain
        self.key = key


def read_plain(data: bytes, place: int, reference: generic.Reference) -> generic.PdfObject | None:
    """The object at that place; None where it is not spelled plainly, is a stream or is not the one expected."""
    header = _HEADER.match(data, place)
    if header is None or (int(header[1]), int(header[2])) != (reference.idnum, reference.generation):
        return None
    try:
        found, end = _read(data, header.end(), reference)
    except _NotPlain:
        return None
    return found if _ENDS.match(data, end) is not None else None


def number_of(reference: generic.Reference) -> int:
    """One integer for a reference; raises ValueError for a generation that no PDF has, so that no two are one."""
    if not 0 <= reference.generation < 1 << _GENERATION_BITS:
        raise ValueError("a reference has a generation that is none")
    return int(reference.idnum) << _GENERATION_BITS | int(reference.generation)


def reference_of(number: int, handler: object = None) -> generic.Reference:
    """The reference that ``number_of`` made one integer."""
    return generic.Reference(number >> _GENERATION_BITS, number & (1 << _GENERATION_BITS) - 1, handler)


def ways_in_plain(data: bytes, place: int, reference: generic.Reference) -> tuple[Reach, ...] | None:
    """The references within the object at that place and the way to each, but for those to its parent; the last first.

    None where ``read_plain`` gives None. Safe as a short cut: it refuses what that refuses, by the same tokens in the
    same order, and only makes no objects of what is no reference; a test compares the two on generated objects.
    """
    header = _HEADER.match(data, place)
    if header is None or (int(header[1]), int(header[2])) != (reference.idnum, reference.generation):
        return None
    try:
        found, end = _ways(data, header.end())
    except _NotPlain:
        return None
    return tuple(reversed(found)) if _ENDS.match(data, end) is not None else None


def _ways(data: bytes, place: int) -> tuple[list[Reach], int]:
    """``level`` is the container being read: its way (None below a parent), its keys (None in an array), its step."""
    found: list[Reach] = []
    outer: list[_Level] = []
    level: _Level | None = None
    match = _TOKEN.match
    while True:
        token = match(data, place)
        if token is None:
            raise _NotPlain
        place, kind = token.end(), token.lastindex
        if kind == _NAME and level is not None and level.keys is not None and level.key is None:
            level.begin(token[_NAME])
            continue
        if kind in (_OPEN, _BEGIN):
            if len(outer) >= MAX_DEPTH:
                raise _NotPlain
            level = _Level(() if level is None else level.way_on(), kind == _BEGIN)
            outer.append(level)
            continue
        if kind in (_CLOSE, _END):
            level = _left(outer, kind)
        elif kind == _GENERATION:
            way = () if level is None else level.way_on()
            if way is not None:
                found.append((way, int(token[_ID]) << _GENERATION_BITS | int(token[_GENERATION])))
        elif kind == _WHOLE and _MAYBE_REFERENCE.match(data, place) is not None:
            raise _NotPlain
        if level is None:
            return found, place
        level.taken()


def _left(outer: list[_Level], kind: int | None) -> _Level | None:
    if not outer or (outer[-1].keys is None) != (kind == _END) or outer[-1].key is not None:
        raise _NotPlain
    outer.pop()
    return outer[-1] if outer else None


class _Level:
    """An array or dictionary whose references are looked for."""

    __slots__ = ("index", "key", "keys", "way")

    def __init__(self, way: Way | None, is_array: bool) -> None:
        self.way = way
        self.keys: set[bytes] | None = None if is_array else set()
        self.key: bytes | None = None
        self.index = 0

    def begin(self, name: bytes) -> None:
        if self.keys is None or name in self.keys:
            raise _NotPlain
        self.keys.add(name)
        self.key = name

    def way_on(self) -> Way | None:
        """The way to the value that comes now; None where nobody walks it."""
        if self.way is None or self.key == b"/Parent":
            return None
        return (*self.way, self.index if self.key is None else self.key.decode("ascii"))

    def taken(self) -> None:
        """A value is there; in a dictionary a key has to be before it."""
        if self.keys is None:
            self.index += 1
        elif self.key is None:
            raise _NotPlain
        else:
            self.key = None


def _read(data: bytes, place: int, container: generic.Reference) -> tuple[generic.PdfObject, int]:
    frames: list[_Frame] = []
    frame: _Frame | None = None
    match = _TOKEN.match
    while True:
        token = match(data, place)
        if token is None:
            raise _NotPlain
        place, kind = token.end(), token.lastindex
        if kind == _NAME and frame is not None and frame.items is not None and frame.key is None:
            frame.begin(token[_NAME])  # a key, of which the library does not say where it is
            continue
        if kind in (_OPEN, _BEGIN):
            if len(frames) >= MAX_DEPTH:
                raise _NotPlain
            frame = _Frame(kind == _BEGIN)
            frames.append(frame)
            continue
        if kind in (_CLOSE, _END):
            value = _closed(frames, kind)
            frame = frames[-1] if frames else None
        else:
            value = _atom(token, kind, data, container)
        value.container_ref = container
        if frame is None:
            return value, place
        frame.take(value)


def _closed(frames: list[_Frame], kind: int | None) -> generic.PdfObject:
    if not frames:
        raise _NotPlain
    frame = frames.pop()
    if frame.items is None and kind == _END:
        return generic.ArrayObject(frame.values)
    if frame.items is not None and kind == _CLOSE and frame.key is None:
        return generic.DictionaryObject(frame.items)
    raise _NotPlain


def _atom(
    token: re.Match[bytes], kind: int | None, data: bytes, container: generic.Reference
) -> generic.PdfObject:
    if kind == _NAME:
        return generic.NameObject(token[_NAME].decode("ascii"))
    if kind == _GENERATION:
        return generic.IndirectObject(int(token[_ID]), int(token[_GENERATION]), container.get_pdf_handler())
    if kind == _WHOLE:
        if _MAYBE_REFERENCE.match(data, token.end()) is not None:
            raise _NotPlain
        return generic.NumberObject(token[_WHOLE].decode("ascii"))
    if kind == _BROKEN:
        return generic.FloatObject(token[_BROKEN].decode("ascii"))
    if kind in (_TEXT, _HEX):
        return _string(token[_TEXT] if kind == _TEXT else _octets(token[_HEX]))
    word = token[_WORD]
    return generic.NullObject() if word == b"null" else generic.BooleanObject(word == b"true")


def _string(octets: bytes) -> generic.PdfObject:
    if not _PRINTABLE.fullmatch(octets):
        return generic.pdf_string(octets)
    text = generic.TextStringObject(octets.decode("ascii"))
    text.autodetected_encoding = generic.TextStringEncoding.PDF_DOC
    return text


def _octets(digits: bytes) -> bytes:
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
