"""Accepted keys, digests and signature algorithms, and the two acts of signing and verifying with them.

ECDSA on P-256 and P-384, RSA of 2048 bits and more (PKCS #1 v1.5; PSS when verifying) and Ed25519, with
SHA-256, SHA-384 or SHA-512 (ETSI TS 119 312). ML-DSA-65 (FIPS 204, RFC 9881) signs and is certified in
certificates, requests, revocation lists and OCSP answers where a profile takes it; CMS and time stamps do not
know it yet. The primitives are those of ``cryptography``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.x509 import ObjectIdentifier

from pki import asn1

PrivateKey = (
    ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey
)
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey | mldsa.MLDSA65PublicKey
KEY_KINDS = frozenset({"P-256", "P-384", "RSA", "Ed25519", "ML-DSA-65"})

DIGEST_OIDS = {
    "sha256": ObjectIdentifier("2.16.840.1.101.3.4.2.1"),
    "sha384": ObjectIdentifier("2.16.840.1.101.3.4.2.2"),
    "sha512": ObjectIdentifier("2.16.840.1.101.3.4.2.3"),
}
DIGEST_NAMES = {oid: name for name, oid in DIGEST_OIDS.items()}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
# What is verified may be longer than what is certified here.
MAX_ISSUED_RSA_BITS = 4096

_ECDSA = {
    ObjectIdentifier("1.2.840.10045.4.3.2"): "sha256",
    ObjectIdentifier("1.2.840.10045.4.3.3"): "sha384",
    ObjectIdentifier("1.2.840.10045.4.3.4"): "sha512",
}
_RSA_PLAIN = ObjectIdentifier("1.2.840.113549.1.1.1")
_RSA_PKCS1 = {
    ObjectIdentifier("1.2.840.113549.1.1.11"): "sha256",
    ObjectIdentifier("1.2.840.113549.1.1.12"): "sha384",
    ObjectIdentifier("1.2.840.113549.1.1.13"): "sha512",
}
_RSA_PSS = ObjectIdentifier("1.2.840.113549.1.1.10")
_MGF1 = ObjectIdentifier("1.2.840.113549.1.1.8")
_ED25519 = ObjectIdentifier("1.3.101.112")


class AlgorithmRefused(ValueError):
    """The key or algorithm is not accepted, or the signature does not hold."""


@dataclass(frozen=True)
class Suite:
    """The digest and signature algorithm that a key signs CMS with."""

    digest: str
    identifier: asn1.SignatureAlgorithm


_EC_SUITE = Suite(
    "sha256",
    asn1.SignatureAlgorithm(algorithm=ObjectIdentifier("1.2.840.10045.4.3.2"), parameters=None),
)
_RSA_SUITE = Suite("sha256", asn1.SignatureAlgorithm(algorithm=_RSA_PLAIN, parameters=asn1.Null()))
# RFC 8419 §3.1: with signed attributes the digest beside Ed25519 is SHA-512.
_ED25519_SUITE = Suite("sha512", asn1.SignatureAlgorithm(algorithm=_ED25519, parameters=None))


def key_kind(key: object) -> str:
    """``P-256``, ``P-384``, ``RSA``, ``Ed25519`` or ``ML-DSA-65``; raises AlgorithmRefused for other keys."""
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, ec.SECP256R1):
            return "P-256"
        if isinstance(key.curve, ec.SECP384R1):
            return "P-384"
    elif isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return "RSA"
    elif isinstance(key, ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey):
        return "Ed25519"
    elif isinstance(key, mldsa.MLDSA65PublicKey | mldsa.MLDSA65PrivateKey):
        return "ML-DSA-65"
    raise AlgorithmRefused("the kind or size of the key is not accepted")


def suite_for(key: PrivateKey) -> Suite:
    """SHA-256 with ECDSA or RSA PKCS #1 v1.5; SHA-512 with Ed25519. Raises AlgorithmRefused for ML-DSA-65."""
    kind = key_kind(key)
    _expect(kind != "ML-DSA-65")
    return {"RSA": _RSA_SUITE, "Ed25519": _ED25519_SUITE}.get(kind, _EC_SUITE)


def suite_for_public(key: PublicKey) -> Suite:
    """The same by the public key, for signatures whose key is elsewhere. Raises AlgorithmRefused for ML-DSA-65."""
    kind = key_kind(key)
    _expect(kind != "ML-DSA-65")
    return {"RSA": _RSA_SUITE, "Ed25519": _ED25519_SUITE}.get(kind, _EC_SUITE)


