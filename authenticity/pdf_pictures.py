"""What a PDF looks like, and what stands on it: pages as pictures, their text and their QR codes.

Drawing needs native libraries and the files come from anybody, so each call is a process of its own with
limits of memory,
processor time and size, and nothing of it comes back but a picture or texts (decision 0121).
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from kernel.errors import LimitExceeded, NotFound, Unavailable
from signing.errors import DocumentTooComplex, DocumentUnreadable

MAX_PDF_BYTES = 64 << 20
MAX_WIDTH = 2_000
_PATIENCE_SECONDS = 30.0
_WORKER = "authenticity.picture_worker"
_MAX_SAID = 2_000
_LOG = logging.getLogger(__name__)
# Exit codes of the worker.
UNREADABLE, NO_PAGE, TOO_COMPLEX = 3, 4, 5


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands on the first and last pages of a document. ``texts``: one for each page; ``codes``: texts of
    QR codes."""

    pages: int
    texts: tuple[str, ...]
    codes: tuple[str, ...]


def page_picture(pdf: bytes, page: int, width: int) -> bytes:
    """Page ``page`` (from 1) as PNG, ``width`` pixels wide.

    Raises NotFound beyond the last page, DocumentUnreadable, DocumentTooComplex, LimitExceeded; Unavailable when it
    takes too long or nothing can be drawn here.
    """
    if not 0 < width <= MAX_WIDTH:
        raise LimitExceeded("a picture is 1 to 2,000 pixels wide", limit=MAX_WIDTH)
    return _worker(pdf, "picture", str(page), str(width))


def free_room(
    pdf: bytes, page: int, width: float, height: float, margin: float
) -> tuple[float, float] | None:
    """Where on a page nothing stands within a rectangle of that size, near its lower or upper edge: points from the
    lower left of the page as it is shown; None where there is no such place.

    ``page`` from 0, or from the end below 0; raises as ``page_picture``.
    """
    order = ("room", str(page), *(str(each) for each in (width, height, margin)))
    found = json.loads(_worker(pdf, *order))
    return None if found is None else (float(found[0]), float(found[1]))


def seen_in(pdf: bytes) -> Seen:
    """Raises DocumentUnreadable, DocumentTooComplex, LimitExceeded, and Unavailable as ``page_picture``."""
    return _seen(_worker(pdf, "look"))


def seen_in_picture(picture: bytes) -> Seen:
    """The QR codes of a scan or photograph (PNG, JPEG, TIFF, WebP); raises as ``seen_in``."""
    return _seen(_worker(picture, "scan"))


def _seen(answer: bytes) -> Seen:
    value: Any = json.loads(answer)
    return Seen(value["pages"], tuple(value["texts"]), tuple(value["codes"]))


def _worker(given: bytes, *order: str) -> bytes:
    if len(given) > MAX_PDF_BYTES:
        raise LimitExceeded("the document is too long to be drawn", limit_bytes=MAX_PDF_BYTES)
    try:
        done = subprocess.run(
            [sys.executable, "-m", _WORKER, *order],
            input=given,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            env={"PYTHONPATH": ":".join(sys.path)},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("drawing the document takes too long and was given up") from error
    if done.returncode == 0:
        return done.stdout
    if done.returncode == NO_PAGE:
        raise NotFound("the document has no such page")
    if done.returncode == UNREADABLE:
        raise DocumentUnreadable("the document cannot be drawn", kind="pdf")
    if (
        done.returncode == TOO_COMPLEX or done.returncode < 0
    ):  # it was ended by a limit, or by what it was fed with
        raise DocumentTooComplex("drawing the document takes more than is given to it", limit="drawing")
    _LOG.error("pages cannot be drawn: %s", done.stderr[-_MAX_SAID:].decode("utf-8", "replace"))
    raise Unavailable("pages cannot be drawn now")
