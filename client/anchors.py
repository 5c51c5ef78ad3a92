"""What a client trusts before it asks anybody: the root, the keys of the log, its witnesses and the custodian."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from client.errors import FolderInvalid
from kernel.canonical import parse_json
from kernel.errors import DomainError

_KEYS = frozenset({"type", "root", "log", "witnesses", "custodian", "demo"})


@dataclass(frozen=True)
class Anchors:
    """The pinned root certificate and the verifier keys (C2SP vkey text) of log, witnesses and custodian."""

    root: x509.Certificate
    log: str
    witnesses: tuple[str, ...]
    custodian: str
    demo: bool

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read ``mohr/anchors/v1``; raises FolderInvalid."""
        if set(value) != _KEYS or value["type"] != "mohr/anchors/v1":
            raise FolderInvalid("the anchors are not a mohr/anchors/v1 document")
        witnesses = value["witnesses"]
        texts = [value["root"], value["log"], value["custodian"]]
        if not isinstance(witnesses, list) or not all(isinstance(text, str) for text in [*texts, *witnesses]):
            raise FolderInvalid("the anchors hold something that is not text")
        if not witnesses:
            raise FolderInvalid("the anchors name no witness, so a split log could not be noticed")
        try:
            root = x509.load_pem_x509_certificate(value["root"].encode("ascii"))
        except ValueError as error:
            raise FolderInvalid("the pinned root is not a certificate") from error
        return cls(root, value["log"], tuple(witnesses), value["custodian"], value["demo"] is True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; raises FolderInvalid when it is missing or malformed."""
        try:
            return cls.from_json(parse_json(path.read_bytes()))
        except OSError as error:
            raise FolderInvalid("the folder holds no anchors.json", path=str(path)) from error
        except FolderInvalid:
            raise
        except DomainError as error:
            raise FolderInvalid(f"anchors.json cannot be read: {error.detail}") from error

    def to_json(self) -> dict[str, Any]:
        """The ``mohr/anchors/v1`` object."""
        return {
            "type": "mohr/anchors/v1",
            "root": self.root.public_bytes(Encoding.PEM).decode("ascii"),
            "log": self.log,
            "witnesses": list(self.witnesses),
            "custodian": self.custodian,
            "demo": self.demo,
        }
