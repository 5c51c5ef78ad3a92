"""A mark put on a page of an unsigned PDF, and its identifier into what the document says of itself.

The mark is a page of PDF that becomes a form XObject at the end of the page's content, as an artifact (ISO 32000-2
§14.8.2.2), so that a tagged document stays tagged. It is one more revision: every earlier byte stays. The same document
and mark give the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from typing import Any, Literal

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.rw_common import find_inherited_value_in_tree

from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable, SigningForbidden
from signing.pdf import fields
from signing.pdf.opening import held, open_pdf, refusing_what_cannot_be_read
from signing.pdf.revision import Revision, reading
from signing.pdf.xmp_identifier import with_identifier

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
CORNERS: tuple[Corner, ...] = ("top-left", "top-right", "bottom-left", "bottom-right")
MARGIN = 24.0
URN = "urn:mohr:document:"
_NAMED = re.compile(URN.encode("ascii") + rb"([0-9]{20})(?![0-9])")
_MOST_MARKS = 8
_INFO = pdf_name("/MohrDocument")
# PDF/A-4 (ISO 19005-4 §6.1.3): no information dictionary, all of it stands in the XMP.
_NO_INFO = "4"


@dataclass(frozen=True, slots=True)
class _Box:
    """A page as it is shown: its box in its own space, degrees turned clockwise, points in one unit."""

    left: float
    bottom: float
    right: float
    top: float
    turned: int
    unit: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as shown, in points."""
        size = (self.right - self.left) * self.unit, (self.top - self.bottom) * self.unit
        return size if self.turned % 180 == 0 else (size[1], size[0])

    def matrix(self, x: float, y: float) -> tuple[float, ...]:
        """From points at (x, y) of what is shown, from its lower left, into the page's own space."""
        x, y, scale = x / self.unit, y / self.unit, 1 / self.unit
        return {
            0: (scale, 0.0, 0.0, scale, self.left + x, self.bottom + y),
            90: (0.0, scale, -scale, 0.0, self.right - y, self.bottom + x),
            180: (-scale, 0.0, 0.0, -scale, self.right - x, self.top - y),
            270: (0.0, -scale, scale, 0.0, self.left + y, self.top - x),
        }[self.turned]


def mark_pdf(
    source: bytes, mark: bytes, identifier: str, *, page: int = 0, corner: Corner | tuple[float, float]
) -> bytes:
    """The document with ``mark`` (a PDF of one page) in that corner, or with its lower left corner at that point of the
    page as it is shown; ``page`` from 0, or from the end below 0.

    XMP gets ``xmp:Identifier`` with ``urn:mohr:document:`` and the identifier, the information dictionary
    ``/MohrDocument``. Raises SigningForbidden for a signed document, a page that is not there or too small;
    DocumentUnreadable, DocumentEncrypted, DocumentTooComplex.
    """
    revision = Revision.of(source)
    with reading():
        _require_unsigned(revision, source)
        _put(revision, mark, page, corner)
        _name(revision, identifier)
        return revision.finished()


def marked_with(source: bytes) -> frozenset[str]:
    """The identifiers that the last few marks left in what a PDF says of itself; none where that cannot be read."""
    if b"%PDF-" not in source[:1024]:
        return frozenset()
    try:
        reader = open_pdf(source)
        with refusing_what_cannot_be_read():
            metadata = held(reader.root, "/Metadata")
            packet = metadata.data if isinstance(metadata, generic.StreamObject) else b""
    except (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex):
        return frozenset()
    return frozenset(each.decode("ascii") for each in _NAMED.findall(packet)[-_MOST_MARKS:])


def _require_unsigned(revision: Revision, source: bytes) -> None:
    signed = [each.name for each in fields.signature_fields(revision) if each.signed]
    if signed or "/Perms" in revision.root or b"/ByteRange" in source:
        raise SigningForbidden("the document is signed: whatever is put on it now breaks the signature")


