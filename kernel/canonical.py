"""Canonical JSON (RFC 8785) and SHA-256 over it: one byte string for one meaning.

Documents that are signed or hashed hold only objects, arrays, strings, booleans, null and integers
below 2**53; amounts are decimal strings. Floats are refused, so two systems never round differently.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

import rfc8785

from kernel.errors import LimitExceeded, MalformedInput

MAX_INTEGER = 2**53 - 1
DEFAULT_MAX_BYTES = 1 << 20
DEFAULT_MAX_DEPTH = 16

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
_TYPE_ERROR = "only objects, arrays, strings, booleans, null and whole numbers below 2^53 are allowed"


def canonical_bytes(value: Any) -> bytes:
    """The RFC 8785 bytes of ``value``; raises MalformedInput on floats, odd keys or huge integers."""
    _check(value, DEFAULT_MAX_DEPTH)
    return _written(value)


def parse_canonical(
    data: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, max_depth: int = DEFAULT_MAX_DEPTH
) -> dict[str, Any]:
    """Read an object that is already in canonical form, byte for byte.

    Raises LimitExceeded beyond ``max_bytes`` or ``max_depth``, MalformedInput on anything that is not
    JSON, repeats a key, or would be written differently by RFC 8785.
    """
    value = parse_json(data, max_bytes=max_bytes, max_depth=max_depth)
    if _written(value) != data:
        raise MalformedInput("the JSON is not in canonical form (RFC 8785)")
    return value


def parse_json(
    data: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, max_depth: int = DEFAULT_MAX_DEPTH
) -> dict[str, Any]:
    """Read a JSON object from outside within limits; repeated keys are refused."""
    if len(data) > max_bytes:
        raise LimitExceeded("the JSON is too long", limit_bytes=max_bytes, length_bytes=len(data))
    try:
        value = json.loads(data, object_pairs_hook=_no_duplicates)
    except RecursionError as error:
        raise LimitExceeded("the JSON is nested too deeply", limit_depth=max_depth) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise MalformedInput("not JSON, or a key is repeated") from error
    if not isinstance(value, dict):
        raise MalformedInput("a JSON object was expected")
    _check(value, max_depth)
    return value


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of the canonical bytes of ``value``."""
    return sha256_hex(canonical_bytes(value))


def to_base64(data: bytes) -> str:
    """Standard base64 with padding, no line breaks."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Strict base64; raises MalformedInput or LimitExceeded."""
    if not isinstance(text, str):
        raise MalformedInput("base64 text was expected")
    if len(text) > (max_bytes + 2) // 3 * 4:
        raise LimitExceeded("the base64 text is too long", limit_bytes=max_bytes)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedInput("not base64") from error


def _written(value: Any) -> bytes:
    """The RFC 8785 bytes of what passed ``_check``.

    Without floats, the encoder of the standard library writes what RFC 8785 asks for: the same escapes, no spaces,
    members sorted. It sorts names by code point, RFC 8785 (§3.2.3) by UTF-16 unit: another order only beyond U+FFFF.
    """
    try:
        text = _ENCODER.encode(value)
        if text.isascii() or len(text.encode("utf-16-le")) == 2 * len(text):
            return text.encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise MalformedInput(_TYPE_ERROR) from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("repeated key")
    return result


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise LimitExceeded("the JSON is nested too deeply")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise MalformedInput(_TYPE_ERROR)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise MalformedInput("object keys are strings")
            _check(item, depth - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth - 1)
    else:
        raise MalformedInput(_TYPE_ERROR)
