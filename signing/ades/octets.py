"""Where elements of BER or DER begin and end, without reading what is in them (X.690 §8.1).

What others signed is kept octet for octet, so it is cut and joined, never decoded and written again. Tags of one
octet only: CMS has no others. Definite and indefinite lengths; bounded in depth and in the number of elements that
are met in all. Nothing is copied before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pki import asn1
from signing.errors import DocumentTooComplex, DocumentUnreadable

MAX_DEPTH = 32
MAX_ELEMENTS = 500_000
SEQUENCE, SET, OCTETS = 0x30, 0x31, 0x04
CONSTRUCTED = 0x20
_HIGH_TAG = 0x1F
_INDEFINITE = 0x80
_MAX_LENGTH_OCTETS = 5


class Budget:
    """How many elements may still be met; one for all that is read together."""

    def __init__(self, elements: int = MAX_ELEMENTS) -> None:
        self._left = elements

    def spend(self) -> None:
        """Raises DocumentTooComplex when there is nothing left."""
        self._left -= 1
        if self._left < 0:
            raise DocumentTooComplex("the signature holds too many elements", limit="elements")


@dataclass(frozen=True, slots=True)
class Element:
    """One element where it stands: ``start``, ``begin`` and ``end`` of its content, ``after`` it."""

    source: bytes
    start: int
    begin: int
    end: int
    after: int

    @property
    def tag(self) -> int:
        return self.source[self.start]

    @property
    def content(self) -> bytes:
        """The octets of the content."""
        return self.source[self.begin : self.end]

    @property
    def raw(self) -> bytes:
        """All of it as it came."""
        return self.source[self.start : self.after]


def element(data: bytes, tag: int | None = None, budget: Budget | None = None) -> Element:
    """The one element that ``data`` is, of that tag; raises DocumentUnreadable."""
    found = _at(data, 0, 0, budget or Budget())
    if found.after != len(data) or (tag is not None and data[0] != tag):
        raise unreadable()
    return found


def inside(found: Element, budget: Budget | None = None) -> tuple[Element, ...]:
    """All elements that stand one after the other in its content; raises DocumentUnreadable."""
    return tuple(_inside(found, 0, budget or Budget()))


def children(data: bytes, tag: int, budget: Budget | None = None) -> tuple[Element, ...]:
    """The elements inside the one element that ``data`` is."""
    return inside(element(data, tag, budget), budget)


def octets_of(found: Element, budget: Budget | None = None) -> bytes:
    """The value of an OCTET STRING, joined where it was written in pieces (X.690 §8.7.3)."""
    if found.tag == OCTETS:
        return found.content
    if found.tag != OCTETS | CONSTRUCTED:
        raise unreadable()
    pieces = inside(found, budget)
    if any(each.tag != OCTETS for each in pieces):
        raise unreadable()
    return b"".join(each.content for each in pieces)


def is_der(data: bytes, *, is_set: bool = False) -> bool:
    """Whether lengths are the shortest, nothing is in pieces and sets are sorted, all the way down (X.690 §10, §11.6).

    ``is_set`` for a set under a tag of its own. Raises DocumentUnreadable.
    """
    budget = Budget()
    return _is_der(element(data, None, budget), is_set, 0, budget)


def unreadable() -> DocumentUnreadable:
    """What is raised for octets that are no elements."""
    return DocumentUnreadable("not a well-formed signature", kind="cms")


def _is_der(found: Element, is_set: bool, depth: int, budget: Budget) -> bool:
    if asn1.wrap(found.tag, found.content) != found.raw or found.tag == OCTETS | CONSTRUCTED:
        return False
    if not found.tag & CONSTRUCTED:
        return True
    parts = tuple(_inside(found, depth + 1, budget))
    if is_set or found.tag == SET:
        written = [each.raw for each in parts]
        if written != sorted(written):
            return False
    return all(_is_der(each, False, depth + 1, budget) for each in parts)


def _inside(found: Element, depth: int, budget: Budget) -> Iterator[Element]:
    position = found.begin
    while position < found.end:
        each = _at(found.source, position, depth, budget)
        if each.after > found.end:
            raise unreadable()
        yield each
        position = each.after


def _at(data: bytes, start: int, depth: int, budget: Budget) -> Element:
    budget.spend()
    if depth > MAX_DEPTH:
        raise DocumentTooComplex("the signature nests too deep", limit="depth")
    if start + 2 > len(data) or data[start] & _HIGH_TAG == _HIGH_TAG:
        raise unreadable()
    if data[start + 1] == _INDEFINITE:
        return _indefinite(data, start, depth, budget)
    begin, length = _definite(data, start + 1)
    if begin + length > len(data):
        raise unreadable()
    return Element(data, start, begin, begin + length, begin + length)


def _definite(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < _INDEFINITE:
        return at + 1, first
    count = first & 0x7F
    if count > _MAX_LENGTH_OCTETS or at + 1 + count > len(data):
        raise unreadable()
    return at + 1 + count, int.from_bytes(data[at + 1 : at + 1 + count], "big")


def _indefinite(data: bytes, start: int, depth: int, budget: Budget) -> Element:
    if not data[start] & CONSTRUCTED:
        raise unreadable()
    position = start + 2
    while data[position : position + 2] != b"\x00\x00":
        position = _at(data, position, depth + 1, budget).after
    return Element(data, start, start + 2, position, position + 2)
