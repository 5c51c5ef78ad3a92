"""How a signature looks on its page: a stamp that ``paper`` lays out, put into the field as a form XObject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from cryptography import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.rw_common import find_inherited_value_in_tree

from paper.signature_stamp import Stamp, alternative_text, render_stamp
from pki.errors import CertificateUntrusted
from pki.names import name_of, party_of, written_name
from signing.errors import SigningForbidden
from signing.pdf import fields
from signing.pdf.fields import Place
from signing.pdf.revision import Revision, dictionary_in, elements, entry

LEAST = 20.0
_MATRICES = {90: (0, 1, -1, 0, 0, 0), 180: (-1, 0, 0, -1, 0, 0), 270: (0, -1, 1, 0, 0, 0)}


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
    turned = _rotation(widget.get_object())
    if turned % 180:
        width, height = height, width
    name, party = _signer(certificate)
    stamp = Stamp(width, height, name, party, at, reason, appearance.qr)
    form = revision.import_page_as_xobject(PdfFileReader(BytesIO(render_stamp(stamp))))
    if turned:  # a viewer turns the page back and fits the result into the rectangle (ISO 32000-2 §12.5.5)
        form.get_object()[pdf_name("/Matrix")] = generic.ArrayObject(
            generic.NumberObject(each) for each in _MATRICES[turned]
        )
    widget.get_object()[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): form})
    revision.mark_update(widget)
    if is_new:  # whoever made an empty field named it
        field.get_object()[pdf_name("/TU")] = fields.text(alternative_text(stamp))


def _signer(certificate: x509.Certificate) -> tuple[str, str]:
    """Name and party; a certificate of others may lack either."""
    try:
        party = party_of(certificate)
    except CertificateUntrusted:
        party = ""
    return name_of(certificate) or written_name(certificate.subject), party


def _widget(field: generic.IndirectObject) -> generic.IndirectObject:
    """The annotation of the field: itself, or its only child."""
    kids = entry(field.get_object(), "/Kids")
    if kids is None:
        return field
    if len(kids) != 1 or not isinstance(kids[0], generic.IndirectObject):
        raise SigningForbidden("the field stands in several places")
    return kids[0]


def _rotation(widget: generic.DictionaryObject) -> int:
    """Degrees, clockwise, by which the page of the annotation is shown."""
    page = dictionary_in(widget, "/P")
    if page is None:
        return 0
    found = find_inherited_value_in_tree(page, "/Rotate", "/Parent")
    return 0 if found is None else int(found) // 90 * 90 % 360


def _size(widget: generic.DictionaryObject) -> tuple[float, float]:
    left, bottom, right, top = (float(each) for each in elements(widget, "/Rect"))
    width, height = abs(right - left), abs(top - bottom)
    if width < LEAST or height < LEAST:
        raise SigningForbidden("the field is too small to show anything", least=LEAST)
    return width, height
