"""The mark of a registered document on the document itself, or a sheet beside one that cannot bear it."""

from __future__ import annotations

from typing import cast

from authenticity.errors import MarkImpossible
from authenticity.pdf_pictures import free_corners
from kernel.errors import DomainError
from paper.document_mark import HEIGHT, WIDTH, Mark, render_mark
from signing.extending import kind_of
from signing.pdf.marking import MARGIN, Corner, mark_pdf


def marked(content: bytes, identifier: str, base_url: str, *, page: int = 0, corner: Corner | None) -> bytes:
    """The PDF with its mark, to be signed afterwards; ``page`` from 0, or from the end below 0.

    ``corner`` None: the first where nothing would be covered, from the lower left on. Raises MarkImpossible with
    ``cause``: no PDF, signed, encrypted, damaged, no such page, too small, no free corner.
    """
    if kind_of(content) != "pdf" or not content.lstrip()[:5] == b"%PDF-":
        raise MarkImpossible("only a PDF bears a mark: a sheet goes with any other file", cause="format")
    try:
        mark = render_mark(Mark.of(identifier, base_url))
        return mark_pdf(content, mark, identifier, page=page, corner=corner or free_corner(content, page))
    except MarkImpossible:
        raise
    except DomainError as error:
        raise MarkImpossible(error.detail, cause=error.code) from error


def free_corner(content: bytes, page: int) -> Corner:
    """The first corner of the page where a mark covers nothing; raises MarkImpossible."""
    found = free_corners(content, page, WIDTH, HEIGHT, MARGIN)
    for each in ("bottom-left", "bottom-right", "top-left", "top-right"):
        if each in found:
            return cast(Corner, each)
    raise MarkImpossible(
        "something stands in every corner of the page: name one, or another page", cause="corners"
    )
