"""Shamir's k-of-n sharing below p = 2^255 - 19, by the shamirs library, on 32-byte big-endian values."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import lagrange
import shamirs

PRIME = 2**255 - 19
VALUE_BYTES = 32


def new_secret() -> bytes:
    """A secret uniform below the prime."""
    return _bytes(secrets.randbelow(PRIME))


def split(secret: bytes, *, threshold: int, count: int) -> dict[int, bytes]:
    """Shares by index from 1 to ``count``; any ``threshold`` of them recover the secret."""
    dealt: Any = shamirs.shares(
        int.from_bytes(secret, "big"), quantity=count, modulus=PRIME, threshold=threshold
    )
    return {int(share[0]): _bytes(int(share[1])) for share in dealt}


def is_value(share: bytes) -> bool:
    """Whether the bytes are a number below the prime, written in its one form."""
    return len(share) == VALUE_BYTES and int.from_bytes(share, "big") < PRIME


def value_at(shares: Mapping[int, bytes], index: int) -> bytes:
    """What the polynomial through the shares says at ``index``; 0 is the secret itself."""
    known = shares.get(index)
    if known is not None:
        return known
    indexes = tuple(sorted(shares))
    weights = _weights(indexes, index)
    total = sum(
        weight * int.from_bytes(shares[each], "big") for weight, each in zip(weights, indexes, strict=True)
    )
    return _bytes(total % PRIME)


@lru_cache(maxsize=4096)
def _weights(indexes: tuple[int, ...], index: int) -> tuple[int, ...]:
    """How much of each share goes into the value at ``index`` (Lagrange). They depend on no secret.

    Each is what the library interpolates where that share is 1 and all others are 0. Shifting every point
    by ``index`` puts the wanted value at the origin, where the library evaluates.
    """
    shifted = [(each - index) % PRIME for each in indexes]
    return tuple(
        int(lagrange.interpolate({x: int(x == one) for x in shifted}, PRIME)) % PRIME for one in shifted
    )


def _bytes(value: int) -> bytes:
    return value.to_bytes(VALUE_BYTES, "big")
