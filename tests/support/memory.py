"""How much memory a process has held at most, as Linux counts it: VmHWM, which can be set back (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path


def resident_bytes(pid: int | None = None) -> int:
    """Held now (VmRSS)."""
    return _status(pid, "VmRSS")


def peak_bytes(pid: int | None = None) -> int:
    """Held at most since the process began or ``forget_peak`` was called (VmHWM)."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int | None = None) -> int:
    """Begin anew; returns what is held now, which is the peak from here on."""
    (_folder(pid) / "clear_refs").write_text("5", "ascii")
    return resident_bytes(pid)


def _status(pid: int | None, name: str) -> int:
    for line in (_folder(pid) / "status").read_text("ascii", "replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise LookupError(f"the kernel does not tell {name}")


def _folder(pid: int | None) -> Path:
    return Path("/proc") / str(pid or os.getpid())
