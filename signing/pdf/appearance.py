"""How a signature looks on its page: a stamp that ``paper`` lays out, put into the field as a form XObject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from cryptography import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader



from signing.errors import SigningForbidden
from signing.pdf import fields
from signing.pdf.fields import Place
from signing.pdf.revision import Revision


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
) -> None:
    """Give the field its appearance; raises SigningForbidden when it has no area."""
    raise NotImplementedError
