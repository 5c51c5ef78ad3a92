"""The mark of a registered document on the document itself, or a sheet beside one that cannot bear it."""

from __future__ import annotations

from authenticity.errors import MarkImpossible
from kernel.errors import DomainError
from paper.document_mark import Mark, render_mark
from signing.extending import kind_of
from signing.pdf.marking import Corner, mark_pdf


def marked(content: bytes, identifier: str, base_url: str, *, page: int = 0, corner: Corner) -> bytes:
    """The PDF with its mark, to be signed afterwards; ``page`` from 0, or from the end below 0.

    Raises MarkImpossible with ``cause``: no PDF, signed, encrypted, damaged, no such page, too small.
    """
    if kind_of(content) != "pdf" or not content.lstrip()[:5] == b"%PDF-":
        raise MarkImpossible("only a PDF bears a mark: a sheet goes with any other file", cause="format")
    try:
        mark = render_mark(Mark.of(identifier, base_url))
        return mark_pdf(content, mark, identifier, page=page, corner=corner)
    except DomainError as error:
        raise MarkImpossible(error.detail, cause=error.code) from error
