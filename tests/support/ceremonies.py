"""Ceremonies in a folder of their own: two operators with real keys, a clock that stands, cheap passphrases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from kernel.clock import FixedClock
from pki.authority_folder import read_certificate, read_description
from pki.ceremonies.document import TYPE, CeremonyFile, parse_ceremony
from pki.ceremonies.holding import Held, hold
from pki.ceremonies.operators import Operator
from pki.ceremonies.plan import prepare
from pki.installation import Authority, open_authority
from pki.issuers import Description
from pki.key_provider import KeyProvider
from pki.keys import KeyStore
from pki.revocation_lists import build_crl
from tests.support.authority import START, make_key
from tests.support.registry import CHEAP, PASSPHRASE

ROOT_PASSPHRASE = "another correct horse"


def make_operators(*names: str) -> list[Operator]:
    """Operators whose keys are in memory: Ed25519 and P-256 by turns."""
    return [Operator(name, make_key(("Ed25519", "P-256")[n % 2])) for n, name in enumerate(names)]


@dataclass
class Hall:
    """Where ceremonies are held; ``inputs`` is the folder of the files that they name."""

    folder: Path
    operators: list[Operator] = field(default_factory=lambda: make_operators("zahra", "omid"))
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    passphrase: str = PASSPHRASE
    token: KeyProvider | None = None

    @property
    def authority(self) -> Path:
        return self.folder / "authority"

    @property
    def inputs(self) -> Path:
        return self.folder

    @property
    def keys(self) -> KeyProvider:
        return self.token or KeyStore(self.authority / "keys", self.passphrase, cost=CHEAP)

    @property
    def root_keys(self) -> KeyStore:
        return KeyStore(self.folder / "root-keys", ROOT_PASSPHRASE, cost=CHEAP)

    def document(self, kind: str, id: str, section: Mapping[str, Any], **top: Any) -> CeremonyFile:
        """The file of a ceremony, with these operators."""
        named = [
            {"name": each.name, "public_key": each.entry.public_key}
            for each in top.pop("operators", self.operators)
        ]
        content = {"ceremony": TYPE, "id": id, "kind": kind, "operators": named, kind: dict(section), **top}
        return parse_ceremony(content, self.inputs)

    def hold(self, kind: str, id: str, section: Mapping[str, Any], **top: Any) -> Held:
        """Plan, approve and hold, a minute after the last one."""
        return self.perform(self.document(kind, id, section, **top))

    def perform(self, document: CeremonyFile, *, apart: bool = True) -> Held:
        """Hold what a file says; ``apart``: whether the store of the root's key is at hand."""
        self.clock.advance(timedelta(minutes=1))
        plan = prepare(document, self.authority)
        return hold(
            plan,
            [plan.approve(each) for each in self.operators],
            self.operators,
            folder=self.authority,
            keys=self.keys,
            clock=self.clock,
            root_keys=self.root_keys if apart else None,
        )

    def begin(self, *, key: str = "apart") -> None:
        """A root whose key is apart, and an intermediate."""
        subject = {"organization": "Tehran", "party": "IRO-1"}
        self.hold("root", "begin-root", {**subject, "key": key}, authority={"base_url": "http://pki.example"})
        self.hold("intermediate", "begin-intermediate", subject)

    def open(self) -> Authority:
        """As the server opens it: without the root's store."""
        return open_authority(self.authority, self.token or self.passphrase)

    def description(self) -> Description:
        found = read_description(self.authority)
        assert found is not None
        return found

    def certificate(self, held: Held, name: str) -> x509.Certificate:
        """What a ceremony made."""
        return read_certificate(held.folder / f"{name}.pem")


def list_of(authority: Authority, name: str, now: datetime) -> bytes:
    """An empty list of one of its authorities."""
    issuer = authority.issuer(name)
    return build_crl(issuer.key, issuer.certificate, [], 1, now)
