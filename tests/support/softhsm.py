"""SoftHSM tokens in a folder of a test's own, through the configuration that SOFTHSM2_CONF names."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pki.token_module import find_module

MODULE = "libsofthsm2.so"
PIN = "correct-pin-4711"
SO_PIN = "officer-pin-0815"


@dataclass(frozen=True)
class SoftToken:
    """A token: its label, its PIN, and the folder whose absence is an unplugged token."""

    label: str
    pin: str
    folder: Path

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def flags(self) -> str:
        """What ``softhsm2-util`` says of the slots, in a process of its own."""
        return _run("--show-slots")

    def close_all_sessions(self, slot: int) -> None:
        """Behind the back of whoever has sessions: what a reset of the token does."""
        answer = ctypes.CDLL(str(find_module(MODULE))).C_CloseAllSessions(ctypes.c_ulong(slot))
        assert answer == 0, hex(answer)


@contextmanager
def softhsm(folder: Path, label: str = "mohr") -> Iterator[SoftToken]:
    """A fresh token; SOFTHSM2_CONF names it while the context lasts. Close what uses it before the end."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n", "utf-8")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    try:
        _run("--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN)
        yield SoftToken(label, PIN, folder)
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before


def slot_of(token: SoftToken) -> int:
    """The number of the token's slot."""
    for part in re.split(r"(?m)^Slot ", token.flags())[1:]:
        if re.search(rf"Label:\s+{re.escape(token.label)}\s*$", part, re.MULTILINE):
            return int(part.split("\n", 1)[0])
    raise AssertionError("no slot with that token")


def _run(*arguments: str) -> str:
    program = shutil.which("softhsm2-util")
    assert program is not None
    done = subprocess.run([program, *arguments], capture_output=True, timeout=30, check=True)
    return done.stdout.decode("utf-8")
