"""Certificates that were really issued below a root, told apart from those that only bear the right names.

Whoever builds a path by names alone has as many ways to try as others put certificates of the same names beside a
signature: five of each of twelve names make 244 million. Nobody makes one that is issued below a root, and each
certificate is compared once with each issuer of its name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from pki.algorithms import der_of

_Name = frozenset[tuple[str, str]]


def issued_below(
    roots: Sequence[x509.Certificate], others: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Those of ``others`` that a root, or one of them that is itself proven, signed; in their order."""
    waiting = {named.der: named for each in others if (named := _named(each)) is not None}
    latest = [named for each in roots if (named := _named(each)) is not None]
    proven: set[bytes] = set()
    while latest and waiting:
        found = [each.der for each in waiting.values() if any(each.is_below(above) for above in latest)]
        latest = [waiting.pop(der) for der in found]
        proven.update(found)
    return [each for each in others if der_of(each) in proven]


@dataclass(frozen=True, slots=True)
class _Named:
    der: bytes
    certificate: x509.Certificate
    subject: _Name
    issuer: _Name

    def is_below(self, above: _Named) -> bool:
        return self.issuer == above.subject and _holds(self.certificate, above.certificate)


def _named(certificate: x509.Certificate) -> _Named | None:
    try:
        subject, issuer = _folded(certificate.subject), _folded(certificate.issuer)
    except ValueError:  # A name that cannot be read is nobody's issuer.
        return None
    return _Named(der_of(certificate), certificate, subject, issuer)


def _holds(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the signature of the certificate is by that key; what cannot be computed does not hold."""
    covered, signature = certificate.tbs_certificate_bytes, certificate.signature
    try:
        key, digest = issuer.public_key(), certificate.signature_hash_algorithm
        parameters = certificate.signature_algorithm_parameters
        if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, covered)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
            key.verify(signature, covered, parameters)
        elif isinstance(key, dsa.DSAPublicKey) and digest is not None:
            key.verify(signature, covered, digest)
        elif isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, covered, parameters, digest)  # type: ignore[arg-type]
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _folded(name: x509.Name) -> _Name:
    """Equal wherever RFC 5280 §7.1 finds names equal; whether they really are is for the validation of the path."""
    return frozenset((each.oid.dotted_string, _letters(each.value)) for each in name)


def _letters(value: str | bytes) -> str:
    text = value if isinstance(value, str) else value.hex()
    return "".join(each for each in unicodedata.normalize("NFKC", text).casefold() if each.isalnum())
