"""SoftHSM tokens in a folder of a test's own, through the configuration that SOFTHSM2_CONF names."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pki.token_module import find_module

MODULE = "libsofthsm2.so"
PIN = "correct-pin-4711"
_OFFICER_PIN = "officer-pin-0815"
_FLAGS = (
    "import sys, pkcs11; "
    "print([int(each.flags) for each in pkcs11.lib(sys.argv[1]).get_tokens(token_label=sys.argv[2])])"
)


@dataclass(frozen=True)
class SoftToken:
    """A token: its label, its PIN, and the folder that holds it."""

    label: str
    pin: str
    folder: Path

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """The token is not there while the context lasts."""
        away = self.folder / "away"
        (self.folder / "tokens").rename(away)
        try:
            yield
        finally:
            away.rename(self.folder / "tokens")

    def flags(self) -> int:
        """CK_TOKEN_INFO.flags as a process of its own reads them."""
        command = [sys.executable, "-c", _FLAGS, str(find_module(MODULE)), self.label]
        said = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.decode("ascii")
        return int(said.strip().strip("[]"))


@contextmanager
def softhsm(folder: Path, label: str = "mohr") -> Iterator[SoftToken]:
    """A fresh token; SOFTHSM2_CONF names it while the context lasts. Close what uses it before the end."""
    program = shutil.which("softhsm2-util")
    if program is None:
        pytest.skip("softhsm2 is not installed")
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        command = [
            program,
            "--init-token",
            "--free",
            "--label",
            label,
            "--pin",
            PIN,
            "--so-pin",
            _OFFICER_PIN,
        ]
        subprocess.run(command, capture_output=True, timeout=30, check=True)
        yield SoftToken(label, PIN, folder)


def close_all_sessions() -> None:
    """What a reset of the token does to this process: sessions and login are gone (every slot's)."""
    functions = ctypes.CDLL(str(find_module(MODULE)))
    count = ctypes.c_ulong(64)
    slots = (ctypes.c_ulong * 64)()
    assert functions.C_GetSlotList(ctypes.c_ubyte(1), slots, ctypes.byref(count)) == 0
    for slot in slots[: count.value]:
        assert functions.C_CloseAllSessions(ctypes.c_ulong(slot)) == 0
