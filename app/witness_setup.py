"""Making and opening a witness's folder.

```
witness.json     {"type": "mohr/witness/v1", "name", "demo", "logs": {origin: vkey}}
passphrase       opens keys/; mode 0600
keys/            pki.keys.KeyStore: witness (Ed25519)
memory/          what it cosigned last, per log; losing it means starting a new witness
```
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import Clock
from kernel.errors import Conflict, MalformedInput, NotFound
from pki.keys import RANDOM_SECRET, KeyStore
from transparency.notes import NoteSigner, NoteVerifier
from transparency.witness import Witness, write_durably

_SETTINGS = "witness.json"
_TYPE = "mohr/witness/v1"
_KEY = "witness"


def initialise_witness(folder: Path, name: str, *, demo: bool) -> str:
    """Make key and memory in an empty folder; returns the key to pin. Raises Conflict if one lives there."""
    if (folder / _SETTINGS).exists():
        raise Conflict("a witness lives in this folder already", path=str(folder))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "memory").mkdir(mode=0o700)
    write_secret(folder / "passphrase", secrets.token_urlsafe(32))
    store = KeyStore(folder / "keys", _passphrase(folder), cost=RANDOM_SECRET)
    store.create(_KEY, "Ed25519")
    _write_settings(folder, {"type": _TYPE, "name": name, "demo": demo, "logs": {}})
    return _signer(folder, name).cosigner_vkey


def serve_log(folder: Path, vkey: str) -> None:
    """Have the witness cosign for one more log, whose name and key are in ``vkey``; raises Conflict."""
    settings = witness_settings(folder)
    origin = NoteVerifier.parse(vkey).name
    if settings["logs"].setdefault(origin, vkey) != vkey:
        raise Conflict("the witness serves a log of that name with another key", origin=origin)
    _write_settings(folder, settings)


def open_witness(folder: Path, clock: Clock) -> Witness:
    """The witness of a finished folder; raises NotFound, KeyUnavailable or Unavailable."""
    settings = witness_settings(folder)
    return Witness(folder / "memory", _signer(folder, settings["name"]), settings["logs"], clock)


def witness_settings(folder: Path) -> dict[str, Any]:
    """The content of ``witness.json``; raises NotFound or MalformedInput."""
    try:
        settings = parse_json((folder / _SETTINGS).read_bytes())
    except OSError as error:
        raise NotFound("no witness was made in this folder", path=str(folder)) from error
    if set(settings) != {"type", "name", "demo", "logs"} or settings["type"] != _TYPE:
        raise MalformedInput(f"{_SETTINGS} does not describe a witness")
    return settings


def write_secret(path: Path, secret: str) -> None:
    """A new file of mode 0600 with one line; raises FileExistsError rather than replace a secret."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())


def _write_settings(folder: Path, settings: dict[str, Any]) -> None:
    write_durably(folder / _SETTINGS, canonical_bytes(settings))


def _signer(folder: Path, name: str) -> NoteSigner:
    key = KeyStore(folder / "keys", _passphrase(folder)).load(_KEY)
    if not isinstance(key, Ed25519PrivateKey):
        raise MalformedInput("the key of the witness is not an Ed25519 key")
    return NoteSigner(name, key)


def _passphrase(folder: Path) -> str:
    return (folder / "passphrase").read_text("ascii").strip()
