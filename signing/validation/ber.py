"""CMS as others encode it (BER, X.690 §8) brought into DER: definite lengths, whole octet strings, sorted sets.

Certificates, revocation values and the values of unsigned attributes carry signatures or are digested as they stand,
so those stay as they are wherever their own length is definite. What a signature covers is the DER of its attributes
(RFC 5652 §5.4), so those are encoded anew in all their depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from pki.asn1 import wrap

MAX_DEPTH = 32
MAX_ELEMENTS = 200_000
_CONSTRUCTED, _LONG_TAG, _INDEFINITE = 0x20, 0x1F, 0x80
_OCTETS, _OCTETS_IN_PARTS, _SEQUENCE, _SET = 0x04, 0x24, 0x30, 0x31
_FIRST, _SECOND = 0xA0, 0xA1
_SIGNED_DATA_PARTS = 4
_SIGNER_PARTS = 5


class NotBer(ValueError):
    """The bytes are not BER, or not of the expected structure."""


class TooComplex(NotBer):
    """Deeper or of more elements than is read."""


@dataclass(frozen=True, slots=True)
class _Element:
    """Where an element stands: its whole extent, its content, and its parts where its length is indefinite."""

    tag: int
    begin: int
    start: int
    stop: int
    next: int
    parts: tuple[_Element, ...] | None = None


def to_der(data: bytes) -> bytes:
    """The DER of a ContentInfo with SignedData; raises NotBer."""
    reader = _Reader(data)
    try:
        return reader.content_info()
    except IndexError as error:
        raise NotBer("the structure ends too early") from error


def elements(der: bytes) -> list[bytes]:
    """The parts of one constructed element, each as it stands; raises NotBer."""
    reader = _Reader(der)
    try:
        whole = reader.only(0)
        return [der[each.begin : each.next] for each in reader.inside(whole, 1)]
    except IndexError as error:
        raise NotBer("the structure ends too early") from error


def first_element(data: bytes) -> tuple[bytes, bytes]:
    """One element and what follows it; raises NotBer."""
    try:
        found = _Reader(data).element(0, len(data), 0)
    except IndexError as error:
        raise NotBer("the structure ends too early") from error
    return data[: found.next], data[found.next :]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MAX_ELEMENTS

    def content_info(self) -> bytes:
        kind, content = self._parts_of(self.only(0), _SEQUENCE, 1, 2)
        (signed,) = self._parts_of(content, _FIRST, 2, 1)
        return wrap(_SEQUENCE, self._deep(kind, 2), wrap(_FIRST, self._signed_data(signed)))

    def only(self, depth: int) -> _Element:
        found = self.element(0, len(self._data), depth)
        if found.next != len(self._data):
            _refuse("something follows the structure")
        return found

    def element(self, place: int, end: int, depth: int) -> _Element:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise TooComplex("deeper or of more elements than is read")
        tag = self._data[place]
        if tag & _LONG_TAG == _LONG_TAG:
            _refuse("a tag of several octets has no place here")
        start, stop = self._content(place + 1)
        if stop is None:
            return self._open_ended(tag, place, start, end, depth)
        if stop > end:
            _refuse("an element is longer than what holds it")
        return _Element(tag, place, start, stop, stop)

    def inside(self, whole: _Element, depth: int) -> tuple[_Element, ...]:
        if not whole.tag & _CONSTRUCTED:
            _refuse("an element has no parts")
        if whole.parts is not None:
            return whole.parts
        found, place = [], whole.start
        while place < whole.stop:
            found.append(self.element(place, whole.stop, depth))
            place = found[-1].next
        return tuple(found)

    def _content(self, place: int) -> tuple[int, int | None]:
        first = self._data[place]
        if first < _INDEFINITE:
            return place + 1, place + 1 + first
        if first == _INDEFINITE:
            return place + 1, None
        octets = first & 0x7F
        if octets > 8 or place + 1 + octets > len(self._data):
            _refuse("a length is of too many octets")
        start = place + 1 + octets
        return start, start + int.from_bytes(self._data[place + 1 : start], "big")

    def _open_ended(self, tag: int, begin: int, start: int, end: int, depth: int) -> _Element:
        if not tag & _CONSTRUCTED:
            _refuse("a primitive element of indefinite length")
        found, place = [], start
        while self._data[place : place + 2] != b"\x00\x00":
            if place >= end:
                _refuse("an indefinite length has no end")
            found.append(self.element(place, end, depth + 1))
            place = found[-1].next
        return _Element(tag, begin, start, place, place + 2, tuple(found))

    def _parts_of(self, whole: _Element, tag: int, depth: int, count: int) -> tuple[_Element, ...]:
        if whole.tag != tag:
            _refuse("an element of another type was expected")
        found = self.inside(whole, depth)
        if len(found) != count:
            _refuse("an element has other parts than expected")
        return found

    def _signed_data(self, whole: _Element) -> bytes:
        if whole.tag != _SEQUENCE:
            _refuse("no SignedData")
        parts = self.inside(whole, 3)
        if len(parts) < _SIGNED_DATA_PARTS:
            _refuse("SignedData lacks a part")
        written = [self._deep(each, 4) for each in parts[:3]]
        written += [self._set_as_it_stands(each) for each in parts[3:-1]]
        signers = [self._signer(each) for each in self.inside(parts[-1], 4)]
        return wrap(_SEQUENCE, *written, wrap(_SET, *sorted(signers)))

    def _set_as_it_stands(self, whole: _Element) -> bytes:
        """Certificates or revocation values."""
        if whole.tag not in (_FIRST, _SECOND):
            _refuse("SignedData has an unknown part")
        return wrap(whole.tag, *sorted(self._shallow(each) for each in self.inside(whole, 4)))

    def _signer(self, whole: _Element) -> bytes:
        parts = self.inside(whole, 5)
        if whole.tag != _SEQUENCE or len(parts) < _SIGNER_PARTS:
            _refuse("SignerInfo lacks a part")
        written = [self._deep(each, 6) for each in parts[:3]]
        for each in parts[3:]:
            if each.tag == _FIRST:
                written.append(
                    wrap(_FIRST, *sorted(self._deep(attribute, 7) for attribute in self.inside(each, 6)))
                )
            elif each.tag == _SECOND:
                written.append(
                    wrap(_SECOND, *sorted(self._unsigned(attribute) for attribute in self.inside(each, 6)))
                )
            else:
                written.append(self._deep(each, 6))
        return wrap(_SEQUENCE, *written)

    def _unsigned(self, whole: _Element) -> bytes:
        kind, values = self._parts_of(whole, _SEQUENCE, 7, 2)
        if values.tag != _SET:
            _refuse("an attribute has no set of values")
        kept = sorted(self._shallow(each) for each in self.inside(values, 8))
        return wrap(_SEQUENCE, self._deep(kind, 8), wrap(_SET, *kept))

    def _shallow(self, whole: _Element) -> bytes:
        """As it stands where its own length is as DER has it, else anew in all its depth."""
        written = self._data[whole.begin : whole.next]
        if whole.parts is None and wrap(whole.tag, self._data[whole.start : whole.stop]) == written:
            return written
        return self._deep(whole, 9)

    def _deep(self, whole: _Element, depth: int) -> bytes:
        if not whole.tag & _CONSTRUCTED:
            return wrap(whole.tag, self._data[whole.start : whole.stop])
        if whole.tag == _OCTETS_IN_PARTS:
            return wrap(_OCTETS, b"".join(self._octets(whole, depth)))
        parts = [self._deep(each, depth + 1) for each in self.inside(whole, depth + 1)]
        if whole.tag == _SET:
            parts.sort()
        return wrap(whole.tag, *parts)

    def _octets(self, whole: _Element, depth: int) -> list[bytes]:
        if whole.tag == _OCTETS:
            return [self._data[whole.start : whole.stop]]
        if whole.tag != _OCTETS_IN_PARTS:
            _refuse("an octet string of other parts")
        return [part for each in self.inside(whole, depth + 1) for part in self._octets(each, depth + 1)]


def _refuse(detail: str) -> NoReturn:
    raise NotBer(detail)
