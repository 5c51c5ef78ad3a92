"""The mark of a registered document and the sheet: what they say, their code, and the same bytes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from authenticity.identifier import new_identifier, read_identifier
from kernel.errors import MalformedInput
from paper.document_mark import Mark, Sheet, render_mark, render_sheet
from tests.support.qr_codes import codes_of
from tests.support.rendering import text_of

IDENTIFIER = new_identifier()
MARK = Mark.of(IDENTIFIER, "https://mohr.example.ir/")


def test_a_mark_leads_to_the_check_by_code_and_by_text(tmp_path: Path) -> None:
    """The code reads as the address of the document, and the printed figures are typed back into its identifier."""
    pdf = render_mark(MARK)
    assert [each.text for each in codes_of(pdf, tmp_path, dpi=150)] == [
        f"https://mohr.example.ir/d/{IDENTIFIER}"
    ]
    text = text_of(pdf, tmp_path)
    printed = next(each for each in text.split() if each.count("-") == 4)
    assert read_identifier(printed) == IDENTIFIER
    assert "mohr.example.ir/authenticity" in text
    assert render_mark(MARK) == pdf


def test_a_sheet_names_the_document_that_bears_no_mark(tmp_path: Path) -> None:
    """Name, digest and identifier stand on it, and text that its font lacks is written out."""
    sheet = Sheet(MARK, "نقشه پل \N{PILE OF POO}", "نقشه", "شهرداری", "plan.dwg", "ab" * 32, "2026-11-24")
    pdf = render_sheet(sheet)
    text = text_of(pdf, tmp_path)
    assert "plan.dwg" in text
    assert "U+1F4A9" in text
    assert "ab" * 32 in "".join(each for each in text if each in "abcdef0123456789")
    assert [each.text for each in codes_of(pdf, tmp_path)] == [MARK.link]


def test_an_address_too_long_for_a_code_is_refused() -> None:
    """A code that no telephone could read is never made."""
    with pytest.raises(MalformedInput):
        render_mark(Mark.of(IDENTIFIER, "https://" + "a" * 120 + ".example"))
