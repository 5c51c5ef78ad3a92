"""What the long-term levels need of a CMS in a PDF: whose it is, what certificates it brings, what stamps it holds."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from pki.algorithms import der_of
from pki.asn1 import ades
from signing.ades.cms_edit import read_parts
from signing.ades.tokens import readable, signer_certificate
from signing.errors import DocumentUnreadable
from signing.validation.ber import NotBer, first_element

_MOST_CERTIFICATES = 100


@dataclass(frozen=True, slots=True)
class CmsView:
    """The certificate of the signer, the others inside, and the tokens over the signature value."""

    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    tokens: tuple[CmsView, ...]

    @property
    def certificate_der(self) -> bytes:
        return der_of(self.certificate)


def view_of(contents: bytes) -> CmsView:
    """Of the Contents of a signature; behind its one value only zeros (ISO 32000-2 §12.8.1).

    Raises DocumentUnreadable and DocumentTooComplex.
    """
    try:
        value, padding = first_element(contents)
        if any(padding):
            raise DocumentUnreadable("the Contents of a signature hold more than one value", kind="cms")
        return _view(value)
    except (NotBer, RecursionError) as error:
        raise DocumentUnreadable("a signature of the document is no CMS", kind="cms") from error


def _view(value: bytes) -> CmsView:
    parts = read_parts(value)
    if len(parts.signers) != 1:
        raise DocumentUnreadable("a signature in a PDF has one signer", kind="cms")
    if len(parts.certificates) > _MOST_CERTIFICATES:
        raise DocumentUnreadable("a signature brings too many certificates", kind="cms")
    certificates = readable(parts.evidence.certificates)
    own = signer_certificate(parts.signers[0], certificates)
    if own is None:
        raise DocumentUnreadable("a signature does not bring its certificate", kind="cms")
    tokens = tuple(_view(each) for each in parts.signers[0].values(ades.ID_SIGNATURE_TIME_STAMP))
    return CmsView(own, tuple(each for each in certificates if each != own), tokens)
