"""Objects that are read at once are those that the library reads, or are left to it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from signing.ades.services import Level
from signing.pdf.opening import Reader, open_pdf
from signing.pdf.plain_objects import number_of, read_plain, reference_of, ways_in_plain
from signing.pdf.signing import sign_pdf
from signing.pdf.usages import references_in
from tests.support.judged_cases import PARTY, opened
from tests.support.minutes import pages
from tests.support.signing import services_of


def same(one: Any, other: Any) -> bool:
    """Of the same kinds, with the same values, all the way down, and in the same object."""
    if type(one) is not type(other) or one.container_ref != other.container_ref:
        return False
    if isinstance(one, generic.DictionaryObject):
        return list(one) == list(other) and all(same(one.raw_get(key), other.raw_get(key)) for key in one)
    if isinstance(one, generic.ArrayObject):
        pairs = zip(list.__iter__(one), list.__iter__(other), strict=True)
        return len(one) == len(other) and all(same(*pair) for pair in pairs)
    encodings = [getattr(each, "autodetected_encoding", None) for each in (one, other)]
    return bool(one == other) and encodings[0] == encodings[1]


def test_every_plain_object_of_a_signed_file_is_the_librarys() -> None:
    """Object by object the same as the library's, and most are read here."""
    authority = opened()
    signer = authority.person(PARTY, "زهرا مرادی")
    data = sign_pdf(pages(), signer, Level.B_LTA, services_of(authority), at=authority.now)
    reader = open_pdf(data)
    read = total = 0
    for revision in range(reader.xrefs.total_revisions):
        for reference in reader.xrefs.explicit_refs_in_revision(revision):
            place = reader.place_of(reference, revision)
            if place is None:
                continue
            total += 1
            plain = read_plain(data, place, generic.Reference(reference.idnum, reference.generation, reader))
            if plain is not None:
                read += 1
                assert same(plain, PdfFileReader._read_object(reader, reference, place))
            ways = ways_in_plain(data, place, reference)
            assert ways == (None if plain is None else tuple(references_in(plain)))
    assert read > total * 0.8 > 100


@pytest.mark.parametrize(
    "text",
    [
        b"<< /A 1 /B -2.5 /C .5 /D +3 /E true /F false /G null >>",
        b"<< /A 1 0 R /B [ 1 2 0 R 3 4 ] >>",
        b"[ 1 0 R 2 0 R ]",
        b"[ (text) <FEFF0041> <4> () <> /Name ]",
        b"<</A<</B[/C/D]>>/E(x)>>",
        b"7",
        b"null",
        b"[ 12 0 13 ]",
    ],
)
def test_plain_spellings_are_read(text: bytes) -> None:
    """Numbers, names, references, strings without escapes, arrays and dictionaries, as the library reads them."""
    _, reference = _reader()
    data = b"7 0 obj\n" + text + b"\nendobj\n"
    plain = read_plain(data, 0, reference)
    assert plain is not None
    assert same(plain, generic.read_object(BytesIO(data[8:]), reference))


@pytest.mark.parametrize(
    "text",
    [
        b"<< /A 1 /A 2 >>",
        b"<< /A#20B 1 >>",
        b"<< /A (a\\)b) >>",
        b"<< /A (a(b)c) >>",
        b"<< /A % comment\n 1 >>",
        b"<< /A 1  0  R >>",
        b"<< /A 1\n0 R >>",
        b"<< /A 0 0 R >>",
        b"<< /A >>",
        b"<< 1 2 >>",
        b"<< /A 1 ]",
        b"[ 1 >>",
        b"<< /Length 0 >>\nstream\n\nendstream",
        b"<< /A 1",
        b"[ 1 ] 2",
        b"nullx",
        b"[ <4x> ]",
        b"[" * 60 + b"]" * 60,
        b"",
    ],
)
def test_everything_else_is_left_to_the_library(text: bytes) -> None:
    """What is spelled otherwise, is wrong or is a stream is not read at once."""
    _, reference = _reader()
    assert read_plain(b"7 0 obj\n" + text + b"\nendobj\n", 0, reference) is None


def test_another_object_is_not_taken_for_it() -> None:
    """The header has to be that of the object that was asked for."""
    _, reference = _reader()
    assert read_plain(b"8 0 obj\n1\nendobj\n", 0, reference) is None
    assert read_plain(b"7 1 obj\n1\nendobj\n", 0, reference) is None
    assert read_plain(b"7 0 obj\n1\nendobj\n", 1, reference) is None


_PIECES = [
    "<<",
    ">>",
    "[",
    "]",
    "/A",
    "/B",
    "/Parent",
    "/Kids",
    "1 0 R",
    "2 0 R",
    "31 2 R",
    "0 0 R",
    "7",
    "-.5",
]
_PIECES += ["(text)", "(a\\)b)", "<FEFF>", "<4x>", "true", "null", "%c\n", "1  0 R", "endobj", "/A#20"]
_VALUES = st.recursive(
    st.sampled_from(["1 0 R", "2 0 R", "31 2 R", "7", "(text)", "/Name", "null"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda each: f"[ {' '.join(each)} ]"),
        st.dictionaries(st.sampled_from(["/A", "/B", "/Parent", "/Kids", "/P"]), inner).map(
            lambda each: f"<< {' '.join(f'{key} {value}' for key, value in each.items())} >>"
        ),
    ),
    max_leaves=20,
)


@given(st.one_of(_VALUES, st.lists(st.sampled_from(_PIECES), max_size=12).map(" ".join)))
def test_ways_are_those_of_the_object(text: str) -> None:
    """The references found without making the object are those in the object, and both refuse the same spellings."""
    data = b"7 0 obj\n" + text.encode() + b"\nendobj\n"
    plain = read_plain(data, 0, generic.Reference(7, 0))
    ways = ways_in_plain(data, 0, generic.Reference(7, 0))
    assert ways == (None if plain is None else tuple(references_in(plain)))
    if plain is not None:
        library = generic.read_object(BytesIO(data[8:]), generic.Reference(7, 0))
        assert ways == tuple(references_in(library))


@given(st.integers(0, 10**10 - 1), st.integers(0, 99_999))
def test_a_reference_and_its_number_are_one(number: int, generation: int) -> None:
    """No two references share a number, and a generation beyond all is refused."""
    reference = generic.Reference(number, generation)
    assert reference_of(number_of(reference)) == reference
    with pytest.raises(ValueError, match="generation"):
        number_of(generic.Reference(number, generation + (1 << 17)))


def _reader() -> tuple[Reader, generic.Reference]:
    reader = open_pdf(pages())
    return reader, generic.Reference(7, 0, reader)