def sign(key: PrivateKey, data: bytes) -> bytes:
    """The signature of ``suite_for(key)`` over ``data``."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    raise AlgorithmRefused("CMS signatures with this kind of key are not made here")


def verify(
    key: PublicKey, algorithm: asn1.SignatureAlgorithm, digest: str, signature: bytes, data: bytes
) -> None:
    """Raises AlgorithmRefused unless the signature holds and its hash is the stated digest."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            _expect(_ECDSA.get(algorithm.algorithm) == digest and algorithm.parameters is None)
            key.verify(signature, data, ec.ECDSA(HASHES[digest]))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _rsa_padding(algorithm, digest), HASHES[digest])
        elif isinstance(key, mldsa.MLDSA65PublicKey):
            raise AlgorithmRefused("CMS signatures with this kind of key are not read here")
        else:
            _expect(algorithm.algorithm == _ED25519 and algorithm.parameters is None)
            key.verify(signature, data)
    except InvalidSignature as error:
        raise AlgorithmRefused("the signature value does not belong to these attributes") from error


def digest_of_signature(algorithm: asn1.SignatureAlgorithm) -> str:
    """The digest that an ECDSA, PKCS #1 or Ed25519 algorithm names itself; raises AlgorithmRefused for others."""
    named = {**_ECDSA, **_RSA_PKCS1, _ED25519: "sha512"}.get(algorithm.algorithm)
    if named is None:
        raise AlgorithmRefused("the signature algorithm is not accepted")
    return named


def certificate_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The digest that this key signs certificates and lists with; None for keys that bring their own."""
    if isinstance(key, ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return hashes.SHA384()
    return hashes.SHA256()


@lru_cache(maxsize=4096)
def public_key_of(certificate: x509.Certificate) -> PublicKey:
    """The accepted key of a certificate; raises AlgorithmRefused."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AlgorithmRefused("the key of the certificate is not readable") from error
    key_kind(key)
    if not isinstance(key, PublicKey):
        raise AlgorithmRefused("the kind of the key is not accepted")
    return key


@lru_cache(maxsize=4096)
def issuer_of(certificate: x509.Certificate) -> bytes:
    """The DER of the name of its issuer."""
    return certificate.issuer.public_bytes()


def der_of(certificate: x509.Certificate) -> bytes:
    """The certificate as it came."""
    return certificate.public_bytes(serialization.Encoding.DER)


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, 64 lower-case hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def bare_hexadecimal(text: str) -> str:
    """A fingerprint or serial number as the record has it, from what other programs print: ``4F:AC:...``."""
    return text.replace(":", "").lower()


def spki_of(key: object) -> str:
    """SHA-256 (hex) of a public key as SubjectPublicKeyInfo, by which the record knows it; raises AlgorithmRefused."""
    key_kind(key)
    if not isinstance(key, PublicKey):
        raise AlgorithmRefused("a public key was expected")
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _rsa_padding(algorithm: asn1.SignatureAlgorithm, digest: str) -> padding.AsymmetricPadding:
    if algorithm.algorithm == _RSA_PSS:
        return _pss(algorithm.parameters, digest)
    named = digest if algorithm.algorithm == _RSA_PLAIN else _RSA_PKCS1.get(algorithm.algorithm)
    _expect(named == digest and not isinstance(algorithm.parameters, asn1.PssParameters))
    return padding.PKCS1v15()


def _pss(parameters: asn1.Null | asn1.PssParameters | None, digest: str) -> padding.PSS:
    # RFC 4056 §2.2: one hash for the message, the mask and the attributes; trailer 1 is the default.
    if not isinstance(parameters, asn1.PssParameters):
        raise AlgorithmRefused("PSS without parameters")
    mask, hash_algorithm = parameters.mask_generation, parameters.hash_algorithm
    if mask is None or hash_algorithm is None or parameters.trailer_field is not None:
        raise AlgorithmRefused("PSS with SHA-1 or an unknown trailer")
    oid = DIGEST_OIDS[digest]
    _expect(
        hash_algorithm.algorithm == oid and mask.algorithm == _MGF1 and mask.hash_algorithm.algorithm == oid
    )
    salt_length = 20 if parameters.salt_length is None else parameters.salt_length
    _expect(0 <= salt_length <= MAX_RSA_BITS // 8)
    return padding.PSS(padding.MGF1(HASHES[digest]), salt_length)


def _expect(condition: bool) -> None:
    if not condition:
        raise AlgorithmRefused("the signature algorithm does not fit the key or the digest")
