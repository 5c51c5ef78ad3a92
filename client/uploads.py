"""Sending a sealed blob from its file: small ones at once, large ones as a stream that goes on where it broke."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from client.errors import ApiRefusal
from client.http import ApiClient
from kernel.errors import Unavailable

_PIECE_BYTES = 1 << 20
_HELD_BYTES = 1 << 20
_PAUSE_SECONDS = 0.5
# How often the line may break without a byte of progress between, and how long another line may hold the blob.
_MAX_BREAKS = 5
_HELD_ELSEWHERE_SECONDS = 90.0
_HELD_ELSEWHERE = "upload-in-progress"
_GO_ON = frozenset({"upload-offset", "upload-restart", "upload-broken"})


def upload(api: ApiClient, path: str, file: Path) -> list[str]:
    """Put the blob at ``path``; returns the names that are still missing. Raises ApiRefusal or Unavailable."""
    length = file.stat().st_size
    until = time.monotonic() + _HELD_ELSEWHERE_SECONDS
    if length <= _HELD_BYTES:
        return _send_whole(api, path, file.read_bytes(), until)
    breaks, last = 0, 0
    while True:
        state = api.get(path)
        if state["received"] is True:
            return _missing(state)
        offset = _offset(state, length)
        breaks, last = (0 if offset > last else breaks), offset
        try:
            return _missing(_send_from(api, path, file, offset, length))
        except Unavailable as error:
            failure: Exception = error
            breaks += 1
        except ApiRefusal as refusal:
            failure = refusal
            if refusal.code in _GO_ON:
                breaks += 1
            elif refusal.code != _HELD_ELSEWHERE or time.monotonic() > until:
                raise
        if breaks > _MAX_BREAKS:
            raise failure
        time.sleep(_PAUSE_SECONDS)


def _send_whole(api: ApiClient, path: str, content: bytes, until: float) -> list[str]:
    """Sent anew when the line breaks; the server may take a moment to notice that the one before is gone."""
    while True:
        try:
            return _missing(api.put_bytes(path, content))
        except ApiRefusal as refusal:
            if refusal.code != _HELD_ELSEWHERE or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_SECONDS)


def _send_from(api: ApiClient, path: str, file: Path, offset: int, length: int) -> dict[str, Any]:
    """The rest of the file; a partial PUT as of RFC 9110 §14.5."""
    headers = {"Content-Length": str(length - offset)}
    if offset:
        headers["Content-Range"] = f"bytes {offset}-{length - 1}/{length}"

    def pieces() -> Iterator[bytes]:
        with file.open("rb") as stream:
            stream.seek(offset)
            while piece := stream.read(_PIECE_BYTES):
                yield piece

    return api.put_stream(path, pieces, headers)


def _offset(state: dict[str, Any], length: int) -> int:
    """Where to go on; whatever else the server says is a reason to begin anew."""
    staged = state.get("staged")
    return staged if isinstance(staged, int) and 0 < staged < length else 0


def _missing(answer: dict[str, Any]) -> list[str]:
    return [str(name) for name in answer["missing"]]
