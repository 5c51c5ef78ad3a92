"""Making and opening a custodian's folder.

```
custodian.json      party, name, origin, witness (url, vkey), log (vkey)
passphrase          opens keys/; mode 0600. In production it is typed or mounted, not left here
token               what the server shows as bearer; mode 0600
keys/               pki.keys.KeyStore: signing (P-256), journal (Ed25519), tender-<id>-<kind> (P-256)
signing.cert.pem, chain.pem, root.pem
tenders/, key-sets/, answers/, crls/, journal/
```
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from custodian.custodian import Custodian
from custodian.errors import FolderUnfit
from custodian.files import Sync, write_durably
from custodian.journal import Journal
from custodian.keys import CustodianKeys
from custodian.store import Store
from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import Clock
from kernel.errors import DomainError
from pki.algorithms import PrivateKey
from pki.authority import make_request
from pki.keys import RANDOM_SECRET, Cost, KeyStore
from pki.names import Subject, party_of
from signing.cms import Signer
from transparency.cosigning import CheckpointWitness
from transparency.notes import NoteSigner
from transparency.witness_client import WitnessClient

_SETTINGS = "custodian.json"


def initialise_custodian(
    folder: Path,
    party: str,
    *,
    name: str,
    origin: str,
    log_vkey: str,
    witness_url: str,
    witness_vkey: str,
    passphrase: str | None = None,
    cost: Cost | None = None,
) -> bytes:
    """Make keys and settings in an empty folder; returns the CSR (PEM) for its service-seal certificate.

    Without a ``passphrase`` a random one is kept in the folder. Raises FolderUnfit when the folder is in use.
    """
    if (folder / _SETTINGS).exists():
        raise FolderUnfit("a custodian lives in this folder already", path=str(folder))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if passphrase is None:
        passphrase = secrets.token_urlsafe(32)
        write_durably(folder / "passphrase", passphrase.encode("ascii"))
        cost = cost or RANDOM_SECRET
    write_durably(folder / "token", secrets.token_urlsafe(32).encode("ascii"))
    store = KeyStore(folder / "keys", passphrase, cost=cost)
    signing = store.create("signing", "P-256")
    store.create("journal", "Ed25519")
    settings = {
        "type": "mohr/custodian/v1",
        "party": party,
        "name": name,
        "origin": origin,
        "log": log_vkey,
        "witness": {"url": witness_url, "vkey": witness_vkey},
    }
    write_durably(folder / _SETTINGS, canonical_bytes(settings))
    return make_request(signing, Subject(name, party))


def certificate_request(folder: Path, *, passphrase: str | None = None) -> bytes:
    """The CSR (DER) for a new certificate of the same key, when its issuer is there no more."""
    settings = _settings(folder)
    signing = _key_store(folder, passphrase).load("signing")
    return make_request(signing, Subject(settings.get("name", "Custodian"), settings["party"]))


def install_certificate(
    folder: Path,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    root: x509.Certificate,
    *,
    passphrase: str | None = None,
) -> None:
    """Keep the issued certificate, the intermediates above it, and the root to trust from now on."""
    store = _key_store(folder, passphrase)
    if certificate.public_key() != store.load("signing").public_key():
        raise FolderUnfit("the certificate is for another key")
    if party_of(certificate) != _settings(folder)["party"]:
        raise FolderUnfit("the certificate is for another party")
    intermediates = [each for each in chain if each.subject != each.issuer]
    write_durably(folder / "chain.pem", b"".join(each.public_bytes(Encoding.PEM) for each in intermediates))
    write_durably(folder / "root.pem", root.public_bytes(Encoding.PEM))
    write_durably(folder / "signing.cert.pem", certificate.public_bytes(Encoding.PEM))


def open_custodian(
    folder: Path,
    clock: Clock,
    *,
    passphrase: str | None = None,
    witness: CheckpointWitness | None = None,
    sync: Sync = os.fsync,
) -> Custodian:
    """The custodian of a finished folder; raises FolderUnfit, KeyUnavailable or JournalDamaged.

    ``witness`` takes the place of the one named in the settings, but never of its key; ``sync`` is how the
    journal makes its writes durable.
    """
    settings = _settings(folder)
    keys = _key_store(folder, passphrase)
    witness_vkey = settings["witness"]["vkey"]
    if witness is None:
        witness = WitnessClient(settings["witness"]["url"], witness_vkey)
    elif witness.vkey != witness_vkey:
        raise FolderUnfit("that witness has another key than the pinned one")
    return Custodian(
        signer=_signer(folder, keys),
        keys=CustodianKeys(keys),
        store=Store(folder),
        journal=Journal(folder / "journal", _journal_signer(keys, settings), witness, clock, sync=sync),
        root=_certificates(folder / "root.pem")[0],
        log_vkey=settings["log"],
        witness_vkeys=(witness_vkey,),
        clock=clock,
    )


def access_token(folder: Path) -> str:
    """The bearer token that the server and this custodian share."""
    return _text(folder / "token")


def custodian_vkey(folder: Path, *, passphrase: str | None = None) -> str:
    """The verifier key of the journal, for others to pin."""
    return _journal_signer(_key_store(folder, passphrase), _settings(folder)).vkey


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings = parse_json((folder / _SETTINGS).read_bytes())
    except OSError as error:
        raise FolderUnfit("no custodian was made in this folder", path=str(folder)) from error
    except DomainError as error:
        raise FolderUnfit(f"{_SETTINGS} cannot be read: {error.detail}") from error
    if not {"party", "origin", "log", "witness"} <= set(settings):
        raise FolderUnfit(f"{_SETTINGS} lacks a setting")
    return settings


def _key_store(folder: Path, passphrase: str | None) -> KeyStore:
    return KeyStore(folder / "keys", passphrase or _text(folder / "passphrase"))


def _journal_signer(keys: KeyStore, settings: dict[str, Any]) -> NoteSigner:
    key: PrivateKey = keys.load("journal")
    if not isinstance(key, Ed25519PrivateKey):
        raise FolderUnfit("the journal's key is no Ed25519 key")
    return NoteSigner(settings["origin"], key)


def _signer(folder: Path, keys: KeyStore) -> Signer:
    certificate = _certificates(folder / "signing.cert.pem")[0]
    chain = folder / "chain.pem"
    intermediates = _certificates(chain) if chain.exists() and chain.stat().st_size else []
    return Signer(keys.load("signing"), certificate, tuple(intermediates))


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FolderUnfit("a certificate is missing or unreadable", name=path.name) from error


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise FolderUnfit(f"the folder holds no {path.name}") from error
