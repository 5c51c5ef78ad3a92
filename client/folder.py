"""A party's folder: who it is, its keys and certificates, and what it trusts. Nothing here ever leaves it unasked.

```
party.json            {"party", "name", "base_url"}
signing.key.pem       P-256, mode 0600; signing.cert.pem, chain.pem (intermediates, without the root)
encryption.key.pem    members only; encryption.cert.pem
keys/                 instead of the two key files when the folder has a passphrase: a pki.keys.KeyStore
anchors.json          mohr/anchors/v1
requests.json         identifiers of certificate requests that wait for the registrars; *.csr.pem what was sent
*.next.*              key and request of a rekey that is under way
receipts/, bids/      a bidder's receipts with their proofs, and sealed bids by manifest digest
```
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from client.anchors import Anchors
from client.errors import FolderInvalid
from kernel.canonical import parse_json
from kernel.errors import DomainError
from pki.keys import KeyStore
from pki.trust import TrustStore
from signing.cms import Signer

Use = Literal["signing", "encryption"]
_NEXT = ".next"


class PartyFolder:
    """One party's files at ``path``; with a passphrase the private keys are kept in a key store under it."""

    def __init__(self, path: Path, *, passphrase: str | None = None) -> None:
        self.path = path
        self._keys = KeyStore(path / "keys", passphrase) if passphrase is not None else None
        self._party: dict[str, Any] | None = None

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        party: str,
        name: str,
        base_url: str,
        anchors: dict[str, Any],
        passphrase: str | None = None,
    ) -> Self:
        """Make the folder (mode 0700) with its description and anchors; keys follow with ``make_key``."""
        Anchors.from_json(anchors)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        folder = cls(path, passphrase=passphrase)
        folder.write_json("party.json", {"party": party, "name": name, "base_url": base_url})
        folder.write_json("anchors.json", anchors)
        return folder

    @property
    def party(self) -> str:
        return str(self._description()["party"])

    @property
    def name(self) -> str:
        return str(self._description()["name"])

    @property
    def base_url(self) -> str:
        return str(self._description()["base_url"])

    @property
    def anchors(self) -> Anchors:
        """The pinned anchors, read anew; raises FolderInvalid."""
        return Anchors.read(self.path / "anchors.json")

    def make_key(self, use: Use, *, staged: bool = False) -> None:
        """Make a P-256 key unless there is one; an existing key is never overwritten. ``staged``: the one after it."""
        name = _key_name(use, staged)
        path = self.path / f"{name}.key.pem"
        if path.exists():
            return
        if self._keys is not None:
            if not self._keys.exists(name):
                self._keys.create(name)
            return
        self._keep(name, ec.generate_private_key(ec.SECP256R1()))

    def key(self, use: Use, *, staged: bool = False) -> ec.EllipticCurvePrivateKey:
        """The private key; raises FolderInvalid when it is missing or not P-256, KeyUnavailable when it is closed."""
        key = self._load_key(_key_name(use, staged))
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise FolderInvalid("the key is not a P-256 key", use=use)
        return key

    def has_staged_key(self, use: Use) -> bool:
        """Whether a rekey left the key that comes after the present one."""
        return self._holds(_key_name(use, True))

    def take_staged_key(self, use: Use) -> None:
        """Let the staged key take the place of the present one, which stays as ``<use>.until-<fingerprint>``.

        What was encrypted to the present certificate can be opened with that one only. Safe to repeat.
        """
        staged = _key_name(use, True)
        if not self._holds(staged):
            return
        if self._holds(use):
            old = f"{use}.until-{self.certificate(use).fingerprint(hashes.SHA256()).hex()[:16]}"
            if not self._holds(old):
                self._keep(old, self.key(use))
        key = self.key(use, staged=True)
        self._drop(use)
        self._keep(use, key)
        self._drop(staged)

    def certificate_request(self, use: Use, *, staged: bool = False) -> bytes:
        """A PKCS #10 request (PEM) that proves possession of the key; the registrar sets the real subject."""
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, self.name[:64]),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, self.party),
            ]
        )
        request = x509.CertificateSigningRequestBuilder().subject_name(subject)
        return request.sign(self.key(use, staged=staged), hashes.SHA256()).public_bytes(Encoding.PEM)

    def install(self, use: Use, certificate: bytes, chain: Sequence[bytes]) -> None:
        """Keep an issued certificate (PEM) after checking that it is for our own key."""
        issued = _certificates([certificate])[0]
        if issued.public_key() != self.key(use).public_key():
            raise FolderInvalid("the certificate is for another key", use=use)
        intermediates = [each for each in _certificates(chain) if each.subject != each.issuer]
        self.write("chain.pem", b"".join(each.public_bytes(Encoding.PEM) for each in intermediates))
        self.write(f"{use}.cert.pem", issued.public_bytes(Encoding.PEM))

    def certificate(self, use: Use) -> x509.Certificate:
        """The party's own certificate; raises FolderInvalid before it was issued."""
        return _certificates([self._read(f"{use}.cert.pem")])[0]

    def chain(self) -> list[x509.Certificate]:
        """The intermediates above the party's certificates, without the root."""
        return _certificates([self._read("chain.pem")])

    def signer(self) -> Signer:
        """Key, certificate and chain to sign documents with."""
        return Signer(self.key("signing"), self.certificate("signing"), tuple(self.chain()))

    def trust(self, crls: Iterable[bytes], intermediates: Sequence[x509.Certificate] = ()) -> TrustStore:
        """The pinned root with these revocation lists, which are signed and so may come from anywhere."""
        return TrustStore([self.anchors.root], intermediates=tuple(intermediates), crls=tuple(crls))

    def write(self, name: str, content: bytes, *, mode: int = 0o644) -> Path:
        """Replace a file in one durable step; readers see the old or the new bytes, never a mixture."""
        path = self.path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{os.getpid()}.staged")
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path

    def write_json(self, name: str, value: dict[str, Any]) -> Path:
        """Replace a JSON file, readable for people."""
        return self.write(name, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The JSON object in a file, or None when there is no such file; raises FolderInvalid."""
        path = self.path / name
        if not path.exists():
            return None
        try:
            return parse_json(path.read_bytes(), max_bytes=16 << 20)
        except DomainError as error:
            raise FolderInvalid(f"{name} cannot be read: {error.detail}") from error

    def _description(self) -> dict[str, Any]:
        if self._party is None:
            value = self.read_json("party.json")
            if value is None or not {"party", "name", "base_url"} <= set(value):
                raise FolderInvalid("the folder holds no party.json", path=str(self.path))
            self._party = value
        return self._party

    def _load_key(self, name: str) -> object:
        if self._keys is not None:
            return self._keys.load(name)
        try:
            return load_pem_private_key(self._read(f"{name}.key.pem"), None)
        except (ValueError, TypeError) as error:
            raise FolderInvalid("the key file does not open without a passphrase", key=name) from error

    def _holds(self, name: str) -> bool:
        return self._keys.exists(name) if self._keys is not None else (self.path / f"{name}.key.pem").exists()

    def _keep(self, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        if self._keys is not None:
            self._keys.add(name, key)
            return
        self.write(
            f"{name}.key.pem",
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            mode=0o600,
        )

    def _drop(self, name: str) -> None:
        if not self._holds(name):
            return
        if self._keys is not None:
            self._keys.delete(name)
        elif name.endswith(_NEXT):  # a file is replaced in one step and need not go first
            (self.path / f"{name}.key.pem").unlink()

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise FolderInvalid(f"the folder holds no {name}") from error


def _key_name(use: Use, staged: bool) -> str:
    return f"{use}{_NEXT}" if staged else use


def _certificates(pems: Sequence[bytes]) -> list[x509.Certificate]:
    try:
        return [each for pem in pems if pem.strip() for each in x509.load_pem_x509_certificates(pem)]
    except ValueError as error:
        raise FolderInvalid("not a PEM certificate") from error
