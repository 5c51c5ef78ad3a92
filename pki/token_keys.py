"""Private keys that are in a token: the key classes of ``cryptography``, whose signing happens elsewhere.

They stand wherever such a key may stand: builders of certificates, requests, lists and OCSP answers,
algorithms.sign, signed_data. Digests are made here, the token signs them (PKCS #11 v2.40 §2.1.6, §2.3.6), so
whatever its firmware knows of hashes does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
)

from pki.errors import KeyUnavailable, TokenMechanismMissing

Buffer = bytes | bytearray | memoryview
SignRaw = Callable[[bytes], bytes]

# DigestInfo up to the digest (RFC 8017 §9.2, note 1).
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class TokenEcKey(ec.EllipticCurvePrivateKey):
    """An EC key of a token; ``sign_raw`` maps a digest to r and s, each as long as the curve's order."""

    def __init__(self, public: ec.EllipticCurvePublicKey, sign_raw: SignRaw) -> None:
        self._public = public
        self._sign_raw = sign_raw

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """The DER of an ECDSA signature; raises TokenUnavailable, TokenMechanismMissing and the like."""
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise TokenMechanismMissing("a token's EC key signs with ECDSA only")
        digest = _digest(signature_algorithm.algorithm, data)[1]
        length = (self.key_size + 7) // 8
        # FIPS 186-5 §6.4.1: of a longer digest the leftmost bits count.
        raw = self._sign_raw(digest[:length])
        if len(raw) != 2 * length:
            raise TokenMechanismMissing("the token's ECDSA signature has a length of its own")
        return encode_dss_signature(int.from_bytes(raw[:length], "big"), int.from_bytes(raw[length:], "big"))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        raise TokenMechanismMissing("keys of authorities sign and do nothing else")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        _stays()

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes:
        _stays()

    def __copy__(self) -> TokenEcKey:
        return self

    def __deepcopy__(self, memo: object) -> TokenEcKey:
        return self


class TokenRsaKey(rsa.RSAPrivateKey):
    """An RSA key of a token; ``sign_raw`` maps a DigestInfo to the PKCS #1 v1.5 signature."""

    def __init__(self, public: rsa.RSAPublicKey, sign_raw: SignRaw) -> None:
        self._public = public
        self._sign_raw = sign_raw

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    def sign(
        self,
        data: Buffer,
        padding: AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | object,
    ) -> bytes:
        """A signature by PKCS #1 v1.5; raises TokenMechanismMissing for another padding."""
        if not isinstance(padding, _PKCS1):
            raise TokenMechanismMissing("a token's RSA key signs by PKCS #1 v1.5 only")
        name, digest = _digest(algorithm, data)
        if name not in _DIGEST_INFO:
            raise TokenMechanismMissing("a token's RSA key signs SHA-256, SHA-384 and SHA-512 only")
        return self._sign_raw(_DIGEST_INFO[name] + digest)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        raise TokenMechanismMissing("keys of authorities sign and do nothing else")

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        _stays()

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes:
        _stays()

    def __copy__(self) -> TokenRsaKey:
        return self

    def __deepcopy__(self, memo: object) -> TokenRsaKey:
        return self


_PKCS1 = padding.PKCS1v15


def _digest(algorithm: object, data: Buffer) -> tuple[str, bytes]:
    if isinstance(algorithm, Prehashed):
        return algorithm._algorithm.name, bytes(data)
    if not isinstance(algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        raise TokenMechanismMissing("a token's key signs SHA-256, SHA-384 and SHA-512 only")
    return algorithm.name, hashlib.new(algorithm.name, data).digest()


def _stays() -> NoReturn:
    raise KeyUnavailable("a key of a token never leaves it")
