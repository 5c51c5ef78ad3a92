"""Whoever reads opened files holds a place for the decrypted container on the disk."""

from __future__ import annotations

from contextlib import ExitStack
from typing import cast

import pytest

from app.api import opened_files
from kernel.errors import Unavailable
from procurement.ports import Actor, Desk


def test_lists_take_places_as_downloads_do() -> None:
    """With every place taken neither a list nor a download decrypts anything, and both are told to come again."""
    nobody, nothing, digest = cast(Actor, None), cast(Desk, None), "0" * 64
    with ExitStack() as places:
        for _ in range(opened_files._MOST_AT_ONCE):
            places.enter_context(opened_files._at_once)
        with pytest.raises(Unavailable):
            opened_files.files("t", "A", digest, nobody, nothing)
        with pytest.raises(Unavailable):
            opened_files.download("t", "A", digest, "file", nobody, nothing)
