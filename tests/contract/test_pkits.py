"""NIST's path validation test suite: nothing invalid is accepted, and what is refused beyond that is explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.path_validation_page import page
from tests.support.pkits import REFUSED, SUITE, Verdict, cases, judge_all

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return judge_all()


def test_every_test_of_the_suite_is_in_the_table() -> None:
    """Each signed message of the suite is one row, and each row a message, under a number of its own."""
    listed = cases()
    messages = {path.stem.removeprefix("Signed") for path in (SUITE / "smime").glob("*.eml")}
    assert {case.name for case in listed} == messages
    assert len({case.number for case in listed}) == len(listed) == 224


def test_nothing_invalid_is_accepted(verdicts: list[Verdict]) -> None:
    """No path that the suite calls invalid is accepted."""
    assert [each for each in verdicts if each.case.expected == "invalid" and each.actual == "valid"] == []


def test_what_is_refused_beyond_the_suite_is_explained(verdicts: list[Verdict]) -> None:
    """The valid paths that are refused are exactly those with a stated reason."""
    refused = {
        each.case.number for each in verdicts if each.case.expected == "valid" and each.actual == "invalid"
    }
    assert refused == set(REFUSED)


def test_the_page_is_current(verdicts: list[Verdict]) -> None:
    """Making docs/path-validation.md anew changes nothing."""
    assert (DOCS / "path-validation.md").read_text("utf-8") == page(verdicts)
