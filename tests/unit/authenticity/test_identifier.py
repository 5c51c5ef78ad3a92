"""Identifiers: typed in any figures, every slip of the finger named and none repaired."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authenticity.errors import IdentifierCharacter, IdentifierCheck, IdentifierLength
from authenticity.identifier import grouped, is_identifier, new_identifier, read_identifier

IDENTIFIER = "44873063461045659411"
FIGURES = {
    "Persian": "۰۱۲۳۴۵۶۷۸۹",
    "Arabic": "٠١٢٣٤٥٦٧٨٩",
    "full width": "".join(chr(each) for each in range(0xFF10, 0xFF1A)),
}


@pytest.mark.parametrize("figures", FIGURES)
def test_any_figures_and_separators(figures: str) -> None:
    """Persian, Arabic and full-width digits, groups, spaces and marks of direction all give the same 20 digits."""
    typed = grouped(IDENTIFIER).translate(str.maketrans("0123456789", FIGURES[figures]))
    assert read_identifier(f"\u200f {typed}\u2069 ") == IDENTIFIER


def test_new_ones_differ_and_hold() -> None:
    """A thousand fresh identifiers are all different, and each is one."""
    made = {new_identifier() for _ in range(1000)}
    assert len(made) == 1000
    assert all(is_identifier(each) and read_identifier(grouped(each)) == each for each in made)


@given(st.integers(0, 10**18 - 1), st.data())
def test_every_slip_is_found(number: int, data: st.DataObject) -> None:
    """No single wrong digit and no exchange of two neighbours that differ leads to another identifier."""
    body = f"{number:018d}"
    identifier = body + f"{98 - number * 100 % 97:02d}"
    assert is_identifier(identifier)
    place = data.draw(st.integers(0, 18))
    wrong = data.draw(st.sampled_from("0123456789").filter(lambda each: each != identifier[place]))
    exchanged = identifier[:place] + identifier[place + 1] + identifier[place] + identifier[place + 2 :]
    for typed in {identifier[:place] + wrong + identifier[place + 1 :], exchanged} - {identifier}:
        with pytest.raises(IdentifierCheck):
            read_identifier(typed)


@pytest.mark.parametrize(
    ("typed", "position", "character_class"),
    [
        ("O4873063461045659411", 1, "latin-letter"),
        ("4487-3۰۶۳-ب610", 11, "persian-letter"),
        ("4487/3063", 5, "punctuation"),
        ("4487ж", 5, "other-letter"),
        ("4487\t", 5, "space"),
        ("44\u0000", 3, "other"),
    ],
)
def test_what_is_no_digit_is_named(typed: str, position: int, character_class: str) -> None:
    """The refusal says where something else stands and of which class it is."""
    with pytest.raises(IdentifierCharacter) as refused:
        read_identifier(typed)
    assert refused.value.fields == {"position": position, "character_class": character_class}


@pytest.mark.parametrize(("typed", "digits"), [("", 0), (IDENTIFIER[:-1], 19), (IDENTIFIER + "0", 21)])
def test_too_few_or_too_many(typed: str, digits: int) -> None:
    """The refusal says how many digits there are and how many there should be."""
    with pytest.raises(IdentifierLength) as refused:
        read_identifier(typed)
    assert refused.value.fields == {"digits": digits, "expected": 20}


def test_a_long_text_is_not_looked_through() -> None:
    """Ten thousand characters are refused for their number."""
    with pytest.raises(IdentifierLength):
        read_identifier("1" * 10_000)
