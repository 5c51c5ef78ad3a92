"""The custodian's encryption keys: one P-256 key per tender and envelope kind, made once, destroyed once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.errors import MalformedInput
from kernel.failpoints import reach
from pki.errors import KeyUnavailable
from pki.keys import KeyStore

KINDS = ("A", "B", "C")
_TENDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class CustodianKeys:
    """Keys in an encrypted store; the store's own names are ``tender-<id>-<kind>``."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def create(self, tender: str) -> dict[str, bytes]:
        """The public keys (DER SubjectPublicKeyInfo) by kind; keys that exist are kept, so it can be repeated."""
        for kind in KINDS:
            if not self._store.exists(_name(tender, kind)):
                self._store.create(_name(tender, kind), "P-256")
        return {kind: public_key(self.load(tender, kind)) for kind in KINDS}

    def load(self, tender: str, kind: str) -> ec.EllipticCurvePrivateKey:
        """The private key; raises KeyUnavailable when it is not there."""
        key = self._store.load(_name(tender, kind))
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyUnavailable("the key is of another kind than it should be")
        return key

    def destroy(self, tender: str) -> None:
        """Overwrite and delete what there is of the tender's keys; can be repeated after a crash."""
        for kind in KINDS:
            if self._store.exists(_name(tender, kind)):
                self._store.delete(_name(tender, kind))
                reach(f"custodian.key-deleted.{kind}")


def public_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """DER SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_tender(tender: Any) -> str:
    """The tender's identifier if it may name a file; raises MalformedInput."""
    if not isinstance(tender, str) or _TENDER.fullmatch(tender) is None:
        raise MalformedInput("a tender is named by 1 to 64 letters, digits, dots, dashes")
    return tender


def same_keys(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> bool:
    """Whether both name the same key for each kind, and no other."""
    return {kind: one.get(kind) for kind in KINDS} == dict(other)


def _name(tender: str, kind: str) -> str:
    return f"tender-{check_tender(tender)}-{kind}"
