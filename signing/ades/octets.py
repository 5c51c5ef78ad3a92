"""Where elements of BER or DER begin and end, without reading what is in them (X.690 §8.1).

What others signed is kept octet for octet, so it is cut and joined, never decoded and written again. Tags of one
octet only: CMS has no others. Definite and indefinite lengths; bounded in depth and in the number of elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from signing.errors import DocumentTooComplex, DocumentUnreadable

MAX_DEPTH = 32
MAX_ELEMENTS = 200_000
SEQUENCE, SET, OCTETS, OBJECT_IDENTIFIER, INTEGER = 0x30, 0x31, 0x04, 0x06, 0x02
CONSTRUCTED = 0x20
_HIGH_TAG = 0x1F
_INDEFINITE = 0x80
_MAX_LENGTH_OCTETS = 5


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, the octets of its content, and all of it as it came."""

    tag: int
    content: bytes
    raw: bytes


class _Budget:
    """How many elements may still be met."""

    def __init__(self) -> None:
        self._left = MAX_ELEMENTS

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise DocumentTooComplex("the signature holds too many elements", limit="elements")


def element(data: bytes, tag: int | None = None) -> Element:
    """The one element that ``data`` is, of that tag; raises DocumentUnreadable."""
    begin, end, after = _span(data, 0, 0, _Budget())
    if after != len(data) or (tag is not None and data[0] != tag):
        raise _unreadable()
    return Element(data[0], data[begin:end], data)


def elements(content: bytes) -> tuple[Element, ...]:
    """All elements that stand one after the other in ``content``; raises DocumentUnreadable."""
    return tuple(_each(content))


def children(data: bytes, tag: int) -> tuple[Element, ...]:
    """The elements inside the one element that ``data`` is."""
    return elements(element(data, tag).content)


def octets_of(found: Element) -> bytes:
    """The value of an OCTET STRING, joined where it was written in pieces (X.690 §8.7.3)."""
    if found.tag == OCTETS:
        return found.content
    if found.tag != OCTETS | CONSTRUCTED:
        raise _unreadable()
    pieces = elements(found.content)
    if any(each.tag != OCTETS for each in pieces):
        raise _unreadable()
    return b"".join(each.content for each in pieces)


def _each(content: bytes) -> Iterator[Element]:
    position, budget = 0, _Budget()
    while position < len(content):
        begin, end, after = _span(content, position, 0, budget)
        yield Element(content[position], content[begin:end], content[position:after])
        position = after


def _span(data: bytes, start: int, depth: int, budget: _Budget) -> tuple[int, int, int]:
    """Where the content begins and ends, and where the next element begins."""
    budget.spend()
    if depth > MAX_DEPTH:
        raise DocumentTooComplex("the signature nests too deep", limit="depth")
    if start + 2 > len(data) or data[start] & _HIGH_TAG == _HIGH_TAG:
        raise _unreadable()
    if data[start + 1] == _INDEFINITE:
        return _indefinite(data, start, depth, budget)
    begin, length = _definite(data, start + 1)
    if begin + length > len(data):
        raise _unreadable()
    return begin, begin + length, begin + length


def _definite(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < _INDEFINITE:
        return at + 1, first
    count = first & 0x7F
    if count > _MAX_LENGTH_OCTETS or at + 1 + count > len(data):
        raise _unreadable()
    return at + 1 + count, int.from_bytes(data[at + 1 : at + 1 + count], "big")


def _indefinite(data: bytes, start: int, depth: int, budget: _Budget) -> tuple[int, int, int]:
    if not data[start] & CONSTRUCTED:
        raise _unreadable()
    position = start + 2
    while data[position : position + 2] != b"\x00\x00":
        position = _span(data, position, depth + 1, budget)[2]
    return start + 2, position, position + 2


def _unreadable() -> DocumentUnreadable:
    return DocumentUnreadable("not a well-formed signature", kind="cms")
