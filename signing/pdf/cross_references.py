"""How much the cross-references of a PDF announce, before anything is made of them (ISO 32000-2 §7.5.4, §7.5.8).

A few bytes can announce milliards of objects of no width at all, or point back to themselves; what reads them for real
would not come back.
"""

from __future__ import annotations

import re
from typing import NoReturn

from signing.errors import DocumentTooComplex, DocumentUnreadable
from signing.pdf.tokens import Value, entry, read_value

_START = re.compile(rb"startxref[\x00\t\n\x0c\r ]*(\d{1,12})[\x00\t\n\x0c\r ]*%%EOF")
_TABLE = re.compile(rb"[\x00\t\n\x0c\r ]*xref\b")
_STREAM = re.compile(rb"[\x00\t\n\x0c\r ]*\d{1,10}[\x00\t\n\x0c\r ]+\d{1,5}[\x00\t\n\x0c\r ]+obj")
_SHORTEST_LINE = 18
_TAIL = 2048
# Wider ones are not read by every program, and who does not read them looks for objects all over the file.
_WIDEST = (4, 8, 4)
_SUBSECTION = re.compile(rb"[\x00\t\n\x0c\r ]*(\d{1,10}) +(\d{1,10})[\x00\t\n\x0c\r ]+")
_LINE = 20


def check_cross_references(data: bytes, max_sections: int, max_entries: int) -> None:
    """Raises DocumentUnreadable and DocumentTooComplex."""
    if re.match(rb"%PDF-\d\.\d", data) is None:
        _refuse("the file does not begin as a PDF")
    found = list(_START.finditer(data, max(0, len(data) - _TAIL)))
    if not found:
        _refuse("the file does not end as a PDF")
    waiting, seen, entries = [(int(found[-1][1]), False)], set[int](), 0
    while waiting:
        place, beside = waiting.pop()
        if place in seen:
            _refuse("the cross-references lead back to themselves")
        seen.add(place)
        announced, more = _section(data, place, beside)
        entries += announced
        if len(seen) > max_sections:
            raise DocumentTooComplex("the document has more revisions than are read", limit="revisions")
        if entries > max_entries:
            raise DocumentTooComplex("the document has more objects than are read", limit="objects")
        waiting += more


def _section(data: bytes, place: int, beside: bool) -> tuple[int, list[tuple[int, bool]]]:
    """How many entries it announces, and where the sections are that it names.

    One ``beside`` a table (XRefStm) is read with that table, which alone says what came before (§7.5.8.4).
    """
    if not beside and _TABLE.match(data, place):
        trailer = data.find(b"trailer", place)
        if trailer < 0:
            _refuse("a table of cross-references has no trailer")
        described = read_value(data, trailer + len(b"trailer"))
        _check_table(data[place:trailer])
        named = [(each, True) for each in _named(described, "/XRefStm")]
        named += [(each, False) for each in _named(described, "/Prev")]
        return (trailer - place) // _SHORTEST_LINE, named
    header = _STREAM.match(data, place)
    if header is None:
        _refuse("there are no cross-references where they should be")
    described = read_value(data, header.end())
    before = [] if beside else _named(described, "/Prev")
    return _announced(described), [(each, False) for each in before]


def _announced(stream: Value) -> int:
    widths, index, size = (entry(stream, name) for name in ("/W", "/Index", "/Size"))
    found = [] if widths is None else [each.number for each in widths.parts]
    wide = [each for each in found if each is not None and each >= 0]
    if len(wide) != 3 or len(found) != 3 or not any(wide):
        _refuse("a cross-reference stream has no widths")
    if any(each > most for each, most in zip(wide, _WIDEST, strict=True)):
        _refuse("a cross-reference stream has wider entries than every program reads")
    counts = (
        [None if size is None else size.number]
        if index is None
        else [each.number for each in index.parts[1::2]]
    )
    if any(each is None or each < 0 for each in counts):
        _refuse("a cross-reference stream does not say how long it is")
    if index is not None:
        firsts = [each.number for each in index.parts[::2]]
        _check_apart([(first or 0, count or 0) for first, count in zip(firsts, counts, strict=True)])
    return sum(each or 0 for each in counts)


def _check_table(table: bytes) -> None:
    """Lines of 20 octets in subsections (ISO 32000-1 §7.5.4) that name no object twice."""
    place, sections = table.find(b"xref") + len(b"xref"), list[tuple[int, int]]()
    while (found := _SUBSECTION.match(table, place)) is not None:
        sections.append((int(found[1]), int(found[2])))
        place = found.end() + int(found[2]) * _LINE
    if table[place:].strip():
        _refuse("the table of cross-references is not in lines of 20 octets")
    _check_apart(sections)


def _check_apart(sections: list[tuple[int, int]]) -> None:
    # Of two entries for one object some programs take the first and some the last.
    end = 0
    for first, count in sorted(sections):
        if count and first < end:
            _refuse("the cross-references name an object twice in one section")
        end = max(end, first + count)


def _named(described: Value, name: str) -> list[int]:
    found = entry(described, name)
    if found is None:
        return []
    if found.number is None or found.number < 0:
        _refuse("the cross-references name a place that is none")
    return [found.number]


def _refuse(detail: str) -> NoReturn:
    raise DocumentUnreadable(detail, kind="pdf")
