"""Every class of attack on signed PDFs gives a fatal finding or a change that is not permitted, and says which.

The classes are those of the literature: universal forgery, incremental saving and wrapping (Mladenov and others, 2019),
shadow attacks (2021), and attacks on certified documents by annotations and by signatures (2021).
"""

from __future__ import annotations

import re

import pytest

from signing.ades.services import Level
from signing.pdf.fields import Lock, Permission
from signing.pdf.reading import read_pdf
from signing.pdf.signing import sign_pdf
from signing.validation.contents import FoundSignature
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.pdf_files import append, body_of, make_pdf, plain_objects, start_of_references, stream
from tests.support.signing import services_of

FORGED = stream(b"BT /F1 12 Tf 20 200 Td (pay 900) Tj ET")

TEXT_FIELD = b"<</Type/Annot/Subtype/Widget/FT/Tx/T(sum)/Rect[0 0 9 9]/P 3 0 R/F 4%b>>"


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture(scope="module")
def signed(authority: MemoryAuthority) -> bytes:
    return sign_plain(authority)


def sign_plain(
    authority: MemoryAuthority, objects: dict[int, bytes] | None = None, **wishes: object
) -> bytes:
    signer = authority.person("IR-0012345678")
    return sign_pdf(make_pdf(objects or plain_objects()), signer, Level.B_B, at=authority.now, **wishes)  # type: ignore[arg-type]


def with_text_field(more: bytes) -> dict[int, bytes]:
    """A page with the form field ``sum``, object 6."""
    objects = plain_objects(page=b"/Annots[6 0 R]", catalog=b"/AcroForm 7 0 R")
    return objects | {6: TEXT_FIELD % more, 7: b"<</Fields[6 0 R]>>"}


def first(pdf: bytes) -> FoundSignature:
    return read_pdf(pdf).signatures[0]


def refused(pdf: bytes) -> set[str]:
    """The codes by which the first signature is not what it was."""
    found = first(pdf)
    fatal = {each.code for each in found.findings if each.fatal}
    return fatal | {each.code for each in found.changes if not each.allowed}


def with_field(name: bytes, body: bytes, pdf: bytes, number: int, *more: tuple[int, bytes]) -> bytes:
    """The document with one more form field that is an annotation of its page."""
    form = int(re.findall(rb"/AcroForm (\d+) 0 R", body_of(pdf, 1))[-1])
    fields = (
        body_of(pdf, form)
        .replace(b"/Fields [", b"/Fields[")
        .replace(b"/Fields[", b"/Fields[%d 0 R " % number)
    )
    page = body_of(pdf, 3)
    listed = re.sub(rb"/Annots ?\[", b"/Annots[%d 0 R " % number, page)
    field = b"<</Type/Annot/Subtype/Widget/T(%b)/P 3 0 R/F 4%b>>" % (name, body)
    return append(pdf, {form: fields, 3: listed, number: field, **dict(more)})


def test_what_signing_itself_adds_is_permitted(authority: MemoryAuthority) -> None:
    """Evidence, time stamps and a second signer after the first are named, permitted, and leave both whole."""
    services = services_of(authority)
    pdf = make_pdf(plain_objects())
    for party in ("IR-0012345678", "IR-0023456789"):
        pdf = sign_pdf(pdf, authority.person(party), Level.B_LTA, services, at=authority.now)

    found = read_pdf(pdf)

    assert [each.whole for each in found.signatures] == [True, True]
    assert {each.code for each in found.signatures[0].changes} == {
        "signature-added",
        "timestamp-added",
        "long-term-data-added",
    }
    assert not any(refused(pdf))


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        ({4: FORGED}, "page-content-changed"),
        ({5: b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>"}, "font-changed"),
        ({2: b"<</Type/Pages/Kids[3 0 R 60 0 R]/Count 2>>", 60: plain_objects()[3]}, "page-added"),
        ({2: b"<</Type/Pages/Kids[]/Count 0>>"}, "page-removed"),
    ],
)
def test_incremental_saving_is_named(signed: bytes, objects: dict[int, bytes], code: str) -> None:
    """Content, font or pages changed in a later revision are said to be what they are, and are not permitted."""
    assert code in refused(append(signed, objects))


@pytest.mark.parametrize(
    ("tail", "code"),
    [
        (b"\nhello", "bytes-appended"),
        (b"\n4 0 obj\n" + FORGED + b"\nendobj\n", "object-unreferenced"),
        (b"\n4 0 obj\n" + FORGED + b"\nendobj\ntrailer\n<</Root 1 0 R>>\n", "bytes-appended"),
    ],
)
def test_incremental_saving_without_cross_references_is_found(signed: bytes, tail: bytes, code: str) -> None:
    """Objects appended without a table or trailer, which some viewers repair into the document, are told."""
    assert code in refused(signed + tail)


