"""The pages say what the table and the rule sets say."""

from __future__ import annotations

from pathlib import Path

import pytest

from procurement.rules.pages import fill, rule_tables, state_diagram, step_table
from procurement.rules.transitions import State

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize(
    ("page", "name", "content"),
    [
        ("tender-life.md", "diagram", state_diagram()),
        ("tender-life.md", "steps", step_table()),
        ("rules.md", "rules", rule_tables()),
    ],
)
def test_pages_are_current(page: str, name: str, content: str) -> None:
    """Filling a page anew changes nothing."""
    text = (DOCS / page).read_text("utf-8")

    assert fill(text, name, content) == text


def test_every_state_is_drawn() -> None:
    """No state of the table is missing in the diagram."""
    assert [state for state in State if state.value not in state_diagram()] == []


def test_a_page_without_its_place_is_refused() -> None:
    """A page that lost its marks cannot be mistaken for a current one."""
    with pytest.raises(ValueError, match="places"):
        fill("no marks", "diagram", "x")
