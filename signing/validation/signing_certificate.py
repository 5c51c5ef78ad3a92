"""By what digests a signature names its signer's certificate (ESS signing-certificate, RFC 5035 §3 to §5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509

from pki import asn1
from pki.algorithms import DIGEST_NAMES, der_of
from pki.asn1 import NotDer, ades


@dataclass(frozen=True, slots=True)
class NamedCertificate:
    """One identifier: the digest and by which algorithm (``""`` where that is unknown)."""

    digest_name: str
    digest: bytes
    serial: int | None


_NOBODY = NamedCertificate("", b"", None)


def named_certificates(signed: Mapping[str, tuple[bytes, ...]]) -> list[NamedCertificate]:
    """The first identifier of each such attribute, version 2 before version 1; one that cannot be read names nobody."""
    found = []
    for value in signed.get(ades.ID_SIGNING_CERTIFICATE_V2.dotted_string, ()):
        found += _version_2(value)
    for value in signed.get(ades.ID_SIGNING_CERTIFICATE.dotted_string, ()):
        found += _version_1(value)
    return found


def named_by_hash(certificate: x509.Certificate, signed: Mapping[str, tuple[bytes, ...]]) -> bool:
    """Whether there are such identifiers, and each is the digest of that certificate: who names two is nobody."""
    der, named = der_of(certificate), named_certificates(signed)
    return bool(named) and all(
        each.digest_name and hashlib.new(each.digest_name, der).digest() == each.digest for each in named
    )


def _version_2(value: bytes) -> list[NamedCertificate]:
    try:
        identifiers = asn1.decode(asn1.SigningCertificateV2, value).certificates[:1]
    except NotDer:
        return [_NOBODY]
    return [NamedCertificate(_name(each), each.certificate_hash, _serial(each)) for each in identifiers]


def _version_1(value: bytes) -> list[NamedCertificate]:
    try:
        identifiers = asn1.decode(ades.SigningCertificate, value).certificates[:1]
    except NotDer:
        return [_NOBODY]
    return [NamedCertificate("sha1", each.certificate_hash, _serial(each)) for each in identifiers]


def _name(identifier: asn1.EssCertIdV2) -> str:
    if identifier.hash_algorithm is None:
        return "sha256"
    return DIGEST_NAMES.get(identifier.hash_algorithm.algorithm, "")


def _serial(identifier: asn1.EssCertIdV2 | ades.EssCertId) -> int | None:
    return None if identifier.issuer_serial is None else identifier.issuer_serial.serial_number