def _put(revision: Revision, mark: bytes, number: int, corner: Corner | tuple[float, float]) -> None:
    pages = int(revision.root["/Pages"]["/Count"])
    if not -pages <= number < pages:
        raise SigningForbidden("the document has no such page", page=number, pages=pages)
    reference, inherited = revision.find_page_for_modification(number)
    page = reference.get_object()
    form = revision.import_page_as_xobject(PdfFileReader(BytesIO(mark)))
    width, height = _rectangle(form.get_object()["/BBox"])[2:]
    box = _box(page)
    x, y = _corner(box, width, height, corner) if isinstance(corner, str) else corner
    name = _add_resource(page, inherited, form)
    numbers = " ".join(f"{each:.4f}".rstrip("0").rstrip(".") for each in box.matrix(x, y))
    drawing = f"\nQ\n/Artifact BMC\nq {numbers} cm {name} Do Q\nEMC\n".encode("ascii")
    _enclose(revision, page, drawing)
    revision.mark_update(reference)


def _box(page: generic.DictionaryObject) -> _Box:
    """What of the page is shown: its CropBox within its MediaBox (ISO 32000-2 §14.11.2)."""
    left, bottom, right, top = _rectangle(_inherited(page, "/MediaBox"))
    crop = _inherited(page, "/CropBox")
    if crop is not None:
        inner = _rectangle(crop)
        left, bottom = max(left, inner[0]), max(bottom, inner[1])
        right, top = min(right, inner[2]), min(top, inner[3])
    turned = int(_inherited(page, "/Rotate") or 0) // 90 * 90 % 360
    unit = float(held(page, "/UserUnit") or 1)
    if not 0 < unit <= 1000:
        raise SigningForbidden("the page has an impossible unit")
    return _Box(left, bottom, right, top, turned, unit)


def _inherited(page: generic.DictionaryObject, key: str) -> Any:
    return find_inherited_value_in_tree(page, key, "/Parent")


def _rectangle(value: Any) -> tuple[float, float, float, float]:
    if value is None or len(value) != 4:
        raise SigningForbidden("the page has no size")
    x1, y1, x2, y2 = (float(each) for each in value)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _corner(box: _Box, width: float, height: float, corner: Corner) -> tuple[float, float]:
    across, up = box.size
    if across < width + 2 * MARGIN or up < height + 2 * MARGIN:
        raise SigningForbidden("the page is too small for the mark", width=round(across), height=round(up))
    vertical, horizontal = corner.split("-")
    x = MARGIN if horizontal == "left" else across - MARGIN - width
    return x, MARGIN if vertical == "bottom" else up - MARGIN - height


def _add_resource(page: generic.DictionaryObject, inherited: Any, form: generic.IndirectObject) -> str:
    """The page gets resources of its own, since others may share those it had; returns the name of the form."""
    resources = generic.DictionaryObject(dict(inherited.get_object().items()))
    known = held(resources, "/XObject")
    listed = generic.DictionaryObject(dict(known.items()) if known is not None else {})
    name = next(each for number in count(1) if (each := f"/Mark{number}") not in listed)
    listed[pdf_name(name)] = form
    resources[pdf_name("/XObject")] = listed
    page[pdf_name("/Resources")] = resources
    return name


def _enclose(revision: Revision, page: generic.DictionaryObject, drawing: bytes) -> None:
    """What is there keeps its graphics state to itself, and the drawing comes last."""
    there: list[Any] = []
    if "/Contents" in page:
        raw = page.raw_get("/Contents")
        content = raw.get_object()
        there = list(content) if isinstance(content, generic.ArrayObject) else [raw]
    streams = (generic.StreamObject(stream_data=each) for each in (b"q\n", drawing))
    first, last = (revision.add_object(each) for each in streams)
    page[pdf_name("/Contents")] = generic.ArrayObject([first, *there, last])


def _name(revision: Revision, identifier: str) -> None:
    """The identifier into XMP and, where the document may have one, the information dictionary."""
    metadata = held(revision.root, "/Metadata")
    packet = metadata.data if isinstance(metadata, generic.StreamObject) else None
    written, part = with_identifier(packet, URN + identifier)
    entries = {pdf_name("/Type"): pdf_name("/Metadata"), pdf_name("/Subtype"): pdf_name("/XML")}
    # Without a filter, as PDF/A-1 wants it (ISO 19005-1 §6.7.2).
    revision.root[pdf_name("/Metadata")] = revision.add_object(
        generic.StreamObject(entries, stream_data=written)
    )
    revision.update_root()
    if part == _NO_INFO:
        return
    known = held(revision.prev.trailer, "/Info")
    info = generic.DictionaryObject(dict(known.items()) if known is not None else {})
    info[_INFO] = fields.text(identifier)
    revision.set_info(revision.add_object(info))
