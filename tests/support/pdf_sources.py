"""PDF documents as others write them: each form of cross-references, forms to fill, and what must be refused."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_CONTENT = b"BT /F1 24 Tf 50 700 Td (Hello) Tj ET"


def classic_pdf(version: str = "1.4", *, catalog: bytes = _CATALOG, more: Sequence[bytes] = ()) -> bytes:
    """One page with a table of cross-references; ``more`` are objects from number 6 on."""
    bodies = [*_bodies(catalog), *more]
    out, offsets = _objects(version, dict(enumerate(bodies, start=1)))
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    table += b"".join(b"%010d 00000 n \n" % offsets[number] for number in range(1, len(bodies) + 1))
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, len(out))
    return out + table + trailer


def hybrid_pdf() -> bytes:
    """A table for old readers, and a stream of cross-references that hides a packed object (ISO 32000-1 §7.5.8.4)."""
    bodies = _bodies(b"<< /Type /Catalog /Pages 2 0 R /PageLabels 6 0 R >>")
    packed = b"6 0 << /Nums [0 << /S /D >>] >>"
    first = packed.index(b"<<")
    stream = b"<< /Type /ObjStm /N 1 /First %d /Length %d >>\nstream\n%b\nendstream" % (
        first,
        len(packed),
        packed,
    )
    out, offsets = _objects("1.5", {**dict(enumerate(bodies, start=1)), 7: stream})
    rows = b"\x02" + (7).to_bytes(4, "big") + b"\x00\x00"
    place = len(out)
    out += (
        b"8 0 obj\n<< /Type /XRef /Size 9 /W [1 4 2] /Index [6 1] /Root 1 0 R /Length %d >>\n"
        b"stream\n%b\nendstream\nendobj\n" % (len(rows), rows)
    )
    offsets[8] = place
    table = b"xref\n0 9\n0000000006 65535 f \n"
    for number in range(1, 9):
        table += b"0000000000 00000 f \n" if number == 6 else b"%010d 00000 n \n" % offsets[number]
    trailer = b"trailer\n<< /Size 9 /Root 1 0 R /XRefStm %d >>\nstartxref\n%d\n%%%%EOF\n" % (place, len(out))
    return out + table + trailer


def form_pdf(fields: Mapping[str, bytes]) -> bytes:
    """One page with form fields; each has a name and the entries that it is given, ``/Rect`` and ``/FT`` among them."""
    numbers = range(7, 7 + len(fields))
    listed = b" ".join(b"%d 0 R" % number for number in numbers)
    widgets = [
        b"<< /Type /Annot /Subtype /Widget /F 4 /P 3 0 R /T (%b) %b >>" % (name.encode("ascii"), entries)
        for name, entries in fields.items()
    ]
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm 6 0 R >>"
    pdf = classic_pdf("1.7", catalog=catalog, more=[b"<< /Fields [%b] >>" % listed, *widgets])
    return pdf


def repacked(pdf: bytes, folder: Path, *options: str) -> bytes:
    """The same document as qpdf writes it, with its options."""
    source, target = folder / "source.pdf", folder / "target.pdf"
    source.write_bytes(pdf)
    subprocess.run(["qpdf", *options, str(source), str(target)], capture_output=True, timeout=60, check=True)
    return target.read_bytes()


def bomb_pdf(size: int) -> bytes:
    """A document whose catalog is in an object stream that unpacks to ``size`` bytes."""
    packed = zlib.compress(b"1 0 << /Type /Catalog /Pages 2 0 R >>" + b" " * size, 9)
    bodies = {2: b"<< /Type /Pages /Kids [] /Count 0 >>"}
    bodies[3] = (
        b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream"
        % (
            len(packed),
            packed,
        )
    )
    out, offsets = _objects("1.5", bodies)
    rows = b"\x00" + bytes(6) + b"\x02" + (3).to_bytes(4, "big") + b"\x00\x00"
    rows += b"".join(
        b"\x01" + at.to_bytes(4, "big") + b"\x00\x00" for at in (offsets[2], offsets[3], len(out))
    )
    place = len(out)
    out += (
        b"4 0 obj\n<< /Type /XRef /Size 5 /W [1 4 2] /Root 1 0 R /Length %d >>\nstream\n%b\nendstream\nendobj\n"
        % (
            len(rows),
            rows,
        )
    )
    return out + b"startxref\n%d\n%%%%EOF\n" % place


def _bodies(catalog: bytes) -> list[bytes]:
    return [
        catalog,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(_CONTENT), _CONTENT),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]


def _objects(version: str, bodies: Mapping[int, bytes]) -> tuple[bytes, dict[int, int]]:
    out, offsets = b"%%PDF-%b\n%%\xe2\xe3\xcf\xd3\n" % version.encode("ascii"), {}
    for number, body in bodies.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    return out, offsets


def office_pdf() -> bytes:
    """As a well-known word processor writes it: a table, and behind it an empty one that names a stream as well."""
    first = classic_pdf("1.7")
    table, size = first.rindex(b"xref\n0 "), 6
    rows = b"\x00" + bytes(6)
    offsets = [first.index(b"%d 0 obj" % number) for number in range(1, size)]
    rows += b"".join(b"\x01" + at.to_bytes(4, "big") + b"\x00\x00" for at in offsets)
    stream = len(first)
    rows += b"\x01" + stream.to_bytes(4, "big") + b"\x00\x00"
    out = first + (
        b"6 0 obj\n<< /Type /XRef /Size 7 /W [1 4 2] /Root 1 0 R /Length %d >>\nstream\n%b\nendstream\nendobj\n"
        % (len(rows), rows)
    )
    return (
        out
        + b"xref\n0 0\ntrailer\n<< /Size 7 /Root 1 0 R /Prev %d /XRefStm %d >>\nstartxref\n%d\n%%%%EOF\n"
        % (
            table,
            stream,
            len(out),
        )
    )
