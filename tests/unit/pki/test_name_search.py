"""A name is found however it is typed."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, literal, select

from pki.name_search import name_has

NAME = "زهرا حسینی\N{ZERO WIDTH NON-JOINER}نژاد کریمی ۱۴ Ltd"


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("حسینی\N{ZERO WIDTH NON-JOINER}نژاد", True),
        ("حسینی نژاد", True),
        ("حسينينژاد كريمي", True),
        ("کریمی 14", True),
        ("١٤ LTD", True),
        ("حسن", False),
        ("%", False),
    ],
)
def test_a_name_is_found_as_it_is_typed(typed: str, there: bool) -> None:
    """ZWNJ or space or neither, Arabic letters, digits of three scripts and capitals find one name; wildcards none."""
    with create_engine("sqlite://").connect() as connection:
        assert connection.scalar(select(name_has(literal(NAME), typed))) == there
