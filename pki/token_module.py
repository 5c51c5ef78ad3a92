"""PKCS#11 modules: finding one by its name, and starting it for several threads.

The library that speaks with modules starts them without arguments, which tells a module that no two threads will
ever be inside it (PKCS #11 v2.40 §5.4); SoftHSM then takes no locks at all. Here a module is started with
CKF_OS_LOCKING_OK, so that several signatures are made at once.
"""

from __future__ import annotations

import ctypes
import os
import sysconfig
from pathlib import Path

from kernel.errors import MalformedInput
from pki.errors import TokenUnavailable

_OK = 0
_ALREADY_INITIALISED = 0x191
_OS_LOCKING_OK = 0x2
_PREFIXES = ("usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64", "opt")
_MAX_MODULE_NAME = 255


class _InitialiseArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no callbacks, the operating system's locks."""

    _fields_ = (
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


def find_module(name: str) -> Path:
    """The module's file: an absolute path as it is, or a bare file name looked for where distributions put libraries.

    Raises MalformedInput for a relative path and TokenUnavailable if there is no such file.
    """
    given = Path(name)
    if given.is_absolute():
        found = given if given.is_file() else None
    elif given.name != name or not 0 < len(name) <= _MAX_MODULE_NAME:
        raise MalformedInput("a PKCS#11 module is named by an absolute path or by its file name alone")
    else:
        found = next((path for folder in _folders() if (path := folder / name).is_file()), None)
    if found is None:
        raise TokenUnavailable("there is no such PKCS#11 module", module=name[:_MAX_MODULE_NAME])
    return found


def start_module(path: Path) -> None:
    """C_Initialize with locks, after C_Finalize where a forked child needs that (§5.4). Raises TokenUnavailable."""
    functions = ctypes.CDLL(str(path))
    arguments = _InitialiseArguments(flags=_OS_LOCKING_OK)
    answer = functions.C_Initialize(ctypes.byref(arguments))
    if answer == _ALREADY_INITIALISED:
        functions.C_Finalize(None)
        answer = functions.C_Initialize(ctypes.byref(arguments))
    if answer != _OK:
        raise TokenUnavailable("the PKCS#11 module does not start", module=path.name, answer=hex(answer))


def stop_module(path: Path) -> None:
    """C_Finalize; what it answers changes nothing."""
    ctypes.CDLL(str(path)).C_Finalize(None)


def _folders() -> list[Path]:
    """Library folders of the system and one level below them: pkcs11/, softhsm/, a vendor's."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    found = []
    for prefix in _PREFIXES:
        for folder in (Path(os.sep) / prefix / multiarch, Path(os.sep) / prefix):
            if folder.is_dir():
                found += [folder, *sorted(each for each in folder.iterdir() if each.is_dir())]
    return found
