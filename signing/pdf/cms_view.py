"""What the long-term levels need of a CMS in a PDF: whose it is, what certificates it brings, what stamps it holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import cms
from cryptography import x509

from pki import asn1
from pki.algorithms import der_of
from pki.asn1 import ades
from pki.signed_data import signer_identifier
from signing.errors import DocumentUnreadable

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
    """Of the Contents of a signature, padding behind it or not; raises DocumentUnreadable."""
    try:
        signed = asn1.decode(ades.ContentInfo, _der_in(contents)).content
        (signer,) = signed.signers.as_list()
        return _view(signed, signer)
    except DocumentUnreadable:
        raise
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise DocumentUnreadable("a signature of the document is no CMS", kind="cms") from error


def _view(signed: ades.SignedData, signer: ades.SignerInfo) -> CmsView:
    elements = [] if signed.certificates is None else signed.certificates.as_list()
    if len(elements) > _MOST_CERTIFICATES:
        raise DocumentUnreadable("a signature brings too many certificates", kind="cms")
    certificates = [_certificate(der) for each in elements if (der := asn1.encode(each))[0] == 0x30]
    identifier = asn1.encode(signer.sid.value) if signer.sid.tag == "issuer" else signer.sid.value
    own = next((each for each in certificates if identifier in _names(each)), None)
    if own is None:
        raise DocumentUnreadable("a signature does not bring its certificate", kind="cms")
    unsigned = [] if signer.unsigned_attributes is None else signer.unsigned_attributes.as_list()
    tokens = [
        view_of(asn1.encode(value))
        for each in unsigned
        if each.type == ades.ID_SIGNATURE_TIME_STAMP
        for value in each.values.as_list()
    ]
    return CmsView(own, tuple(each for each in certificates if each != own), tuple(tokens))


def _names(certificate: x509.Certificate) -> tuple[bytes, ...]:
    """What a SignerInfo may name it by: issuer and serial number, or its key identifier."""
    named = asn1.encode(signer_identifier(certificate))
    try:
        key = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        return (named,)
    return named, key


@lru_cache(maxsize=256)
def _certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _der_in(contents: bytes) -> bytes:
    """The one value at the beginning; behind it only zeros (ISO 32000-2 §12.8.1)."""
    if len(contents) < 2 or contents[0] != 0x30:
        raise DocumentUnreadable("a signature of the document is no CMS", kind="cms")
    if contents[1] == 0x80:
        return _definite(contents)
    octets = contents[1] & 0x7F if contents[1] & 0x80 else 0
    length = int.from_bytes(contents[2 : 2 + octets], "big") if octets else contents[1]
    end = 2 + octets + length
    if end > len(contents) or contents[end:].strip(b"\0"):
        raise DocumentUnreadable("the Contents of a signature hold more than one value", kind="cms")
    value = contents[:end]
    return value if _is_der(value) else _definite(value)


def _definite(ber: bytes) -> bytes:
    """What others encode otherwise, to be looked at only; the bytes in the document stay as they are."""
    return bytes(cms.ContentInfo.load(ber).dump(force=True))


def _is_der(value: bytes) -> bool:
    try:
        asn1.decode(ades.ContentInfo, value)
    except asn1.NotDer:
        return False
    return True
