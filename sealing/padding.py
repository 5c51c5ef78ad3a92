"""Buckets: how long a payload is made, so that its length says little about what is inside."""

from __future__ import annotations


def padme(length: int) -> int:
    """The Padmé bucket of a length: at most 12 % more, and only O(log log) bits of it remain (PURBs, 2019)."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    zeros = exponent - exponent.bit_length()
    mask = (1 << zeros) - 1
    return (length + mask) & ~mask


def bucket_of(length: int, floor_bytes: int) -> int:
    """The length of the whole: at least the floor that the notice fixes for a kind, then Padmé."""
    return padme(max(length, floor_bytes))
