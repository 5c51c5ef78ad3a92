"""Where a ceremony works: a staged folder, the open key stores, and the list of what was done.

Nothing counts before the staged folder is renamed. Keys are made in their stores at once; those of a ceremony that
did not end are removed when it fails, or, after a crash, when the next one makes a key of that name.
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.canonical import sha256_hex
from kernel.clock import Clock, format_utc
from pki.algorithms import PrivateKey, fingerprint_of
from pki.authority import pem_of
from pki.authority_folder import CEREMONIES, read_certificate
from pki.ceremonies.document import CeremonyFile
from pki.ceremonies.plan import Plan
from pki.errors import CeremonyRefused
from pki.issuers import Description, IssuerEntry, Place
from pki.key_provider import KeyProvider
from pki.locations import Locations

_STAGED = ".staged-"


class Workshop:
    """Used once, for one ceremony; ``description`` is the authority as it will be."""

    def __init__(
        self, folder: Path, plan: Plan, keys: KeyProvider, root_keys: KeyProvider | None, clock: Clock
    ) -> None:
        self.folder = folder
        self.document: CeremonyFile = plan.document
        self.steps: list[dict[str, Any]] = []
        self.made: list[dict[str, Any]] = []
        self._clock = clock
        self._stores: dict[str, KeyProvider | None] = {"here": keys, "apart": root_keys}
        self._created: list[tuple[KeyProvider, str]] = []
        self._name = f"{plan.number:04d}-{plan.document.id}"
        ceremonies = folder / CEREMONIES
        for left in ceremonies.glob(f"{_STAGED}*"):
            shutil.rmtree(left)
        self.staged = ceremonies / f"{_STAGED}{self._name}"
        self.staged.mkdir(mode=0o700)
        self.description = self._beginning(plan)

    @property
    def now(self) -> datetime:
        return self._clock.now()

    def step(self, what: str, **fields: str | int) -> None:
        """Write down what was just done."""
        self.steps.append({"at": format_utc(self.now), "what": what, "fields": fields})

    def create_key(self, name: str, kind: str, place: Place = "here") -> PrivateKey:
        """A new key in its store. One of that name is left from a ceremony that did not end, and goes."""
        store = self._store(place)
        if name in store.names():
            if self._is_named(name):
                raise CeremonyRefused("a key of that name is in use", key=name)
            store.delete(name)
            self.step("removed a key left by a ceremony that did not end", key=name)
        key = store.create(name, kind)
        self._created.append((store, name))
        self.step("made a key", key=name, kind=kind, store=place)
        return key

    def key_of(self, entry: IssuerEntry) -> PrivateKey:
        """The key of one of our authorities; raises CeremonyRefused, or KeyUnavailable."""
        return self._store(entry.key).load(entry.name)

    def certificate_of(self, entry: IssuerEntry) -> x509.Certificate:
        return read_certificate(self.path(entry.certificate))

    def path(self, kept: str) -> Path:
        """Where a file that was kept lies now."""
        inside = self._place("")
        return self.staged / kept[len(inside) :] if kept.startswith(inside) else self.folder / kept

    def keep(self, name: str, certificate: x509.Certificate) -> str:
        """Keep a certificate; gives its path below the folder of the authority."""
        return self._keep(
            f"{name}.pem",
            pem_of([certificate]),
            fingerprint=fingerprint_of(certificate),
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:040x}",
            not_before=format_utc(certificate.not_valid_before_utc),
            not_after=format_utc(certificate.not_valid_after_utc),
        )

    def keep_list(self, issuer: str, der: bytes) -> None:
        """Keep a revocation list."""
        number = x509.load_der_x509_crl(der).extensions.get_extension_for_class(x509.CRLNumber).value
        self._keep(f"{issuer}.crl", der, issuer=issuer, number=str(number.crl_number))

    def keep_request(self, name: str, der: bytes) -> str:
        """Keep a certificate request (PEM), to be taken out."""
        pem = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)
        return self._keep(f"{name}.csr", pem)

    def keep_chain(self, issuer: IssuerEntry) -> None:
        """The authorities above what was made, for whoever is to install it."""
        chain: list[x509.Certificate] = []
        entry: IssuerEntry | None = issuer
        while entry is not None and entry.kind != "root" and len(chain) < len(self.description.issuers):
            chain.append(self.certificate_of(entry))
            entry = self.description.issuer(entry.issuer)
        self._keep("chain.pem", pem_of(chain))

    def locations(self, issuer: str) -> Locations | None:
        """Addresses in certificates of that issuer."""
        return Locations.below(self.description.base_url, issuer)

    def write(self, name: str, data: bytes) -> None:
        """A file of the staged folder, durably."""
        with (self.staged / name).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def publish(self) -> Path:
        """The one rename by which everything counts."""
        _sync(self.staged)
        final = self.staged.with_name(self._name)
        os.rename(self.staged, final)
        _sync(final.parent)
        return final

    def discard(self) -> None:
        """Nothing of it happened, unless it was published."""
        if not self.staged.exists():
            return
        shutil.rmtree(self.staged, ignore_errors=True)
        for store, name in self._created:
            store.delete(name)

    def _beginning(self, plan: Plan) -> Description:
        if plan.before is not None:
            return plan.before
        section = plan.document.content.get("authority", {})
        return Description(section.get("demo", False), section.get("base_url"))

    def free_key_name(self, role: str) -> str:
        """The role, or the role with the next number that no service has."""
        number = 1
        while self._is_named(role if number == 1 else f"{role}-{number}"):
            number += 1
        return role if number == 1 else f"{role}-{number}"

    def _is_named(self, key: str) -> bool:
        described = self.description
        named = {*(each.name for each in described.issuers), *(each.key for each in described.services)}
        named |= set() if described.requested is None else {described.requested.name}
        return key in named or (self.folder / "certificates" / f"{key}.pem").exists()

    def _store(self, place: Place) -> KeyProvider:
        store = self._stores.get(place)
        if store is None:
            raise CeremonyRefused("the key is not here: name the store of the root's key", key=place)
        return store

    def _keep(self, file: str, data: bytes, **fields: str) -> str:
        self.write(file, data)
        self.made.append({"file": file, "sha256": sha256_hex(data), **fields})
        self.step("made", file=file, sha256=sha256_hex(data))
        return self._place(file)

    def _place(self, file: str) -> str:
        return f"{CEREMONIES}/{self._name}/{file}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
