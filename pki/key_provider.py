"""What keeps private keys: encrypted files (keys.py) or a token (tokens.py), behind one interface.

Whoever asks gets a private key that signs; whether it is in this process's memory or in a token is the provider's
affair.
"""

from __future__ import annotations

import re
from typing import Protocol

from kernel.errors import MalformedInput
from pki.algorithms import PrivateKey

DEFAULT_RSA_BITS = 3072
RSA_SIZES = {"RSA": DEFAULT_RSA_BITS, "RSA-2048": 2048, "RSA-3072": 3072, "RSA-4096": 4096}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class KeyProvider(Protocol):
    """Keys by name."""

    def create(self, name: str, kind: str = "P-256") -> PrivateKey:
        """Generate and keep a key: ``P-256``, ``P-384``, ``RSA`` (3072 bits) or ``RSA-2048`` to ``RSA-4096``.

        Raises Conflict if the name is taken and MalformedInput for a kind that the provider does not make.
        """
        ...

    def load(self, name: str) -> PrivateKey:
        """The key of that name; raises KeyUnavailable if there is none."""
        ...

    def names(self) -> list[str]:
        """The names of all keys, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Remove a key for good; raises KeyUnavailable if there is none."""
        ...


def checked_name(name: str) -> str:
    """The name itself; raises MalformedInput unless it fits a file name and a token's label alike."""
    if _NAME.fullmatch(name) is None:
        raise MalformedInput("a key's name has 1 to 100 letters, digits, dots or dashes")
    return name
