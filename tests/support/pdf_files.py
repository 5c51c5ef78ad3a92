"""PDF files made by hand, object by object: what no good writer makes, and what is appended to a signed one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

Objects = Mapping[int, bytes]
_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents %d 0 R/Resources<</Font<</F1 5 0 R>>>>%b>>"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object's body."""
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (entries, len(content), content)


def packed(content: bytes, entries: bytes = b"") -> bytes:
    """The same, compressed."""
    return stream(zlib.compress(content, 9), entries + b"/Filter/FlateDecode")


def plain_objects(*, page: bytes = b"", catalog: bytes = b"") -> dict[int, bytes]:
    """Catalog 1, page tree 2, page 3, its content 4, its font 5; ``page`` and ``catalog`` are more entries."""
    return {
        1: b"<</Type/Catalog/Pages 2 0 R%b>>" % catalog,
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: _PAGE % (4, page),
        4: stream(b"BT /F1 12 Tf 20 200 Td (pay 100) Tj ET"),
        5: _FONT,
    }


def many_pages(count: int) -> dict[int, bytes]:
    """A flat tree of that many pages, each with a content of its own."""
    objects = plain_objects()
    numbers = range(10, 10 + 2 * count, 2)
    objects[2] = b"<</Type/Pages/Kids[%b]/Count %d>>" % (
        b" ".join(b"%d 0 R" % each for each in numbers),
        count,
    )
    for number in numbers:
        objects[number] = _PAGE % (number + 1, b"")
        objects[number + 1] = stream(b"BT ET")
    return objects


def make_pdf(objects: Objects, *, trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A whole file with a table of cross-references."""
    return _written(b"%PDF-1.7\n", objects, b"%b/ID[<00><00>]" % trailer, max(objects) + 1)


def append(
    pdf: bytes, objects: Objects, *, trailer: bytes | None = None, freed: tuple[int, ...] = ()
) -> bytes:
    """An incremental update; the trailer's Root is the document's unless another is given."""
    root = re.findall(rb"/Root (\d+) 0 R", pdf)[-1]
    size = max([int(each) for each in re.findall(rb"/Size (\d+)", pdf)] + [each + 1 for each in objects])
    written = trailer or b"/Root %b 0 R/ID[<00><01>]" % root
    return _written(pdf + b"\n", objects, b"%b/Prev %d" % (written, start_of_references(pdf)), size, freed)


def start_of_references(pdf: bytes) -> int:
    """What the last startxref says."""
    return int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])


def body_of(pdf: bytes, number: int) -> bytes:
    """What stands in the last object of that number."""
    found = re.findall(rb"(?:^|[\r\n ])%d 0 obj\s*(.*?)\s*endobj" % number, pdf, re.DOTALL)
    return bytes(found[-1])


def _written(
    before: bytes, objects: Objects, trailer: bytes, size: int, freed: tuple[int, ...] = ()
) -> bytes:
    out, lines = bytearray(before), dict.fromkeys(freed, b"0000000000 00001 f\r\n")
    for number in sorted(objects):
        lines[number] = b"%010d 00000 n\r\n" % len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, objects[number])
    place = len(out)
    out += b"xref\n0 1\n0000000000 65535 f\r\n"
    for number in sorted(lines):
        out += b"%d 1\n%b" % (number, lines[number])
    out += b"trailer\n<</Size %d%b>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, place)
    return bytes(out)
