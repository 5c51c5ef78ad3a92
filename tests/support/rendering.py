"""Pages as poppler draws them: grey pixels, to be compared."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Picture:
    """Grey values, row by row from the top."""

    width: int
    height: int
    pixels: bytes

    def at(self, column: int, row: int) -> int:
        return self.pixels[row * self.width + column]


def drawn(pdf: bytes, folder: Path, *, dpi: int = 72) -> Picture:
    """The first page with its annotations."""
    program = shutil.which("pdftoppm")
    if program is None:
        pytest.skip("poppler is not installed")
    path = folder / "drawn.pdf"
    path.write_bytes(pdf)
    command = [program, "-gray", "-r", str(dpi), "-f", "1", "-l", "1", str(path)]
    made = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    kind, size, _, pixels = made.split(b"\n", 3)
    assert kind == b"P5"
    width, height = (int(each) for each in size.split())
    return Picture(width, height, pixels)


def text_of(pdf: bytes, folder: Path) -> str:
    """The text on its pages, annotations aside."""
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("poppler is not installed")
    path = folder / "text.pdf"
    path.write_bytes(pdf)
    return subprocess.run(
        [program, str(path), "-"], capture_output=True, timeout=60, check=True
    ).stdout.decode("utf-8")
