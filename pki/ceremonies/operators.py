"""Operators: people who hold ceremonies, each with a key of their own under a passphrase of their own.

``FOLDER/keys/`` is a key store with the key ``operator`` (Ed25519 or P-256), ``FOLDER/operator.json`` says whose.
What they sign begins with what it is for, so that no signature can stand for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from kernel.errors import Conflict, MalformedInput, NotFound
from pki.algorithms import PrivateKey, PublicKey
from pki.errors import ApprovalMissing
from pki.issuers import OperatorEntry
from pki.keys import Cost, KeyStore

PLAN = b"mohr/ceremony-plan/v1\n"
TRANSCRIPT = b"mohr/ceremony-transcript/v1\n"
NEEDED = 2
_KEY = "operator"
_MARK = "operator.json"
OperatorKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Approval:
    """``signature`` of the named operator (base64) over a plan or a transcript."""

    operator: str
    signature: str

    def to_json(self) -> dict[str, Any]:
        return {"operator": self.operator, "signature": self.signature}


@dataclass(frozen=True)
class Operator:
    """An operator whose key is open."""

    name: str
    key: PrivateKey

    @property
    def entry(self) -> OperatorEntry:
        """As it stands in the file of a ceremony."""
        return OperatorEntry(self.name, to_base64(public_bytes(self.key.public_key())))

    def sign(self, purpose: bytes, content: bytes) -> Approval:
        """ECDSA with SHA-256, or Ed25519, over the purpose and the canonical bytes."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            signature = self.key.sign(purpose + content, ec.ECDSA(hashes.SHA256()))
        else:
            signature = cast("ed25519.Ed25519PrivateKey", self.key).sign(purpose + content)
        return Approval(self.name, to_base64(signature))


def make_operator(
    folder: Path, name: str, passphrase: str, *, kind: str = "Ed25519", cost: Cost | None = None
) -> Operator:
    """A new operator's folder; raises Conflict if it is in use."""
    if kind not in ("Ed25519", "P-256"):
        raise MalformedInput("an operator's key is Ed25519 or P-256", kind=kind)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("the folder of the operator is in use", path=str(folder))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    operator = Operator(name, KeyStore(folder / "keys", passphrase, cost=cost).create(_KEY, kind))
    entry = operator.entry
    mark = {"type": "mohr/operator/v1", "name": entry.name, "public_key": entry.public_key}
    (folder / _MARK).write_bytes(canonical_bytes(mark))
    return operator


def read_operator(folder: Path) -> OperatorEntry:
    """Whose folder it is, without opening the key; raises NotFound or MalformedInput."""
    try:
        mark = parse_canonical((folder / _MARK).read_bytes())
        return OperatorEntry(str(mark["name"]), str(mark["public_key"]))
    except OSError as error:
        raise NotFound("no operator's key in this folder", path=str(folder)) from error
    except KeyError as error:
        raise MalformedInput("not an operator's folder", path=str(folder)) from error


def open_operator(folder: Path, passphrase: str) -> Operator:
    """Raises NotFound, or KeyUnavailable for another passphrase."""
    entry = read_operator(folder)
    return Operator(entry.name, KeyStore(folder / "keys", passphrase).load(_KEY))


def public_bytes(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo (DER)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_public_key(der: bytes) -> OperatorKey:
    """Raises MalformedInput for anything but an Ed25519 or P-256 key."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedInput("the key of an operator cannot be read") from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise MalformedInput("an operator's key is Ed25519 or P-256")


def require_approvals(
    operators: Iterable[OperatorEntry], approvals: Sequence[Approval], purpose: bytes, content: bytes
) -> None:
    """Two different operators signed these very bytes; raises ApprovalMissing."""
    keys = {each.name: each.public_key for each in operators}
    signed = set()
    for approval in approvals:
        if approval.operator not in keys:
            raise ApprovalMissing(
                "signed by somebody who is no operator here", operator=approval.operator[:64]
            )
        if not _holds(keys[approval.operator], approval, purpose + content):
            raise ApprovalMissing("the signature is not over this content", operator=approval.operator)
        signed.add(keys[approval.operator])
    if len(signed) < NEEDED:
        raise ApprovalMissing("two different operators must sign", signed=len(signed), needed=NEEDED)


def _holds(public_key: str, approval: Approval, content: bytes) -> bool:
    key = read_public_key(from_base64(public_key, max_bytes=4096))
    try:
        signature = from_base64(approval.signature, max_bytes=1024)
        if to_base64(signature) != approval.signature:  # Base64 has spare bits at its end.
            return False
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, content)
    except (InvalidSignature, MalformedInput):
        return False
    return True
