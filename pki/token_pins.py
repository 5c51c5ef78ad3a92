"""PINs of tokens: where one is read, and which ones this process never tries again.

A token locks itself after a few wrong attempts. So a PIN that was refused once is refused from then on without
asking the token, however often and by however many threads it is tried.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

from kernel.errors import MalformedInput, NotFound
from pki.errors import TokenPinRefused

_MAX_PIN_BYTES = 255
_salt = os.urandom(32)
_refused: set[tuple[str, bytes]] = set()
_lock = threading.Lock()


def read_pin(file: Path) -> str:
    """The one line of a PIN's file, which nobody but its owner may read; raises NotFound or MalformedInput."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(_MAX_PIN_BYTES + 2)
    except OSError as error:
        raise NotFound("the file of the token's PIN cannot be read", path=str(file)) from error
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise MalformedInput("the file of the token's PIN must be readable by its owner only", path=str(file))
    try:
        pin = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise MalformedInput("the file of the token's PIN is not text", path=str(file)) from None
    return checked_pin(pin)


def checked_pin(pin: str) -> str:
    """The PIN itself; raises MalformedInput if it is empty, too long or more than a line."""
    if not pin or len(pin.encode("utf-8")) > _MAX_PIN_BYTES or not pin.isprintable():
        raise MalformedInput("a PIN is one line of 1 to 255 characters")
    return pin


def refuse_if_tried(token: str, pin: str) -> None:
    """Raises TokenPinRefused for a PIN that this token has refused before."""
    with _lock:
        if (token, fingerprint(pin)) in _refused:
            raise TokenPinRefused("this PIN was refused before and is not tried again")


def remember_refused(token: str, pin: str) -> None:
    """From now on this process does not try that PIN on that token."""
    with _lock:
        _refused.add((token, fingerprint(pin)))


def forget_lock() -> None:
    """For a forked child, whose parent's threads may have held it."""
    global _lock
    _lock = threading.Lock()


def fingerprint(pin: str) -> bytes:
    """What stands for a PIN in comparisons inside this process; never stored."""
    return hashlib.sha256(_salt + pin.encode("utf-8")).digest()
