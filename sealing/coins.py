"""Every random value of an envelope but its two secrets, derived from them, so that all can be made again.

HKDF-SHA256 (RFC 5869) over member_secret || custodian_secret; the label separates the uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealing.asn1 import NONCE_BYTES

SECRET_BYTES = 32
KEY_BYTES = 32
# 16 bytes beyond the order make the reduction's bias negligible (FIPS 186-5 A.2.1).
_SCALAR_BYTES = 48
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Secrets:
    """The two halves that together open an envelope: the members', recovered by k of them, and the custodian's."""

    member: bytes = field(repr=False)
    custodian: bytes = field(repr=False)

    def coin(self, label: str, length: int) -> bytes:
        """``length`` bytes for one use."""
        return self._derive(b"mohr coins v1" + label.encode("ascii"), None, length)

    def key(self, label: str) -> bytes:
        return self.coin(f"{label} key", KEY_BYTES)

    def nonce(self, label: str) -> bytes:
        return self.coin(f"{label} nonce", NONCE_BYTES)

    def blinding(self, label: str) -> bytes:
        return self.coin(f"{label} blinding", SECRET_BYTES)

    def ephemeral(self, label: str) -> ec.EllipticCurvePrivateKey:
        """A P-256 key whose scalar is uniform from 1 to the order less 1."""
        scalar = int.from_bytes(self.coin(f"{label} ephemeral", _SCALAR_BYTES), "big")
        return ec.derive_private_key(scalar % (_P256_ORDER - 1) + 1, ec.SECP256R1())

    def kek(self, context_digest: bytes) -> bytes:
        """The key that wraps the content key of the envelope with this context."""
        return self._derive(b"mohr kek v1", context_digest, KEY_BYTES)

    def _derive(self, info: bytes, salt: bytes | None, length: int) -> bytes:
        hkdf = HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info)
        return hkdf.derive(self.member + self.custodian)
