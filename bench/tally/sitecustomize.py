"""Counts the cryptography of a process and of those it starts; Python imports it by its name where it is on the path.

``bench.replay`` puts this folder on the path and names a folder for the counts, one file for each process.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FOLDER = os.environ.get("MOHR_BENCH_TALLY")
_EVERY_SECONDS = 0.5
_tally: Counter[str] = Counter()


def _counted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def counted(*arguments: Any, **named: Any) -> Any:
        _tally[name] += 1
        return work(*arguments, **named)

    return counted


def _measured(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The second argument is a piece of content: its length counts."""

    @functools.wraps(work)
    def measured(self: Any, piece: bytes, *arguments: Any) -> Any:
        _tally[name] += len(piece)
        return work(self, piece, *arguments)

    return measured


def _watch() -> None:
    from pki import algorithms
    from sealing import cms

    for place, function, name in (
        (algorithms, "sign", "signed"),
        (algorithms, "verify", "verified"),
        (cms, "write_share", "agreed"),
        (cms, "decrypt_share", "agreed"),
        (cms.ContentWriter, "__init__", "contents"),
        (cms.ContentReader, "__init__", "contents"),
    ):
        setattr(place, function, _counted(name, getattr(place, function)))
    for kind in (cms.ContentWriter, cms.ContentReader):
        setattr(kind, "update", _measured("content_bytes", kind.update))  # noqa: B010 - as mypy wants it


def _write(folder: Path) -> None:
    staged = folder / f"{os.getpid()}.staged"
    staged.write_text(json.dumps(_tally), "ascii")
    os.replace(staged, folder / f"{os.getpid()}.json")


def _write_again_and_again(folder: Path) -> None:
    pause = threading.Event()
    while not pause.wait(_EVERY_SECONDS):
        _write(folder)


if _FOLDER:
    _watch()
    atexit.register(_write, Path(_FOLDER))
    threading.Thread(target=_write_again_and_again, args=(Path(_FOLDER),), daemon=True).start()
