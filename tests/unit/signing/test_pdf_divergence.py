"""Files that read soundly here and may draw another page in other programs are refused or named.

The comparison of revisions takes them for harmless additions. Of five of these tricks poppler 22.12 was seen to draw
another page: NeedAppearances, an exchanged form font, a doubled entry, a wide field of cross-references, a front made
true.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from signing.ades.services import Level
from signing.errors import DocumentUnreadable
from signing.pdf.reading import read_pdf
from signing.pdf.signing import sign_pdf
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pdf_files import append, body_of, make_pdf, plain_objects, start_of_references, stream

FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 200 30]/Resources<</Font<</F1 5 0 R>>>>"
LOOK = stream(b"BT /F1 12 Tf 2 10 Td (1000) Tj ET", FORM)
FIELD = (
    b"<</Type/Annot/Subtype/Widget/FT/Tx/T(sum)/V(%b)/DA(/F1 12 Tf 0 g)/F 4/P 3 0 R/Rect[10 100 210 130]"
    b"/AP<</N 7 0 R>>>>"
)
HIDDEN = stream(b"\n4 0 obj\n" + stream(b"BT /F1 12 Tf 20 200 Td (pay 900) Tj ET") + b"\nendobj\n")
OTHER_FONT = (
    b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding<</Type/Encoding/Differences[49/nine]>>>>"
)


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture(scope="module")
def signed(authority: MemoryAuthority) -> bytes:
    return sign(authority, make_pdf(plain_objects()))


def sign(authority: MemoryAuthority, pdf: bytes) -> bytes:
    return sign_pdf(pdf, authority.person("IR-0012345678"), Level.B_B, at=authority.now)


def with_form(value: bytes, more: bytes = b"") -> bytes:
    objects = plain_objects(page=b"/Annots[6 0 R]", catalog=b"/AcroForm 8 0 R")
    form = b"<</Fields[6 0 R]/DR<</Font<</F1 5 0 R>>>>%b>>" % more
    return make_pdf(objects | {6: FIELD % value, 7: LOOK, 8: form})


def forbidden(pdf: bytes) -> set[str]:
    return {each.code for each in read_pdf(pdf).signatures[0].changes if not each.allowed}


def with_hidden(signed: bytes, entries: Callable[[int, int], bytes], more: bytes = HIDDEN) -> bytes:
    """A store is added whose certificate holds a page's content; ``entries`` gets its place and the signed one's."""
    out = bytearray(signed + b"\n")
    places = [len(out)]
    out += b"1 0 obj\n%b/DSS<</Certs[50 0 R]>>>>\nendobj\n" % body_of(signed, 1)[:-2]
    places.append(len(out))
    out += b"50 0 obj\n%b\nendobj\n" % more
    at, inside = len(out), out.find(b"4 0 obj", places[1])
    out += b"xref\n1 1\n%010d 00000 n\r\n50 1\n%010d 00000 n\r\n" % (places[0], places[1])
    out += entries(inside, signed.index(b"\n4 0 obj") + 1)
    out += b"trailer\n<</Size 90/Root 1 0 R/Prev %d>>\n" % start_of_references(signed)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % at)


def test_appearances_made_anew_from_the_values_are_named(authority: MemoryAuthority) -> None:
    """A form that says after signing that viewers have to draw its values shows another value than was signed."""
    signed = sign(authority, with_form(b"9000"))
    form = body_of(signed, 8)

    assert forbidden(append(signed, {8: form[:-2] + b"/NeedAppearances true>>"})) == {"form-changed"}

    bare = sign(authority, with_form(b"9000").replace(b"/DA(", b"/Da("))
    assert forbidden(append(bare, {8: form[:-2] + b"/DA(/F1 40 Tf 1 g)>>"})) == {"form-changed"}
    assert forbidden(append(bare, {8: form[:-2] + b"/Q 2>>"})) == {"form-changed"}


@pytest.mark.parametrize("more", [b"", b"/NeedAppearances true"])
def test_another_font_of_the_form_is_named(authority: MemoryAuthority, more: bytes) -> None:
    """The font by which a form draws its values is exchanged for one that draws another digit."""
    signed = sign(authority, with_form(b"1000", more))
    form = body_of(signed, 8).replace(b"/F1 5 0 R", b"/F1 60 0 R")

    assert "form-changed" in forbidden(append(signed, {8: form, 60: OTHER_FONT}))


def test_fonts_added_beside_those_of_the_form_are_permitted(authority: MemoryAuthority) -> None:
    """Writers of signatures add resources of their own; what the form had stays, so nothing else is shown."""
    signed = sign(authority, with_form(b"1000"))
    form = re.sub(rb"(/F1 5 0 R)", rb"\1 /Own 60 0 R", body_of(signed, 8))

    assert forbidden(append(signed, {8: form, 60: OTHER_FONT})) == set()


def test_an_object_with_two_places_in_one_table_is_refused(signed: bytes) -> None:
    """Of two entries for an object some take the first and some the last."""

    def twice(hidden: int, true: int) -> bytes:
        return b"4 1\n%010d 00000 n\r\n4 1\n%010d 00000 n\r\n" % (hidden, true)

    with pytest.raises(DocumentUnreadable):
        read_pdf(with_hidden(signed, twice))


def test_an_object_inside_an_appended_stream_is_named(signed: bytes) -> None:
    """A program that repairs files finds objects in streams as well."""
    nothing: Callable[[int, int], bytes] = lambda hidden, true: b""  # noqa: E731

    assert forbidden(with_hidden(signed, nothing)) == {"object-unreferenced"}
    assert forbidden(with_hidden(signed, nothing, stream(b"a certificate"))) == set()


@pytest.mark.parametrize(("widths", "refused"), [((1, 4, 1), False), ((1, 9, 1), True), ((5, 4, 1), True)])
def test_widths_that_others_do_not_read_are_refused(
    signed: bytes, widths: tuple[int, int, int], refused: bool
) -> None:
    """Where a program does not read the references it looks for objects all over the file."""
    pdf = references_in_stream(signed, widths, b"1 1 50 1")
    if refused:
        with pytest.raises(DocumentUnreadable):
            read_pdf(pdf)
    else:
        assert forbidden(pdf) == set()


def test_sections_of_a_stream_that_overlap_are_refused(signed: bytes) -> None:
    """The same for two entries of one object in a stream of references."""
    with pytest.raises(DocumentUnreadable):
        read_pdf(references_in_stream(signed, (1, 4, 1), b"1 1 50 1 50 1"))


def references_in_stream(signed: bytes, widths: tuple[int, int, int], index: bytes) -> bytes:
    out = bytearray(signed + b"\n")
    catalog = len(out)
    out += b"1 0 obj\n%b\nendobj\n" % body_of(signed, 1)
    at = len(out)
    rows = [(1, catalog, 0), *[(1, at, 0)] * (len(index.split()) // 2 - 1)]
    data = b"".join(
        part.to_bytes(width, "big") for row in rows for part, width in zip(row, widths, strict=True)
    )
    entries = b"/Type/XRef/Size 90/W[%d %d %d]/Index[%b]/Root 1 0 R/Prev %d" % (
        *widths,
        index,
        start_of_references(signed),
    )
    out += b"50 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (stream(data, entries), at)
    return bytes(out)


def test_a_length_that_becomes_true_after_signing_is_named(authority: MemoryAuthority) -> None:
    """A linearized file of just its length is read from its front, where another table may stand."""
    length = 60_000
    front = b"%%PDF-1.7\n8 0 obj\n<</Linearized 1/L %d/H[0 0]/O 3/E 0/N 1/T 0>>\nendobj\n" % length
    plain = make_pdf(plain_objects()).removeprefix(b"%PDF-1.7\n")
    shift = len(front) - len(b"%PDF-1.7\n")
    plain = re.sub(rb"(\d{10})( 00000 n)", lambda m: b"%010d%b" % (int(m[1]) + shift, m[2]), plain)
    plain = re.sub(rb"startxref\n(\d+)", lambda m: b"startxref\n%d" % (int(m[1]) + shift), plain)
    signed = sign(authority, front + plain)

    def grown(size: int) -> bytes:
        return with_hidden(signed, lambda hidden, true: b"", stream(b"A" * size))

    rest = length - len(grown(10_000))
    assert len(grown(10_000 + rest)) == length
    assert forbidden(grown(10_000 + rest)) == {"length-made-true"}
    assert forbidden(grown(9_999 + rest)) == set()


def test_a_time_stamp_that_is_drawn_over_the_page_is_named(signed: bytes) -> None:
    """Anybody can have a document time stamp made; its appearance shows whatever he likes."""
    form = int(re.findall(rb"/AcroForm (\d+) 0 R", body_of(signed, 1))[-1])
    field = b"<</Type/Annot/Subtype/Widget/FT/Sig/T(Stamp)/V 42 0 R/F 4/P 3 0 R/Rect[%b]/AP<</N 41 0 R>>>>"
    fields = re.sub(rb"/Fields ?\[", b"/Fields[40 0 R ", body_of(signed, form))
    page = re.sub(rb"/Annots ?\[", b"/Annots[40 0 R ", body_of(signed, 3))
    value = (
        b"<</Type/DocTimeStamp/Filter/Adobe.PPKLite/SubFilter/ETSI.RFC3161/ByteRange[0 1 2 3]/Contents<00>>>"
    )

    def stamped(corners: bytes) -> bytes:
        return append(signed, {form: fields, 3: page, 40: field % corners, 41: LOOK, 42: value})

    assert forbidden(stamped(b"10 190 210 220")) == {"annotation-added"}
    assert forbidden(stamped(b"0 0 0 0")) == set()
