"""Signature values by any algorithm that the library computes, weak ones too: a dated policy judges those.

Only for judging what others signed; what this installation signs, issues or takes in stays with
``pki.algorithms``, which refuses weak keys and digests altogether.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from pki import asn1
from pki.algorithms import is_too_large
from signing.validation.contents import NotCovered

_SHA3 = {7: "sha3_224", 8: "sha3_256", 9: "sha3_384", 10: "sha3_512"}
DIGESTS = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    **{f"2.16.840.1.101.3.4.2.{number}": name for number, name in _SHA3.items()},
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_224": hashes.SHA3_224(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}
_PLAIN = "1.2.840.113549.1.1.1"
_PSS = "1.2.840.113549.1.1.10"
_MGF1 = "1.2.840.113549.1.1.8"
_PKCS1 = {
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.14": "sha224",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "2.16.840.1.101.3.4.3.13": "sha3_224",
    "2.16.840.1.101.3.4.3.14": "sha3_256",
    "2.16.840.1.101.3.4.3.15": "sha3_384",
    "2.16.840.1.101.3.4.3.16": "sha3_512",
}
_ECDSA = {
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    "2.16.840.1.101.3.4.3.9": "sha3_224",
    "2.16.840.1.101.3.4.3.10": "sha3_256",
    "2.16.840.1.101.3.4.3.11": "sha3_384",
    "2.16.840.1.101.3.4.3.12": "sha3_512",
}
_DSA = {
    "1.2.840.10040.4.3": "sha1",
    "2.16.840.1.101.3.4.3.1": "sha224",
    "2.16.840.1.101.3.4.3.2": "sha256",
}
_EDWARDS = {"1.3.101.112": "Ed25519", "1.3.101.113": "Ed448"}
_MAX_SALT = 1024


Signed = x509.Certificate | x509.CertificateRevocationList
_Check = Callable[[bytes, bytes], None]


class ValueRefused(ValueError):
    """The value is not that of this key over these bytes, or of an algorithm that is not computed here."""


class KeyTooLarge(ValueRefused):
    """The key is so large that no signature by it is computed, be it right or not."""


@dataclass(frozen=True, slots=True)
class AlgorithmUse:
    """``digest`` by its name (None where the key brings its own) and kind and size of the key."""

    digest: str | None
    key: str | None = None
    bits: int = 0

    def __str__(self) -> str:
        key = f"{self.key}-{self.bits}" if self.key in {"RSA", "RSASSA-PSS", "DSA"} else self.key
        if self.key == "ECDSA":
            key = f"ECDSA with {self.bits} bits"
        return " with ".join(each for each in (self.digest and self.digest.upper(), key) if each)


def digest_name(identifier: str) -> str | None:
    """The name of the digest with that dotted identifier, also where a signature algorithm was written for it."""
    return DIGESTS.get(identifier) or _PKCS1.get(identifier) or _ECDSA.get(identifier)


def verify_value(
    certificate: x509.Certificate,
    algorithm: str,
    parameters: bytes | None,
    signature: bytes,
    data: bytes,
    digest: str | None = None,
) -> AlgorithmUse:
    """What was used; ``digest`` is that of the signer where the algorithm names none. Raises ValueRefused."""
    try:
        use, check = _plan(certificate, algorithm, parameters, digest)
        check(signature, data)
    except InvalidSignature as error:
        raise ValueRefused("the signature value is not that of the signer's key") from error
    except KeyTooLarge:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueRefused(str(error) or "the signature algorithm is not known") from error
    return use


def verify_digest(
    certificate: x509.Certificate,
    algorithm: str,
    parameters: bytes | None,
    signature: bytes,
    digest_of: Callable[[str], bytes],
    digest: str | None = None,
) -> AlgorithmUse:
    """The same of data of which only digests are at hand; an Edwards key is refused, which signs no digest."""
    try:
        use, check = _plan(certificate, algorithm, parameters, digest)
        if not isinstance(check, partial) or use.digest is None:
            raise ValueRefused("a signature of this key without signed attributes is not computed")
        verify, *arguments, hashed = (check.func, *check.args)
        verify(*arguments, Prehashed(hashed), signature, digest_of(use.digest))
    except InvalidSignature as error:
        raise ValueRefused("the signature value is not that of the signer's key") from error
    except (NotCovered, ValueRefused):
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueRefused(str(error) or "the signature algorithm is not known") from error
    return use


def use_of(
    certificate: x509.Certificate, algorithm: str, parameters: bytes | None = None, digest: str | None = None
) -> AlgorithmUse:
    """The same without verifying; raises ValueRefused."""
    try:
        return _plan(certificate, algorithm, parameters, digest)[0]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueRefused(str(error) or "the signature algorithm is not known") from error


def verify_signed(signer: x509.Certificate, signed: Signed, covered: bytes) -> AlgorithmUse:
    """The same of a certificate or revocation list, whose signed part is ``covered``; raises ValueRefused."""
    try:
        use, check = _plan_signed(signer, signed)
        check(signed.signature, covered)
    except InvalidSignature as error:
        raise ValueRefused("the signature value is not that of the signer's key") from error
    except KeyTooLarge:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueRefused(str(error) or "the signature algorithm is not known") from error
    return use


def use_of_signed(signer: x509.Certificate, signed: Signed) -> AlgorithmUse:
    """What a certificate or revocation list was signed with, unverified; raises ValueRefused."""
    try:
        return _plan_signed(signer, signed)[0]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueRefused(str(error) or "the signature algorithm is not known") from error


def _plan_signed(signer: x509.Certificate, signed: Signed) -> tuple[AlgorithmUse, _Check]:
    key, algorithm = _key_of(signer), signed.signature_algorithm_oid.dotted_string
    if not isinstance(key, rsa.RSAPublicKey) or algorithm != _PSS:
        return _plan(signer, algorithm, None, None)
    scheme, digest = signed.signature_algorithm_parameters, signed.signature_hash_algorithm
    if not isinstance(scheme, padding.PSS) or digest is None:
        raise ValueError("the parameters of PSS are not known")
    use = AlgorithmUse(digest.name.replace("-", "_"), "RSASSA-PSS", key.key_size)
    return use, partial(_verify_rsa, key, scheme, digest)


def _verify_rsa(
    key: rsa.RSAPublicKey,
    scheme: padding.AsymmetricPadding,
    digest: hashes.HashAlgorithm,
    signature: bytes,
    data: bytes,
) -> None:
    key.verify(signature, data, scheme, digest)


def _verify_ec(
    key: ec.EllipticCurvePublicKey, digest: hashes.HashAlgorithm, signature: bytes, data: bytes
) -> None:
    key.verify(signature, data, ec.ECDSA(digest))


def _verify_dsa(key: dsa.DSAPublicKey, digest: hashes.HashAlgorithm, signature: bytes, data: bytes) -> None:
    key.verify(signature, data, digest)


def _plan(
    certificate: x509.Certificate, algorithm: str, parameters: bytes | None, digest: str | None
) -> tuple[AlgorithmUse, _Check]:
    key = _key_of(certificate)
    if isinstance(key, rsa.RSAPublicKey) and algorithm == _PSS:
        name, pss = _pss(parameters)
        return AlgorithmUse(name, "RSASSA-PSS", key.key_size), partial(_verify_rsa, key, pss, _HASHES[name])
    if isinstance(key, rsa.RSAPublicKey):
        name = _named(digest if algorithm == _PLAIN else _PKCS1.get(algorithm))
        scheme = padding.PKCS1v15()
        return AlgorithmUse(name, "RSA", key.key_size), partial(_verify_rsa, key, scheme, _HASHES[name])
    if isinstance(key, ec.EllipticCurvePublicKey):
        name = _named(_ECDSA.get(algorithm))
        return AlgorithmUse(name, "ECDSA", key.key_size), partial(_verify_ec, key, _HASHES[name])
    if isinstance(key, dsa.DSAPublicKey):
        name = _named(_DSA.get(algorithm))
        return AlgorithmUse(name, "DSA", key.key_size), partial(_verify_dsa, key, _HASHES[name])
    if isinstance(key, ed25519.Ed25519PublicKey) and _EDWARDS.get(algorithm) == "Ed25519":
        return AlgorithmUse(None, "Ed25519", 256), key.verify
    if isinstance(key, ed448.Ed448PublicKey) and _EDWARDS.get(algorithm) == "Ed448":
        return AlgorithmUse(None, "Ed448", 456), key.verify
    raise ValueError("the signature algorithm does not fit the key")


def _key_of(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    key = certificate.public_key()
    if is_too_large(key):
        raise KeyTooLarge("the key is larger than what is computed: RSA of 8192 bits, DSA of 3072")
    return key


def _named(digest: str | None) -> str:
    if digest is None or digest not in _HASHES:
        raise ValueError("the signature algorithm does not fit the key")
    return digest


def _pss(parameters: bytes | None) -> tuple[str, padding.PSS]:
    # RFC 4055 §3.1: what is not written is SHA-1, MGF1 with SHA-1, 20 octets of salt and trailer 1.
    found = asn1.decode(asn1.PssParameters, parameters) if parameters else None
    if found is None:
        return "sha1", padding.PSS(padding.MGF1(hashes.SHA1()), 20)
    name = _digest_of(found.hash_algorithm)
    mask = found.mask_generation
    if mask is not None and mask.algorithm.dotted_string != _MGF1:
        raise ValueError("the mask of PSS is not known")
    mask_name = _digest_of(None if mask is None else mask.hash_algorithm)
    salt = 20 if found.salt_length is None else found.salt_length
    if not 0 <= salt <= _MAX_SALT or found.trailer_field not in (None, 1):
        raise ValueError("salt or trailer of PSS is not known")
    if name != mask_name:
        raise ValueError("the two digests of PSS differ")
    return name, padding.PSS(padding.MGF1(_HASHES[mask_name]), salt)


def _digest_of(algorithm: asn1.HashAlgorithm | None) -> str:
    if algorithm is None:
        return "sha1"
    return _named(DIGESTS.get(algorithm.algorithm.dotted_string))
