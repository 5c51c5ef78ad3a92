"""The process that draws: ``python -m authenticity.picture_worker picture PAGE WIDTH | look | scan | room PAGE WIDTH
HEIGHT MARGIN``, file on stdin.

Nothing but ``pdf_pictures`` starts it. It limits itself before it reads anything.
"""

from __future__ import annotations

import json
import resource
import sys
from io import BytesIO
from typing import Any

from authenticity.pdf_pictures import MAX_PDF_BYTES, NO_PAGE, TOO_COMPLEX, UNREADABLE

_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 20
_MAX_PIXELS = 12_000_000
_LOOKED_AT = 4
_DPI = 150
_MAX_TEXT, _MAX_CODES = 20_000, 32
_SAME_COLOUR = 8


def main(order: list[str]) -> int:
    """The exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    given = sys.stdin.buffer.read(MAX_PDF_BYTES + 1)
    try:
        if order[0] == "scan":
            return _told(json.dumps({"pages": 1, "texts": [], "codes": _codes_of_scan(given)}).encode())
        return _pdf(given, order)
    except MemoryError:
        return TOO_COMPLEX


def _pdf(given: bytes, order: list[str]) -> int:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(given)
    except pypdfium2.PdfiumError:
        return UNREADABLE
    try:
        if order[0] == "picture":
            number, width = int(order[1]), int(order[2])
            if not 0 < number <= len(document):
                return NO_PAGE
            return _told(_picture(document[number - 1], width))
        if order[0] == "room":
            number = int(order[1])
            if not -len(document) <= number < len(document):
                return NO_PAGE
            size = [float(each) for each in order[2:5]]
            return _told(json.dumps(_room(document[number % len(document)], *size)).encode())
        return _told(json.dumps(_look(document)).encode())
    except pypdfium2.PdfiumError:
        return UNREADABLE


def _picture(page: Any, width: int) -> bytes:
    scale = width / max(page.get_width(), 1)
    if width * page.get_height() * scale > _MAX_PIXELS:
        scale *= (_MAX_PIXELS / (width * page.get_height() * scale)) ** 0.5
    written = BytesIO()
    page.render(scale=scale).to_pil().convert("P", palette=1, colors=64).save(written, "PNG", optimize=True)
    return written.getvalue()


def _room(page: Any, width: float, height: float, margin: float) -> list[float] | None:
    """The place of that size nearest to the lower edge, else the upper one, on the left or the right, where all is of
    one colour: points from the lower left of the page as it is shown."""
    across, up = page.get_width(), page.get_height()
    scale = min(1.0, (_MAX_PIXELS / max(across * up, 1)) ** 0.5)
    drawn = page.render(scale=scale, grayscale=True)
    pixels, rows = bytes(drawn.buffer), round(height * scale) + 1
    edge = round(margin * scale)
    found: list[tuple[int, bool, float, float]] = []
    for x in (margin, across - margin - width):
        left, right = round(x * scale), round((x + width) * scale) + 1
        shades = [
            pixels[row * drawn.stride + left : row * drawn.stride + right] for row in range(drawn.height)
        ]
        spans = [(min(each), max(each)) for each in shades if each]
        for top in range(edge, len(spans) - edge - rows + 1):
            window = spans[top : top + rows]
            if max(high for _, high in window) - min(low for low, _ in window) <= _SAME_COLOUR:
                below = len(spans) - top - rows
                found.append((min(top, below), top < below, x, below / scale))
    return list(min(found)[2:]) if found else None


def _look(document: Any) -> dict[str, Any]:
    count = len(document)
    looked = sorted({*range(min(_LOOKED_AT, count)), *range(max(0, count - _LOOKED_AT), count)})
    texts, codes = [], []
    for number in looked:
        page = document[number]
        texts.append(page.get_textpage().get_text_range()[:_MAX_TEXT])
        codes += _codes_on(page)
    return {"pages": count, "texts": texts, "codes": codes[:_MAX_CODES]}


def _codes_on(page: Any) -> list[str]:
    import zxingcpp

    pixels = max(page.get_width() * page.get_height(), 1) * (_DPI / 72) ** 2
    scale = _DPI / 72 * min(1.0, (_MAX_PIXELS / pixels) ** 0.5)
    drawn = page.render(scale=scale, grayscale=True)
    rows = memoryview(drawn.buffer).cast("B").cast("B", shape=[drawn.height, drawn.stride])
    found = zxingcpp.read_barcodes(rows, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]))
    return [each.text[:500] for each in found]


def _codes_of_scan(given: bytes) -> list[str]:
    import zxingcpp
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS * 4
    try:
        picture = Image.open(BytesIO(given), formats=["PNG", "JPEG", "TIFF", "WEBP"]).convert("L")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError):
        return []
    found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]))
    return [each.text[:500] for each in found[:_MAX_CODES]]


def _told(answer: bytes) -> int:
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
