"""Files that are whole or not there: staged, synced, renamed, and the folder synced too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Sync = Callable[[int], None]


def write_durably(path: Path, content: bytes, *, mode: int = 0o600, sync: Sync = os.fsync) -> None:
    """Replace ``path``; after the return the new bytes survive a crash, before it the old ones do."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.staged")
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        sync(file.fileno())
    os.replace(staged, path)
    sync_folder(path.parent, sync=sync)


def sync_folder(folder: Path, *, sync: Sync = os.fsync) -> None:
    """Make names that were added to or taken from the folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(handle)
    finally:
        os.close(handle)
