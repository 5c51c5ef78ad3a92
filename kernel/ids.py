"""Identifiers: UUIDv7 (RFC 9562 §5.7), so that they sort by the time they were made."""

from __future__ import annotations

import re
import secrets

import uuid_utils

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_id() -> str:
    """A fresh UUIDv7 in its canonical text form (36 characters)."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether the text is a UUIDv7 in canonical form."""
    return _UUID.fullmatch(text) is not None


def new_secret() -> bytes:
    """32 bytes from the operating system's generator."""
    return secrets.token_bytes(32)