def test_an_update_that_the_last_one_passes_over_is_found(signed: bytes) -> None:
    """A revision that no later one names still stands in the file, and its objects are told."""
    hidden = append(signed, {4: FORGED})
    place = len(hidden) + 1
    passing = (
        b"\nxref\n0 1\n0000000000 65535 f\r\ntrailer\n<</Size 60/Root 1 0 R/ID[<00><01>]/Prev %d>>\n"
        % (start_of_references(signed))
    )

    assert "object-unreferenced" in refused(hidden + passing + b"startxref\n%d\n%%%%EOF\n" % place)


@pytest.mark.parametrize(
    ("pattern", "replacement", "code"),
    [
        (rb"/ByteRange", rb"/BiteRange", "byte-range-missing"),
        (rb"/ByteRange ?\[0 ", rb"/ByteRange [-0", None),
        (rb"/ByteRange ?\[0 (\d)", rb"/ByteRange [1 \1", "byte-range-start"),
        (rb"/ByteRange ?\[0 \d+ \d+", rb"/ByteRange [0 0 0", "byte-range-overlap"),
        (rb"/ByteRange ?\[0 \d+ (\d+)", rb"/ByteRange [0 -1 \1", "byte-range-negative"),
        (rb"/ByteRange ?\[0 (\d+) (\d+) \d+", rb"/ByteRange [0 \1 \2 999999999999", "byte-range-beyond"),
        (rb"/ByteRange ?\[[^\]]*\]", rb"/ByteRange null", "byte-range-malformed"),
        (rb"/ByteRange ?\[[^\]]*\]", rb"/ByteRange [0 1 2]", "byte-range-malformed"),
        (rb"/Contents ?<", rb"/Kontents <", "contents-missing"),
        (rb"/Contents ?<[0-9a-fA-F]*>", rb"/Contents null", "contents-not-hexadecimal"),
        (rb"/Contents ?<[0-9a-fA-F]*>", rb"/Contents <00>", None),
        (rb"/Contents ?<[0-9a-fA-F]*>", rb"/Contents <>", "contents-unreadable"),
    ],
)
def test_universal_forgery_is_refused(
    signed: bytes, pattern: bytes, replacement: bytes, code: str | None
) -> None:
    """Whatever is missing, null, negative or empty where the signature says what it covers is fatal and named."""
    number, found = signature_object(signed)
    forged = append(signed, {number: re.sub(pattern, replacement, found)})

    codes = refused(forged)

    assert codes if code is None else code in codes


def signature_object(pdf: bytes) -> tuple[int, bytes]:
    """The number and body of the last object that holds a byte range."""
    number = int(re.findall(rb"(?:^|[\r\n])(\d+) 0 obj\s*<<(?:(?!endobj).)*?/ByteRange", pdf, re.DOTALL)[-1])
    return number, body_of(pdf, number)


def test_a_moved_gap_is_refused(signed: bytes) -> None:
    """Signature wrapping: the signed end moved behind what is wedged in after the Contents, a byte range among it."""
    room = re.search(rb"/Contents ?(<[0-9a-f]*>)", signed)
    assert room is not None
    begin, end, table = room.start(1), room.end(1), start_of_references(signed)
    rest = b"/Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached>>\nendobj\n"
    length = 2000
    wedge = b"/ByteRange[0 %d %d %d]" % (begin, end + length, len(signed) - end) + rest
    trailer = signed.index(b"trailer", table)
    lines = signed[table:trailer] + b"4 1\n%010d 00000 n\r\n" % (end + 1000)
    wedge = wedge.ljust(table - end) + lines + signed[trailer : signed.index(b"startxref", table)]
    wedge = wedge.ljust(1000) + b"4 0 obj\n" + FORGED + b"\nendobj\n"

    assert "byte-range-gap" in refused(signed[:end] + wedge.ljust(length) + signed[end:])


def test_padding_that_is_not_zero_is_told(signed: bytes) -> None:
    """Bytes behind the CMS in its room are covered by nothing; they are told, and break nothing."""
    end = signed.index(b">", signed.index(b"/Contents <"))
    changed = signed[: end - 2] + b"ff" + signed[end:]

    found = first(changed)

    assert [(each.code, each.fatal) for each in found.findings] == [("contents-padding", False)]


def test_a_hidden_layer_is_found(authority: MemoryAuthority) -> None:
    """Shadow attack, hide: an image over the text, taken away after signing by freeing its object."""
    objects = plain_objects()
    objects[6] = stream(b"", b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]")
    objects[3] = objects[3].replace(b"/Font<<", b"/XObject<</Over 6 0 R>>/Font<<")
    pdf = sign_plain(authority, objects)

    assert "object-freed" in refused(append(pdf, {}, freed=(6,)))
    assert "page-content-changed" in refused(append(pdf, {6: stream(b"q Q", b"/Type/XObject/Subtype/Form")}))


