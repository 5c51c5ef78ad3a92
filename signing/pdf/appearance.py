"""How a signature looks on its page: a stamp that ``paper`` lays out, put into the field as a form XObject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from cryptography import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader

from paper.signature_stamp import Stamp, alternative_text, render_stamp
from pki.names import name_of, party_of
from signing.errors import SigningForbidden
from signing.pdf import fields
from signing.pdf.fields import Place
from signing.pdf.revision import Revision, elements, entry

LEAST = 20.0


@dataclass(frozen=True, slots=True)
class Appearance:
    """Where the signature stands (None: where its empty field stands) and what its QR code says, if it has one."""

    place: Place | None = None
    qr: str | None = None


def draw(
    revision: Revision,
    field: generic.IndirectObject,
    appearance: Appearance,
    certificate: x509.Certificate,
    at: datetime,
    reason: str | None,
    *,
    is_new: bool,
) -> None:
    """Give the field its appearance, and a new one a text for those who do not see it.

    Raises SigningForbidden when the field has no area, and MalformedInput when the QR code would hold too much.
    """
    widget = _widget(field)
    width, height = _size(widget.get_object())
    stamp = Stamp(width, height, name_of(certificate), party_of(certificate), at, reason, appearance.qr)
    page = PdfFileReader(BytesIO(render_stamp(stamp)))
    form = revision.import_page_as_xobject(page)
    widget.get_object()[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): form})
    revision.mark_update(widget)
    if is_new:  # whoever made an empty field named it
        field.get_object()[pdf_name("/TU")] = fields.text(alternative_text(stamp))


def _widget(field: generic.IndirectObject) -> generic.IndirectObject:
    """The annotation of the field: itself, or its only child."""
    kids = entry(field.get_object(), "/Kids")
    if kids is None:
        return field
    if len(kids) != 1 or not isinstance(kids[0], generic.IndirectObject):
        raise SigningForbidden("the field stands in several places")
    return kids[0]


def _size(widget: generic.DictionaryObject) -> tuple[float, float]:
    left, bottom, right, top = (float(each) for each in elements(widget, "/Rect"))
    width, height = abs(right - left), abs(top - bottom)
    if width < LEAST or height < LEAST:
        raise SigningForbidden("the field is too small to show anything", least=LEAST)
    return width, height
