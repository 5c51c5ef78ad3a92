"""QR codes on pages as another library reads them from poppler's pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import zxingcpp

from tests.support.rendering import drawn


@dataclass(frozen=True)
class Code:
    """What it says, and where its middle stands: from 0 to 1, from the left and from the top."""

    text: str
    across: float
    down: float


def codes_of(pdf: bytes, folder: Path, *, dpi: int = 110) -> list[Code]:
    """Those on the first page, as a telephone would see them."""
    picture = drawn(pdf, folder, dpi=dpi)
    image = memoryview(picture.pixels).cast("B", (picture.height, picture.width))
    return [_code(each, picture.width, picture.height) for each in zxingcpp.read_barcodes(image)]


def _code(found: zxingcpp.Barcode, width: int, height: int) -> Code:
    corners = (found.position.top_left, found.position.bottom_right)
    across, down = (sum(each) / 2 for each in zip(*((corner.x, corner.y) for corner in corners), strict=True))
    return Code(found.text, across / width, down / height)