def test_objects_hidden_in_the_signed_bytes_are_found(authority: MemoryAuthority) -> None:
    """Shadow attack, hide and replace: a second content signed along unseen, and named by a later table."""
    objects = plain_objects()
    base = make_pdf(objects)
    shadow = b"\n4 0 obj\n" + FORGED + b"\nendobj\n"
    place = len(base) + 1
    signer = authority.person("IR-0012345678")
    pdf = sign_pdf(base + shadow + make_tail(base, len(base + shadow)), signer, Level.B_B, at=authority.now)
    table = b"\nxref\n0 1\n0000000000 65535 f\r\n4 1\n%010d 00000 n\r\n" % place
    size = max(int(each) for each in re.findall(rb"/Size (\d+)", pdf))
    trailer = b"trailer\n<</Size %d/Root 1 0 R/ID[<00><01>]/Prev %d>>\n" % (size, start_of_references(pdf))
    revealed = pdf + table + trailer + b"startxref\n%d\n%%%%EOF\n" % (len(pdf) + 1)

    assert not refused(pdf)
    assert "object-revealed" in refused(revealed)


def make_tail(base: bytes, place: int) -> bytes:
    """A table that names nothing new."""
    return (
        b"xref\n0 1\n0000000000 65535 f\r\ntrailer\n<</Size 6/Root 1 0 R/ID[<00><00>]/Prev %d>>\n"
        % (start_of_references(base))
        + b"startxref\n%d\n%%%%EOF\n" % place
    )


def test_a_reference_that_led_nowhere_is_watched(authority: MemoryAuthority) -> None:
    """Shadow attack, replace: the page names an object that there is not, until a later revision brings it."""
    objects = plain_objects(page=b"/Annots[900 0 R]")
    pdf = sign_plain(authority, objects)

    assert refused(append(pdf, {900: b"<</Type/Annot/Subtype/FreeText/Rect[0 0 300 300]>>"}))


def test_an_annotation_over_the_page_is_found(signed: bytes) -> None:
    """Evil annotation: a free text or stamp over what was signed."""
    note = b"<</Type/Annot/Subtype/FreeText/Rect[0 0 300 300]/Contents(pay 900)>>"
    page = re.sub(rb"/Annots ?\[", b"/Annots[60 0 R ", body_of(signed, 3))

    assert "annotation-added" in refused(append(signed, {3: page, 60: note}))


def test_an_empty_signature_field_over_the_page_is_found(signed: bytes) -> None:
    """Sneaky signature: a visible field that holds no signature shows what its maker likes."""
    look = stream(b"BT (pay 900) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]")
    pdf = with_field(b"Sneaky", b"/FT/Sig/Rect[0 0 300 300]/AP<</N 61 0 R>>", signed, 60, (61, look))

    assert "annotation-added" in refused(pdf)


@pytest.mark.parametrize("permission", [Permission.NO_CHANGES, Permission.FILL_FORMS])
def test_a_certified_document_obeys_its_certification(
    authority: MemoryAuthority, permission: Permission
) -> None:
    """A filled field breaks a certification that permits no changes, and keeps one that permits forms."""
    pdf = sign_plain(authority, with_text_field(b"/V(100)"), certify=permission)
    filled = append(pdf, {6: TEXT_FIELD % b"/V(900)"})

    assert refused(filled) == ({"form-field-filled"} if permission is Permission.NO_CHANGES else set())


def test_evidence_may_follow_a_certification_that_permits_nothing(authority: MemoryAuthority) -> None:
    """Long-term data and a document time stamp never break a certification; another signature does."""
    signer = authority.person("IR-0012345678")
    pdf = sign_pdf(
        make_pdf(plain_objects()),
        signer,
        Level.B_LTA,
        services_of(authority),
        at=authority.now,
        certify=Permission.NO_CHANGES,
    )
    field = with_field(b"Second", b"/FT/Sig/Rect[0 0 0 0]/V 61 0 R", pdf, 60, (61, b"<</Type/Sig>>"))

    assert not refused(pdf)
    assert "signature-added" in refused(field)


def test_a_locked_field_stays_as_it_is(authority: MemoryAuthority) -> None:
    """A field that the signature locks may not be filled afterwards; without the lock it may, and is named."""
    objects = with_text_field(b"/V(100)")
    filled = {6: TEXT_FIELD % b"/V(900)"}
    open_form = append(sign_plain(authority, objects), filled)
    locked_form = append(sign_plain(authority, objects, lock=Lock("All")), filled)

    assert not refused(open_form)
    assert "form-field-filled" in {each.code for each in first(open_form).changes}
    assert "form-field-filled" in refused(locked_form)


def test_a_field_that_looks_otherwise_is_found(authority: MemoryAuthority) -> None:
    """Shadow attack, replace: the look of a filled field changed while its value stays."""
    look = stream(b"BT (100) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]")
    objects = with_text_field(b"/V(100)/AP<</N 8 0 R>>") | {8: look}
    pdf = sign_plain(authority, objects)

    assert "form-appearance-changed" in refused(
        append(pdf, {6: TEXT_FIELD % b"/V(100)/AP<</N 60 0 R>>", 60: look.replace(b"100", b"900")})
    )


def test_a_signature_taken_out_is_found(signed: bytes) -> None:
    """Another catalog without the form hides the signature; it is reported all the same."""
    pdf = append(signed, {60: b"<</Type/Catalog/Pages 2 0 R>>"}, trailer=b"/Root 60 0 R/ID[<00><01>]")

    assert {"signature-removed", "catalog-replaced"} <= refused(pdf)
