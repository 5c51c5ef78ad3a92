"""Keys in a PKCS#11 token: the KeyProvider for a security module or card, and for SoftHSM in tests.

With token_sessions.py the only module that knows python-pkcs11. Keys are generated in the token, sensitive and
non-extractable, with the name as label; what ``load`` gives signs through a session that no other thread has at
that moment.
"""

from __future__ import annotations

import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ObjectIdentifier
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.mechanisms import Mechanism

from kernel.errors import Conflict, MalformedInput
from pki import asn1
from pki.algorithms import AlgorithmRefused, PrivateKey, key_kind
from pki.errors import KeyUnavailable
from pki.key_provider import RSA_SIZES, checked_name
from pki.token_keys import SignRaw, TokenEcKey, TokenRsaKey
from pki.token_module import find_module
from pki.token_pins import checked_pin
from pki.token_sessions import Connection, Lease

MAX_SESSIONS = 8
PATIENCE_SECONDS = 10.0
# CKA_EC_PARAMS (PKCS #11 v2.40 §2.3.3): the curve by its name.
_CURVES: dict[str, tuple[ec.EllipticCurve, bytes]] = {
    "P-256": (ec.SECP256R1(), asn1.encode(ObjectIdentifier("1.2.840.10045.3.1.7"))),
    "P-384": (ec.SECP384R1(), asn1.encode(ObjectIdentifier("1.3.132.0.34"))),
}


class TokenKeys:
    """The KeyProvider of one token, named by its label. ``module`` is a path or a file name (``libsofthsm2.so``).

    Opens at once: raises TokenUnavailable or TokenPinRefused. Safe for threads; a forked child opens its own
    sessions. ``close`` it, or leave it to the end of the process.
    """

    def __init__(
        self,
        module: str,
        token: str,
        pin: str,
        *,
        max_sessions: int = MAX_SESSIONS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.token = token
        self._connection = Connection(
            find_module(module), token, checked_pin(pin), max_sessions, patience_seconds
        )
        try:
            self._connection.perform(lambda lease: None)
        except BaseException:
            self._connection.close()
            raise

    def create(self, name: str, kind: str = "P-256") -> PrivateKey:
        """Generate a key in the token; raises Conflict, or TokenMechanismMissing where the token makes no such key."""
        checked_name(name)
        if kind not in _CURVES and kind not in RSA_SIZES:
            raise MalformedInput("a token makes no such kind of key here", kind=kind[:64])

        def act(lease: Lease) -> None:
            if lease.find(name, ObjectClass.PRIVATE_KEY):
                raise Conflict("a key of that name is in the token", name=name)
            _generate(lease.session, name, kind)

        self._connection.perform(act, writing=True)
        return self.load(name)

    def load(self, name: str) -> PrivateKey:
        """The key of that name; raises KeyUnavailable if there is none, or one that could leave the token."""
        public = self._connection.perform(lambda lease: _public_key(lease, checked_name(name)))
        if isinstance(public, ec.EllipticCurvePublicKey):
            return TokenEcKey(public, self._signing(name, Mechanism.ECDSA))
        return TokenRsaKey(public, self._signing(name, Mechanism.RSA_PKCS))

    def names(self) -> list[str]:
        """The labels of all private keys, sorted."""

        def act(lease: Lease) -> list[str]:
            return sorted({str(each[Attribute.LABEL]) for each in lease.find(None, ObjectClass.PRIVATE_KEY)})

        return self._connection.perform(act)

    def delete(self, name: str) -> None:
        """Destroy the key and its public half; raises KeyUnavailable if there is none."""
        checked_name(name)

        def act(lease: Lease) -> None:
            private = lease.find(name, ObjectClass.PRIVATE_KEY)
            if not private:
                raise KeyUnavailable("no such key in the token", name=name)
            for each in [*private, *lease.find(name, ObjectClass.PUBLIC_KEY)]:
                each.destroy()

        self._connection.perform(act, writing=True)

    def close(self) -> None:
        """Close all sessions and log out; keys that were loaded open them again when they sign."""
        self._connection.close()

    def _signing(self, name: str, mechanism: Mechanism) -> SignRaw:
        def sign(data: bytes) -> bytes:
            return self._connection.perform(
                lambda lease: bytes(lease.private_key(name).sign(data, mechanism=mechanism))
            )

        return sign


def _generate(session: Any, name: str, kind: str) -> None:
    private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
    elliptic = _CURVES.get(kind)
    session.generate_keypair(
        KeyType.RSA if elliptic is None else KeyType.EC,
        RSA_SIZES[kind] if elliptic is None else None,
        id=secrets.token_bytes(16),
        label=name,
        store=True,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        public_template=None if elliptic is None else {Attribute.EC_PARAMS: elliptic[1]},
        private_template=private,
    )


def _public_key(lease: Lease, name: str) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """From the public half that belongs to the private key of that name."""
    private = lease.private_key(name)
    halves = [
        each
        for each in lease.find(name, ObjectClass.PUBLIC_KEY)
        if each[Attribute.ID] == private[Attribute.ID]
    ]
    if len(halves) != 1:
        raise KeyUnavailable("the key's public half is not in the token", name=name)
    try:
        key = _read_public_key(halves[0])
        key_kind(key)
    except (ValueError, AlgorithmRefused) as error:
        raise KeyUnavailable("the kind of the key is not accepted", name=name) from error
    return key


def _read_public_key(half: Any) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    if half[Attribute.KEY_TYPE] == KeyType.RSA:
        exponent, modulus = (
            int.from_bytes(half[each], "big") for each in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)
        )
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    curves = [curve for curve, parameters in _CURVES.values() if parameters == half[Attribute.EC_PARAMS]]
    if half[Attribute.KEY_TYPE] != KeyType.EC or not curves:
        raise ValueError("another key type or curve")
    point: bytes = half[Attribute.EC_POINT]
    if len(point) != 1 + 2 * (
        curves[0].key_size // 8
    ):  # older tokens give the point without its OCTET STRING
        point = asn1.decode(bytes, point)
    return ec.EllipticCurvePublicKey.from_encoded_point(curves[0], point)
