"""Dying at a chosen point, to see what a crash leaves behind: a testing aid, refused outside demo installations.

``MOHR_FAILPOINTS`` names a file. While that file holds ``<point> <count>``, the process that reaches the point
for the count-th time removes the file and sends SIGKILL to itself; nothing gets a chance to tidy up. Without the
variable ``reach`` is one comparison.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from kernel.errors import MalformedInput

VARIABLE = "MOHR_FAILPOINTS"
_lock = threading.Lock()
_file: Path | None = None


def arm(*, demo: bool) -> None:
    """Once, when a process starts to serve. Raises MalformedInput if the variable is set and it is no demo."""
    global _file
    named = os.environ.get(VARIABLE)
    if named and not demo:
        raise MalformedInput(f"{VARIABLE} is for demo installations only")
    _file = Path(named) if named else None


def reach(point: str) -> None:
    """Die here if the file says so."""
    if _file is not None:
        with _lock:
            _look(_file, point)


def _look(file: Path, point: str) -> None:
    try:
        wanted, _, count = file.read_text("ascii").partition(" ")
    except FileNotFoundError:
        return
    if wanted != point:
        return
    if int(count) > 1:
        file.write_text(f"{point} {int(count) - 1}", "ascii")
        return
    file.unlink()
    os.kill(os.getpid(), signal.SIGKILL)
