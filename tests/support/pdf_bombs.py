"""Files that are small and would take all the time or memory there is, or are broken in one way each."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.pdf_files import make_pdf, packed, plain_objects, start_of_references

_MIB = 1 << 20
_SIZE = 100


def with_stream_of_references(
    entries: bytes, content: bytes, *, objects: dict[int, bytes] | None = None
) -> bytes:
    """A file whose cross-references are one stream, object 90, with those entries."""
    out = bytearray(b"%PDF-1.7\n")
    for number, body in (objects or plain_objects()).items():
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    place = len(out)
    out += b"90 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (
        packed(content, b"/Type/XRef/Root 1 0 R%b" % entries),
        place,
    )
    return bytes(out)


def with_object_stream(inside: bytes, first: int, count: int) -> bytes:
    """A file whose catalog's form stands in an object stream, object 80, that unpacks to ``inside``."""
    objects = plain_objects(catalog=b"/AcroForm 7 0 R")
    objects[80] = packed(inside, b"/Type/ObjStm/N %d/First %d" % (count, first))
    out, places = bytearray(b"%PDF-1.7\n"), {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    places[90] = len(out)
    rows = b"".join(_row(number, places) for number in range(_SIZE))
    entries = b"/Type/XRef/Root 1 0 R/Size %d/W[1 4 2]" % _SIZE
    out += b"90 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (packed(rows, entries), places[90])
    return bytes(out)


def _row(number: int, places: dict[int, int]) -> bytes:
    if number == 7:
        return b"\x02" + (80).to_bytes(4, "big") + b"\x00\x00"
    if number in places:
        return b"\x01" + places[number].to_bytes(4, "big") + b"\x00\x00"
    return b"\x00" * 5 + b"\xff\xff"


def looped() -> bytes:
    """Cross-references whose Prev is their own place."""
    pdf = make_pdf(plain_objects())
    place = start_of_references(pdf)
    return pdf.replace(b"/ID[<00><00>]", b"/ID[<00><00>]/Prev %d" % place)


def ladder(steps: int) -> dict[int, bytes]:
    """Objects each of which names the next one twice: two to the power of ``steps`` ways to the last."""
    objects = plain_objects(catalog=b"/Ladder 20 0 R")
    for number in range(20, 20 + steps):
        objects[number] = b"[%d 0 R %d 0 R]" % (number + 1, number + 1)
    objects[20 + steps] = b"[]"
    return objects


def nested(depth: int) -> dict[int, bytes]:
    """Arrays in arrays, to that depth."""
    return plain_objects(catalog=b"/AcroForm 6 0 R") | {6: b"[" * depth + b"]" * depth}


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "references of no width": (
        lambda: with_stream_of_references(b"/Size 10/W[0 0 0]/Index[0 999999999999]", b""),
        "document-unreadable",
    ),
    "milliards of references": (
        lambda: with_stream_of_references(b"/Size 10/W[1 0 0]/Index[0 4000000000]", b""),
        "document-too-complex",
    ),
    "references that unpack without end": (
        lambda: with_stream_of_references(b"/Size 10/W[1 4 2]/Index[0 10]", bytes(64 * _MIB)),
        "document-too-complex",
    ),
    "an object stream of milliards": (
        lambda: with_object_stream(b"7 0 " + b"[" + b"0 " * (8 * _MIB) + b"]", 4, 1),
        "document-too-complex",
    ),
    "an object stream of many objects": (
        lambda: with_object_stream(b"7 0 " * 900_000 + b"<<>>", 4 * 900_000, 900_000),
        "document-too-complex",
    ),
    "an object stream that says it is longer": (
        lambda: with_object_stream(b"7 0 <<>>", 4, 999_999_999),
        "document-unreadable",
    ),
    "an object of millions": (
        lambda: make_pdf(plain_objects(catalog=b"/AcroForm 6 0 R") | {6: b"[" + b"0 " * (20 * _MIB) + b"]"}),
        "document-too-complex",
    ),
    "deep nesting": (lambda: make_pdf(nested(100_000)), "document-too-complex"),
    "a loop of revisions": (looped, "document-unreadable"),
}
