"""Salted commitments: what the log says of a confidential act, and how a disclosure is matched with it."""

from __future__ import annotations

import hashlib
from typing import Any

from kernel.canonical import canonical_bytes, parse_json
from kernel.errors import MalformedInput
from transparency.tree import leaf_hash

COMMITMENT_TYPE = "mohr/commitment/v1"
SALT_BYTES = 32


def counter_commitment(counter: int, counter_salt: bytes) -> str:
    """SHA-256("mohr counter v1" || counter_salt || counter as 8 bytes, big-endian), as hex."""
    if not 0 < counter < 1 << 53 or len(counter_salt) != SALT_BYTES:
        raise MalformedInput("a counter is counted from 1 and its salt has 32 bytes")
    return hashlib.sha256(b"mohr counter v1" + counter_salt + counter.to_bytes(8, "big")).hexdigest()


def commitment(content: dict[str, Any], salt: bytes) -> str:
    """SHA-256("mohr commitment v1" || salt || SHA-256(canonical content)), as hex."""
    if len(salt) != SALT_BYTES:
        raise MalformedInput("a salt has 32 bytes")
    digest = hashlib.sha256(canonical_bytes(content)).digest()
    return hashlib.sha256(b"mohr commitment v1" + salt + digest).hexdigest()


def commitment_entry(content: dict[str, Any], salt: bytes) -> bytes:
    """The log entry of a confidential act."""
    return canonical_bytes({"type": COMMITMENT_TYPE, "commitment": commitment(content, salt)})


def is_commitment(entry: bytes) -> bool:
    """Whether a log entry is that of a confidential act."""
    return bool(parse_json(entry).get("type") == COMMITMENT_TYPE)


def disclosed_leaf_hash(content: dict[str, Any], salt: str) -> str:
    """The leaf hash (hex) that ``content`` and ``salt`` (64 hex) of a receipt or a closing list lead to."""
    return leaf_hash(commitment_entry(content, _unhex(salt))).hex()


def disclosed_content(
    *, act: str, tender: str, digest: str, received_at: str, counter: int, counter_salt: str
) -> dict[str, Any]:
    """Rebuild ``content`` from a closing list, which discloses the counter and its salt (64 hex)."""
    return {
        "act": act,
        "tender": tender,
        "digest": digest,
        "received_at": received_at,
        "counter_commitment": counter_commitment(counter, _unhex(counter_salt)),
    }


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError) as error:
        raise MalformedInput("a salt is 64 hexadecimal digits") from error
