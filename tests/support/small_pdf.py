"""Small PDF files written by hand, so that no library decides how they look inside."""

from __future__ import annotations

from collections.abc import Sequence


def plain_pdf(texts: Sequence[str] = ("To pay: 1,000",)) -> bytes:
    """One page for each text, with a cross-reference table."""
    return written_pdf(objects_of(texts))


def objects_of(texts: Sequence[str]) -> dict[int, bytes]:
    """Catalogue 1, pages 2, font 3, then page and content in turn."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(texts)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>".encode(),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    for number, text in enumerate(texts):
        page = 4 + 2 * number
        objects[page] = page_object(page + 1)
        objects[page + 1] = stream(text_content(text))
    return objects


def page_object(content: int, parent: int = 2) -> bytes:
    """A page of A4 that shows the content stream of that number."""
    return (
        f"<< /Type /Page /Parent {parent} 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R "
        "/Resources << /Font << /F1 3 0 R >> >> >>"
    ).encode()


def text_content(text: str, height: int = 700) -> bytes:
    """What draws one line."""
    return f"BT /F1 24 Tf 72 {height} Td ({text}) Tj ET".encode()


def stream(content: bytes, more: bytes = b"") -> bytes:
    """A stream object without filters."""
    return b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(content), more, content)


def written_pdf(objects: dict[int, bytes]) -> bytes:
    """A whole file; object 1 is the catalogue."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets: dict[int, int] = {}
    for number, body in sorted(objects.items()):
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (max(objects) + 1)
    for number in range(1, max(objects) + 1):
        out += b"%010d 00000 n \n" % offsets[number]
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (max(objects) + 1, start)
    return bytes(out)
