"""Bare primitives of ``cryptography`` and hashlib, on keys and sizes of their own: no format, no check, no object."""

from __future__ import annotations

import hashlib
import os
import secrets

import shamirs
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

_ECDSA = ec.ECDSA(hashes.SHA256())
_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PRIME = 2**255 - 19
# What a signature in this product covers: the DER of four signed attributes.
SIGNED_BYTES = 230
# The canonical JSON inside a share.
SHARE_BYTES = 340
_INFO = bytes(40)


class Bare:
    """Each method does one primitive ``count`` times."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(_CURVE)
        self._public = self._key.public_key()
        self._peer = ec.generate_private_key(_CURVE).public_key()
        self._point = bytes.fromhex("04") + self._coordinates()
        self._message = os.urandom(SIGNED_BYTES)
        self._signature = self._key.sign(self._message, _ECDSA)
        self._secret = os.urandom(64)
        self._wrapping, self._content = os.urandom(32), os.urandom(32)
        self._wrapped = aes_key_wrap(self._wrapping, self._content)
        self._nonce = os.urandom(12)
        self._points = [(secrets.randbelow(_PRIME), secrets.randbelow(_PRIME)) for _ in range(16)]

    def sign(self, count: int) -> None:
        for _ in range(count):
            self._key.sign(self._message, _ECDSA)

    def verify(self, count: int) -> None:
        for _ in range(count):
            self._public.verify(self._signature, self._message, _ECDSA)

    def sha256(self, *data: bytes) -> None:
        for each in data:
            hashlib.sha256(each).digest()

    def hkdf(self, count: int) -> None:
        for _ in range(count):
            HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO).derive(self._secret)

    def make_keys(self, count: int) -> None:
        for _ in range(count):
            ec.derive_private_key(secrets.randbelow(_ORDER - 1) + 1, _CURVE)

    def agree(self, count: int) -> None:
        """ECDH and the X9.63 KDF."""
        for _ in range(count):
            shared = self._key.exchange(ec.ECDH(), self._peer)
            X963KDF(algorithm=hashes.SHA256(), length=32, sharedinfo=_INFO).derive(shared)

    def read_points(self, count: int) -> None:
        for _ in range(count):
            ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, self._point)

    def wrap(self, count: int) -> None:
        for _ in range(count):
            aes_key_wrap(self._wrapping, self._content)

    def unwrap(self, count: int) -> None:
        for _ in range(count):
            aes_key_unwrap(self._wrapping, self._wrapped)

    def encrypt(self, data: bytes, count: int = 1) -> None:
        for _ in range(count):
            AESGCM(self._content).encrypt(self._nonce, data, None)

    def decrypt(self, ciphertext: bytes, count: int = 1) -> None:
        for _ in range(count):
            AESGCM(self._content).decrypt(self._nonce, ciphertext, None)

    def encrypted(self, data: bytes) -> bytes:
        """Something for ``decrypt``."""
        return AESGCM(self._content).encrypt(self._nonce, data, None)

    def split(self, quantity: int, threshold: int) -> None:
        shamirs.shares(secrets.randbelow(_PRIME), quantity=quantity, modulus=_PRIME, threshold=threshold)

    def interpolate(self, count: int, threshold: int) -> None:
        """Values of a polynomial by Lagrange weights, which depend on no secret and are known."""
        for _ in range(count):
            sum(weight * value for weight, value in self._points[:threshold]) % _PRIME

    def _coordinates(self) -> bytes:
        numbers = self._public.public_numbers()
        return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
