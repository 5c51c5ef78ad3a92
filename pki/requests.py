"""Certificate requests (RFC 2986): reading, proof of possession, keys that are too weak, wishes.

The registrar names the subject and the profile the extensions; what a request says of both are wishes. Wishes
that the profile could never grant are refused here, so that nobody believes they were granted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ObjectIdentifier

from kernel.canonical import sha256_hex
from kernel.errors import LimitExceeded
from pki import algorithms
from pki.algorithms import PrivateKey, PublicKey, certificate_hash
from pki.errors import ExtensionForbidden, KeyWeak, RequestInvalid, SubjectForbidden
from pki.names import ATTRIBUTES, Subject
from pki.profiles.model import Profile
from pki.variation import Variation, names_of, purposes_of, usages_of

MAX_REQUEST_BYTES = 16 * 1024
_MAX_ATTRIBUTES = 32
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_FERMAT_ROUNDS = 100
_SMALL_PRIMES = math.prod(
    number for number in range(3, 752, 2) if all(number % factor for factor in range(3, number, 2))
)


def make_request(key: PrivateKey, subject: Subject, wishes: x509.Extensions | None = None) -> bytes:
    """A PKCS #10 request (DER) signed with the key it is for."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.to_name())
    for wish in wishes or ():
        builder = builder.add_extension(wish.value, wish.critical)
    request = builder.sign(key, certificate_hash(key))
    return request.public_bytes(Encoding.DER)


def check_csr(csr: bytes, profile: Profile) -> x509.CertificateSigningRequest:
    """A request in PEM or DER with proof of possession, a key the profile takes and wishes it may grant.

    Raises LimitExceeded beyond 16 KiB, KeyWeak, SubjectForbidden, ExtensionForbidden, and RequestInvalid
    otherwise.
    """
    if len(csr) > MAX_REQUEST_BYTES:
        raise LimitExceeded("the certificate request is too long", limit_bytes=MAX_REQUEST_BYTES)
    try:
        pem = csr.lstrip().startswith(b"-----BEGIN")
        request = x509.load_pem_x509_csr(csr) if pem else x509.load_der_x509_csr(csr)
        key = request.public_key()
    except Exception as error:  # InvalidVersion and UnsupportedAlgorithm, for two, are no ValueErrors.
        raise RequestInvalid("not a readable certificate request with an accepted key") from error
    check_key(key, profile)
    if not _is_proven(request):
        raise RequestInvalid("the request does not prove possession of its key")
    check_subject(request, profile)
    wishes_of(request, profile)
    return request


def check_key(key: object, profile: Profile) -> PublicKey:
    """Raises KeyWeak for RSA that anybody may break, RequestInvalid for what the profile does not take."""
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key, profile)
    try:
        kind = algorithms.key_kind(key)
    except algorithms.AlgorithmRefused as error:
        raise RequestInvalid("not a readable certificate request with an accepted key") from error
    if kind not in profile.keys.kinds or not isinstance(key, PublicKey):
        raise RequestInvalid("this profile takes other keys", profile=profile.name, key_kind=kind)
    return key


def check_subject(request: x509.CertificateSigningRequest, profile: Profile) -> None:
    """Raises SubjectForbidden for attributes that the profile allows in no subject, or too many of them."""
    try:
        attributes = list(request.subject)
    except ValueError as error:
        raise RequestInvalid("the subject of the request is not readable") from error
    if len(attributes) > _MAX_ATTRIBUTES:
        raise SubjectForbidden("the subject of the request has too many attributes", limit=_MAX_ATTRIBUTES)
    allowed = {ATTRIBUTES[name] for name in profile.subject.allowed}
    if foreign := {attribute.oid for attribute in attributes} - allowed:
        raise SubjectForbidden(
            "the request's subject holds what its profile forbids",
            profile=profile.name,
            forbidden=sorted(oid.dotted_string for oid in foreign),
        )


def wishes_of(request: x509.CertificateSigningRequest, profile: Profile) -> Variation:
    """What the request asks for within the bounds of the profile; raises ExtensionForbidden or LimitExceeded.

    A subject key identifier and ``cA`` false say nothing that could be granted or refused.
    """
    try:
        extensions = list(request.extensions)
    except Exception as error:  # As above: several kinds of errors, one meaning.
        raise RequestInvalid("the extensions of the request are not readable") from error
    wished: dict[str, Any] = {}
    for extension in extensions:
        read = _WISHES.get(extension.oid)
        if read is None:
            raise _forbidden(extension.oid, profile)
        wished.update(read(extension.value, profile))
    variation = Variation(**wished)
    usages_of(profile, algorithms.key_kind(request.public_key()), variation)
    purposes_of(profile, variation)
    if variation.emails or variation.dns_names or variation.uris:
        names_of(profile, variation)
    return variation


