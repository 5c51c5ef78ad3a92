"""Canonical JSON is that of RFC 8785, byte for byte, for all that may be signed."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import canonical_bytes, parse_canonical
from kernel.errors import MalformedInput

ODD = '\x00\x1f\x7f\x85"\\/<>&\u2028\u2029\ue000\uffff\ufeff\U00010000\U0010ffff'
TEXTS = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(ODD)), max_size=8
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=6)),
    max_leaves=20,
)


@given(VALUES)
def test_the_bytes_are_those_of_the_reference(value: Any) -> None:
    """Whatever names and texts there are, we write what the reference implementation of RFC 8785 writes."""
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(st.dictionaries(TEXTS, VALUES, max_size=6))
def test_what_is_written_can_be_read(value: dict[str, Any]) -> None:
    """A canonical document is read as what it was."""
    assert parse_canonical(canonical_bytes(value)) == value


def test_names_are_sorted_by_utf16_units() -> None:
    """A name beyond the first plane comes before one at its end (RFC 8785 §3.2.3), and no other order is read."""
    assert canonical_bytes({"\uffff": 1, "\U00010000": 2}) == '{"\U00010000":2,"\uffff":1}'.encode()
    with pytest.raises(MalformedInput):
        parse_canonical('{"\uffff":1,"\U00010000":2}'.encode())


@pytest.mark.parametrize(
    "odd", ["\ud800", {"\udfff": 1}, 1.0, float("nan"), 2**53, -(2**53), {1: 2}, b"x", {"x"}]
)
def test_what_has_no_one_form_is_refused(odd: Any) -> None:
    """Half a surrogate pair, floats, huge numbers, names that are no texts, bytes and sets are not written."""
    with pytest.raises(MalformedInput):
        canonical_bytes({"odd": odd})
