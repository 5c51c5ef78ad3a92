"""The mark of a registered document on the document itself, or a sheet beside one that cannot bear it."""

from __future__ import annotations

from authenticity.errors import MarkImpossible
from authenticity.pdf_pictures import free_room
from kernel.errors import DomainError
from paper.document_mark import HEIGHT, WIDTH, Mark, render_mark
from signing.extending import kind_of
from signing.pdf.marking import MARGIN, Corner, mark_pdf

# Where a mark goes that nobody found a place for: the first page, else the last one.
_PAGES = (0, -1)
# Points kept free around a mark.
_AIR = 3.0


def marked(
    content: bytes, identifier: str, base_url: str, *, page: int | None = None, corner: Corner | None = None
) -> bytes:
    """The PDF with its mark, to be signed afterwards; ``page`` from 0, or from the end below 0.

    Without ``corner`` where nothing is covered, as near to an edge as can be; without ``page`` on the first page or the
    last. Raises MarkImpossible with ``cause``: no PDF, signed, encrypted, damaged, no such page, too small, no room.
    """
    if kind_of(content) != "pdf" or not content.lstrip()[:5] == b"%PDF-":
        raise MarkImpossible("only a PDF bears a mark: a sheet goes with any other file", cause="format")
    try:
        mark = render_mark(Mark.of(identifier, base_url))
        if corner is not None:
            return mark_pdf(content, mark, identifier, page=page or 0, corner=corner)
        chosen, place = free_place(content, page)
        return mark_pdf(content, mark, identifier, page=chosen, corner=place)
    except MarkImpossible:
        raise
    except DomainError as error:
        raise MarkImpossible(error.detail, cause=error.code) from error


def free_place(content: bytes, page: int | None) -> tuple[int, tuple[float, float]]:
    """The page and the lower left of where a mark covers nothing; raises MarkImpossible."""
    for each in _PAGES if page is None else (page,):
        found = free_room(content, each, WIDTH + 2 * _AIR, HEIGHT + 2 * _AIR, MARGIN - _AIR)
        if found is not None:
            return each, (found[0] + _AIR, found[1] + _AIR)
    raise MarkImpossible("there is no room for a mark: name a corner, or another page", cause="room")