def spki_digest(csr: bytes | x509.CertificateSigningRequest | x509.Certificate) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal digits: the same for every use of one key.

    By it registration finds a key that was certified before. Raises RequestInvalid for bytes (PEM or DER) that
    are no request.
    """
    if isinstance(csr, bytes):
        try:
            pem = csr.lstrip().startswith(b"-----BEGIN")
            csr = x509.load_pem_x509_csr(csr) if pem else x509.load_der_x509_csr(csr)
        except ValueError as error:
            raise RequestInvalid("not a readable certificate request") from error
    return sha256_hex(csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@lru_cache(maxsize=1024)
def _is_proven(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except Exception:  # An algorithm that is not supported proves nothing.
        return False


def _check_rsa(key: rsa.RSAPublicKey, profile: Profile) -> None:
    # ETSI TS 119 312 §6.2.2.1; CA/Browser Forum Baseline Requirements §6.1.1.3 for the factors.
    low, high = profile.keys.rsa_bits
    if key.key_size < low:
        raise KeyWeak("the RSA key is too short", bits=key.key_size, at_least=low)
    if key.key_size > high:
        raise RequestInvalid("the RSA key is longer than this profile takes", bits=key.key_size, at_most=high)
    numbers = key.public_numbers()
    if not 1 << 16 < numbers.e < 1 << 256 or numbers.e % 2 == 0:
        raise KeyWeak("the RSA exponent is even or out of range", exponent_bits=numbers.e.bit_length())
    if numbers.n % 2 == 0 or math.gcd(numbers.n, _SMALL_PRIMES) != 1 or _has_close_factors(numbers.n):
        raise KeyWeak("the RSA modulus is factored at once")


def _has_close_factors(modulus: int) -> bool:
    """Fermat's method for a few rounds."""
    root = math.isqrt(modulus)
    start = root if root * root == modulus else root + 1
    for middle in range(start, start + _FERMAT_ROUNDS):
        rest = middle * middle - modulus
        if math.isqrt(rest) ** 2 == rest:
            return True
    return False


def _wish_constraints(value: x509.BasicConstraints, profile: Profile) -> dict[str, Any]:
    if value.ca and not profile.is_authority:
        raise _forbidden(value.oid, profile)
    return {}


def _wish_usages(value: x509.KeyUsage, profile: Profile) -> dict[str, Any]:
    # The last two are readable only beside key agreement.
    names = USAGES if value.key_agreement else USAGES[:-2]
    return {"key_usages": frozenset(name for name in names if getattr(value, name))}


def _wish_purposes(value: x509.ExtendedKeyUsage, profile: Profile) -> dict[str, Any]:
    return {"purposes": tuple(dict.fromkeys((*profile.purposes.default, *value)))}


def _wish_names(value: x509.SubjectAlternativeName, profile: Profile) -> dict[str, Any]:
    known = (x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier)
    if any(not isinstance(name, known) for name in value):
        raise _forbidden(value.oid, profile)
    emails, hosts, addresses = (tuple(value.get_values_for_type(kind)) for kind in known)
    return {"emails": emails, "dns_names": hosts, "uris": addresses}


def _wish_nothing(value: x509.ExtensionType, profile: Profile) -> dict[str, Any]:
    return {}


_WISHES: dict[ObjectIdentifier, Callable[[Any, Profile], dict[str, Any]]] = {
    x509.BasicConstraints.oid: _wish_constraints,
    x509.KeyUsage.oid: _wish_usages,
    x509.ExtendedKeyUsage.oid: _wish_purposes,
    x509.SubjectAlternativeName.oid: _wish_names,
    x509.SubjectKeyIdentifier.oid: _wish_nothing,
}


def _forbidden(oid: ObjectIdentifier, profile: Profile) -> ExtensionForbidden:
    return ExtensionForbidden(
        "the profile never grants this extension", profile=profile.name, extension=oid.dotted_string
    )
