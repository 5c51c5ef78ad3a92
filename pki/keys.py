"""Private keys at rest: one folder, one passphrase, one file for each key.

Argon2id (RFC 9106) turns the passphrase into the store's key once; AES-256-GCM seals each key, with its name
as associated data, so that files can't be swapped. Files have mode 0600 and are replaced in one durable step.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from kernel.canonical import parse_json
from kernel.errors import Conflict, MalformedInput
from pki.algorithms import PrivateKey
from pki.errors import KeyUnavailable
from pki.key_provider import RSA_SIZES, checked_name

_MAGIC = b"mohr-key-1\n"
_CHECK = b"mohr key store"
_NONCE_BYTES = 12
_MAX_MEMORY_KIB = 1 << 21
_MAX_ITERATIONS = 64
_MAX_LANES = 64


@dataclass(frozen=True, slots=True)
class Cost:
    """Argon2id parameters; the default is the second recommended option of RFC 9106 §4."""

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 64 * 1024


# For a passphrase drawn at random with 256 bits and kept in a file: nobody guesses it, so no stretching is needed.
RANDOM_SECRET = Cost(iterations=1, lanes=1, memory_kib=64)


class KeyStore:
    """The KeyProvider of encrypted files in ``folder``, which the first use makes; later uses need the same passphrase.

    Raises KeyUnavailable if the passphrase is wrong or the store is damaged.
    """

    def __init__(self, folder: Path, passphrase: str, *, cost: Cost | None = None) -> None:
        self.folder = Path(folder)
        if not passphrase:
            raise MalformedInput("a key store needs a passphrase")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = self.folder / "store.json"
        if not settings.exists():
            _create_settings(settings, passphrase, cost or Cost())
        self._cipher = AESGCM(_open_settings(settings, passphrase))

    def create(self, name: str, kind: str = "P-256") -> PrivateKey:
        """Generate and keep a key of a kind of KeyProvider, or ``Ed25519``; raises Conflict if it exists."""
        key = _generate(kind)
        self.add(name, key)
        return key

    def add(self, name: str, key: PrivateKey) -> None:
        """Keep a key made elsewhere; raises Conflict if the name is taken."""
        if self.exists(name):
            raise Conflict("a key of that name is in the store", name=name)
        plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        nonce = secrets.token_bytes(_NONCE_BYTES)
        _write_durably(self._path(name), _MAGIC + nonce + self._cipher.encrypt(nonce, plain, _bound_to(name)))

    def load(self, name: str) -> PrivateKey:
        """The key of that name; raises KeyUnavailable if it is missing or its file was altered."""
        path = self._path(name)
        if not path.exists():
            raise KeyUnavailable("no such key in the store", name=name)
        data = path.read_bytes()
        start = len(_MAGIC) + _NONCE_BYTES
        if not data.startswith(_MAGIC) or len(data) <= start:
            raise KeyUnavailable("not a key file", name=name)
        try:
            plain = self._cipher.decrypt(data[len(_MAGIC) : start], data[start:], _bound_to(name))
        except InvalidTag as error:
            raise KeyUnavailable("the key file was altered or belongs to another name", name=name) from error
        # The seal proves the bytes: seeking primes in an RSA key anew would take 20 ms or more at each load.
        key = load_der_private_key(plain, password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(key, PrivateKey):
            raise KeyUnavailable("the kind of the key is not accepted", name=name)
        return key

    def exists(self, name: str) -> bool:
        """Whether a key of that name is kept."""
        return self._path(name).exists()

    def names(self) -> list[str]:
        """The names of all keys, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.key"))

    def delete(self, name: str) -> None:
        """Overwrite and remove a key; raises KeyUnavailable if there is none.

        On journaling or flash storage old blocks may survive the overwriting; they stay sealed by the
        passphrase.
        """
        path = self._path(name)
        if not path.exists():
            raise KeyUnavailable("no such key in the store", name=name)
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        _sync_folder(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{checked_name(name)}.key"


def _generate(kind: str) -> PrivateKey:
    if kind == "P-256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "P-384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in RSA_SIZES:
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_SIZES[kind])
    raise MalformedInput("no such kind of key", kind=kind)


def _bound_to(name: str) -> bytes:
    return _MAGIC + name.encode("ascii")


def _create_settings(path: Path, passphrase: str, cost: Cost) -> None:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(_NONCE_BYTES)
    check = AESGCM(_derive(passphrase, salt, cost)).encrypt(nonce, _CHECK, _CHECK)
    settings = {"version": 1, "salt": salt.hex(), "check": (nonce + check).hex(), **asdict(cost)}
    _write_durably(path, json.dumps(settings, indent=1).encode("ascii") + b"\n")


def _open_settings(path: Path, passphrase: str) -> bytes:
    settings = parse_json(path.read_bytes(), max_bytes=4096)
    try:
        cost = Cost(*(int(settings[name]) for name in ("iterations", "lanes", "memory_kib")))
        salt, check = bytes.fromhex(settings["salt"]), bytes.fromhex(settings["check"])
    except (KeyError, TypeError, ValueError) as error:
        raise KeyUnavailable("the settings of the key store are damaged") from error
    if cost.iterations > _MAX_ITERATIONS or cost.lanes > _MAX_LANES or cost.memory_kib > _MAX_MEMORY_KIB:
        raise KeyUnavailable("the settings of the key store are beyond all measure")
    key = _derive(passphrase, salt, cost)
    try:
        AESGCM(key).decrypt(check[:_NONCE_BYTES], check[_NONCE_BYTES:], _CHECK)
    except (InvalidTag, ValueError) as error:
        raise KeyUnavailable("the key store does not open with this passphrase") from error
    return key


def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    try:
        derivation = Argon2id(
            salt=salt,
            length=32,
            iterations=cost.iterations,
            lanes=cost.lanes,
            memory_cost=cost.memory_kib,
        )
        return derivation.derive(passphrase.encode("utf-8"))
    except ValueError as error:
        raise KeyUnavailable("the settings of the key store are damaged") from error


def _write_durably(path: Path, data: bytes) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
