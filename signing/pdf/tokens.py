"""One dictionary of a PDF file, token by token, with the place of every value (ISO 32000-2 §7.3).

For signature dictionaries alone: what a byte range leaves out has to be this dictionary's Contents and nothing else,
so it matters where a value stands and whether a key stands twice, which readers of objects do not tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_DEPTH = 16
MAX_TOKENS = 10_000
_SPACE = re.compile(rb"(?:[\x00\t\n\x0c\r ]+|%[^\r\n]*)*")
_HEADER = re.compile(rb"(\d{1,10})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+obj")
_TOKEN = re.compile(
    rb"(?P<open><<|\[)|(?P<close>>>|\])|(?P<hex><[0-9A-Fa-f\x00\t\n\x0c\r ]*>)"
    rb"|(?P<reference>\d{1,10}[\x00\t\n\x0c\r ]+\d{1,5}[\x00\t\n\x0c\r ]+R(?![^\x00\t\n\x0c\r ()<>\[\]{}/%]))"
    rb"|(?P<name>/[^\x00\t\n\x0c\r ()<>\[\]{}/%]*)|(?P<plain>[^\x00\t\n\x0c\r ()<>\[\]{}/%]+)"
)
_PIECE = re.compile(rb"[^()\\]+|\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)
_ESCAPES = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"b": b"\b",
    b"f": b"\f",
    b"\n": b"",
    b"\r": b"",
    b"\r\n": b"",
}
_CODE = re.compile(rb"#([0-9A-Fa-f]{2})")


class NotADictionary(ValueError):
    """There is no well-formed dictionary at that place."""


@dataclass(frozen=True, slots=True)
class Value:
    """``kind`` is ``hex``, ``string``, ``name``, ``reference``, ``plain``, ``array`` or ``dictionary``.

    ``data`` holds the bytes that a string means and the token of what is plain; ``parts`` what is in an array.
    """

    kind: str
    begin: int
    end: int
    data: bytes = b""
    parts: tuple[Value, ...] = ()
    entries: tuple[tuple[str, Value], ...] = ()

    @property
    def number(self) -> int | None:
        """The integer that it is, of at most twenty digits."""
        plain = self.kind == "plain" and re.fullmatch(rb"[+-]?\d{1,20}", self.data)
        return int(self.data) if plain else None


def read_dictionary(data: bytes, offset: int, idnum: int, generation: int) -> Value:
    """The dictionary that is the object of that number at ``offset``; raises NotADictionary."""
    header = _HEADER.match(data, offset)
    if header is None or (int(header[1]), int(header[2])) != (idnum, generation):
        raise NotADictionary("no object of that number is there")
    found = _Reader(data).value(header.end(), 0)
    if found.kind != "dictionary":
        raise NotADictionary("the object is no dictionary")
    return found


def read_value(data: bytes, place: int) -> Value:
    """Whatever value stands there; raises NotADictionary."""
    return _Reader(data).value(place, 0)


def is_short(data: bytes, offset: int, tokens: int, depth: int) -> bool:
    """Whether the object at ``offset`` is of at most that many tokens, to that depth; what has no form is not."""
    header = _HEADER.match(data, offset)
    if header is None:
        return False
    try:
        _Reader(data, tokens, depth).value(header.end(), 0)
    except NotADictionary:
        return False
    return True


def entry(dictionary: Value, name: str) -> Value | None:
    """The value of that key; the first, where it is repeated."""
    return next((value for key, value in dictionary.entries if key == name), None)


class _Reader:
    def __init__(self, data: bytes, tokens: int = MAX_TOKENS, depth: int = MAX_DEPTH) -> None:
        self._data, self._left, self._deepest = data, tokens, depth

    def value(self, place: int, depth: int) -> Value:
        self._left -= 1
        if self._left < 0 or depth > self._deepest:
            raise NotADictionary("the dictionary is too deep or too long")
        place = self._skip(place)
        if self._data[place : place + 1] == b"(":
            return self._string(place)
        found = _TOKEN.match(self._data, place)
        if found is None or found.lastgroup is None or found.lastgroup == "close":
            raise NotADictionary("a value was expected")
        if found.lastgroup == "open":
            whole = self._dictionary if found[0] == b"<<" else self._array
            return whole(place, found.end(), depth)
        return Value(found.lastgroup, place, found.end(), _meaning(found.lastgroup, found[0]))

    def _dictionary(self, begin: int, place: int, depth: int) -> Value:
        entries = []
        while not self._data.startswith(b">>", place := self._skip(place)):
            key = self.value(place, depth + 1)
            if key.kind != "name":
                raise NotADictionary("a key was expected")
            held = self.value(key.end, depth + 1)
            entries.append((key.data.decode("latin-1"), held))
            place = held.end
        return Value("dictionary", begin, place + 2, entries=tuple(entries))

    def _array(self, begin: int, place: int, depth: int) -> Value:
        parts = []
        while not self._data.startswith(b"]", place := self._skip(place)):
            parts.append(self.value(place, depth + 1))
            place = parts[-1].end
        return Value("array", begin, place + 1, parts=tuple(parts))

    def _string(self, begin: int) -> Value:
        depth, place = 1, begin + 1
        while depth:
            piece = _PIECE.match(self._data, place)
            if piece is None:
                raise NotADictionary("a string has no end")
            depth += {b"(": 1, b")": -1}.get(piece[0], 0)
            place = piece.end()
        return Value("string", begin, place, _ESCAPED.sub(_unescaped, self._data[begin + 1 : place - 1]))

    def _skip(self, place: int) -> int:
        found = _SPACE.match(self._data, place)
        return place if found is None else found.end()


def _meaning(kind: str, token: bytes) -> bytes:
    if kind == "hex":
        digits = token[1:-1].translate(None, b"\x00\t\n\x0c\r ")
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
    if kind == "name":
        return _CODE.sub(lambda code: bytes([int(code[1], 16)]), token)
    return token


def _unescaped(found: re.Match[bytes]) -> bytes:
    text = found[1]
    if text.isdigit() and text[0] in b"01234567":
        return bytes([int(text, 8) & 0xFF])
    return _ESCAPES.get(text, text)
