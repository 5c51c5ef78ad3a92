"""The authority of one installation: root, intermediate, time stamping and receipt keys in one folder or token.

FOLDER/keys/ is the key store, unless keys are in a token; FOLDER/certificates/*.pem what was certified at the
beginning, FOLDER/authority.json is written last and marks a finished installation. A demo installation says so in the
name of both authorities.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from kernel.canonical import canonical_bytes, parse_canonical
from kernel.clock import Clock
from kernel.errors import Conflict, NotFound
from pki.algorithms import PrivateKey, fingerprint_of
from pki.authority import (
    Prepared,
    build_intermediate,
    build_root,
    issue,
    make_request,
    new_serial,
    pem_of,
    prepare,
)
from pki.key_provider import KeyProvider
from pki.keys import Cost, KeyStore
from pki.locations import Locations, check_shards
from pki.names import DEMO_PREFIX, Subject, name_of, party_of
from pki.profiles import SERVICE_SEAL, TSA, Profile
from pki.signed_data import Signer
from pki.variation import PLAIN, Variation

TSA_RSA = "tsa-rsa"
_MARK = "authority.json"
_MAX_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate authority by its short name: ``root`` or ``intermediate``."""

    name: str
    key: PrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class FirstCertificate:
    """A certificate that was made before there was a registry to record it."""

    profile: str
    issuer: str
    certificate: x509.Certificate


class Authority:
    """Issues and revokes with the keys of one installation; keeps no record, which is the registry's work."""

    def __init__(
        self, folder: Path, keys: KeyProvider, description: dict[str, Any], *, crl_shards: int = 1
    ) -> None:
        self.folder = folder
        self.crl_shards = check_shards(crl_shards)
        self._keys = keys
        self.demo: bool = description["demo"]
        self.base_url: str | None = description["base_url"]
        self.root = Issuer("root", keys.load("root"), self._certificate("root"))
        self.intermediate = Issuer(
            "intermediate", keys.load("intermediate"), self._certificate("intermediate")
        )
        self.tsa = Signer(keys.load("tsa"), self._certificate("tsa"), self.chain)
        self.receipt = Signer(keys.load("receipt"), self._certificate("receipt"), self.chain)
        self.tsa_rsa = self._signer(TSA_RSA) if self._certificate_file(TSA_RSA).exists() else None

    @property
    def keys(self) -> KeyProvider:
        """Where the keys of this installation are kept."""
        return self._keys

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The intermediates that go into every signature."""
        return (self.intermediate.certificate,)

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Every authority whose key is here, root first."""
        return (self.root, self.intermediate)

    def issuer(self, name: str) -> Issuer:
        """Raises NotFound for another name than ``root`` and ``intermediate``."""
        for issuer in self.issuers:
            if issuer.name == name:
                return issuer
        raise NotFound("no such authority", name=name[:64])

    @property
    def stampers(self) -> dict[str, Signer]:
        """Who makes time stamps, by the kind of the key: ``ec`` and, where it was made, ``rsa``."""
        return {"ec": self.tsa} if self.tsa_rsa is None else {"ec": self.tsa, "rsa": self.tsa_rsa}

    def prepare(
        self,
        csr: bytes | x509.CertificateSigningRequest,
        profile: Profile,
        subject: Subject,
        *,
        serial: int,
        now: datetime,
        variation: Variation = PLAIN,
    ) -> Prepared:
        """An end certificate of the intermediate, judged but not signed; the caller keeps serial numbers unique."""
        return prepare(
            csr,
            profile,
            subject,
            self.intermediate.key,
            self.intermediate.certificate,
            serial=serial,
            now=now,
            locations=Locations.below(self.base_url, "intermediate", serial, self.crl_shards),
            variation=variation,
        )

    def issue(
        self,
        csr: bytes | x509.CertificateSigningRequest,
        profile: Profile,
        subject: Subject,
        *,
        serial: int,
        now: datetime,
        variation: Variation = PLAIN,
    ) -> x509.Certificate:
        """As ``prepare``, and signed; the caller records it."""
        return self.prepare(csr, profile, subject, serial=serial, now=now, variation=variation).sign()

    def certify_service(self, csr: bytes, party: str, name: str, *, clock: Clock) -> x509.Certificate:
        """A service's signing certificate, such as the custodian's, for a key that never was here.

        Kept in the folder, so that ``registry.record_authority`` finds it.
        """
        certificate = self.issue(
            csr, SERVICE_SEAL, Subject(name, party), serial=new_serial(), now=clock.now()
        )
        _write_certificate(self.folder, f"service-{fingerprint_of(certificate)}", certificate)
        return certificate

    def add_rsa_timestamps(self, *, clock: Clock) -> Signer:
        """A second time-stamping key, for those who read RSA only; what is there already stays.

        For new and for existing installations: ``registry.record_authority`` finds the certificate.
        """
        if self.tsa_rsa is None:
            key = (
                self._keys.load(TSA_RSA)
                if TSA_RSA in self._keys.names()
                else self._keys.create(TSA_RSA, "RSA")
            )
            first = self.tsa.certificate
            subject = Subject(
                f"{name_of(first)[: _MAX_COMMON_NAME - 4].rstrip()} RSA", f"{party_of(first)}-RSA"
            )
            csr = make_request(key, subject)
            certificate = self.issue(csr, TSA, subject, serial=new_serial(), now=clock.now())
            _write_certificate(self.folder, TSA_RSA, certificate)
            self.tsa_rsa = self._signer(TSA_RSA)
        return self.tsa_rsa

    def first_certificates(self) -> list[FirstCertificate]:
        """Everything that was certified outside the registry."""
        services = sorted((self.folder / "certificates").glob("service-*.pem"))
        return [
            FirstCertificate("root", "root", self.root.certificate),
            FirstCertificate("intermediate", "root", self.intermediate.certificate),
            FirstCertificate("tsa", "intermediate", self.tsa.certificate),
            *(FirstCertificate("tsa", "intermediate", each.certificate) for each in [self.tsa_rsa] if each),
            FirstCertificate("service-seal", "intermediate", self.receipt.certificate),
            *(FirstCertificate("service-seal", "intermediate", _read(path)) for path in services),
        ]

    def _signer(self, name: str) -> Signer:
        return Signer(self._keys.load(name), self._certificate(name), self.chain)

    def _certificate(self, name: str) -> x509.Certificate:
        return _read(self._certificate_file(name))

    def _certificate_file(self, name: str) -> Path:
        return self.folder / "certificates" / f"{name}.pem"


def initialise_authority(
    folder: Path,
    keys: KeyProvider | str,
    *,
    name: str,
    party: str,
    demo: bool,
    clock: Clock,
    base_url: str | None = None,
    cost: Cost | None = None,
) -> Authority:
    """Make root, intermediate, time-stamping and receipt certificates of the organisation ``name``.

    ``keys`` is where keys are made: a token, or the passphrase of encrypted files in the folder (``cost`` is theirs).
    Raises Conflict if the folder holds anything already: an unfinished attempt is removed by hand, never
    continued.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("the folder of the authority is not empty")
    (folder / "certificates").mkdir(parents=True, exist_ok=True)
    keys = _provider(folder, keys, cost)
    now = clock.now()
    subjects = _subjects(name, party, demo)
    root_key = keys.create("root", "P-384")
    root = build_root(root_key, subjects["root"], serial=new_serial(), now=now)
    intermediate_key = keys.create("intermediate", "P-384")
    intermediate = build_intermediate(
        make_request(intermediate_key, subjects["intermediate"]),
        subjects["intermediate"],
        root_key,
        root,
        serial=new_serial(),
        now=now,
        locations=Locations.below(base_url, "root"),
    )
    _write_certificate(folder, "root", root)
    _write_certificate(folder, "intermediate", intermediate)
    for service, profile in (("tsa", TSA), ("receipt", SERVICE_SEAL)):
        certificate = issue(
            make_request(keys.create(service), subjects[service]),
            profile,
            subjects[service],
            intermediate_key,
            intermediate,
            serial=new_serial(),
            now=now,
            locations=Locations.below(base_url, "intermediate"),
        )
        _write_certificate(folder, service, certificate)
    description = {"type": "mohr/authority/v1", "demo": demo, "base_url": base_url}
    _write(folder / _MARK, canonical_bytes(description))
    return Authority(folder, keys, description)


def open_authority(folder: Path, keys: KeyProvider | str, *, crl_shards: int = 1) -> Authority:
    """The authority made earlier in ``folder`` with these ``keys``; raises NotFound, KeyUnavailable or MalformedInput.

    ``crl_shards``: into how many lists the revocations of the certificates issued from now on are divided.
    """
    folder = Path(folder)
    mark = folder / _MARK
    if not mark.exists():
        raise NotFound("no authority was finished in this folder")
    description = parse_canonical(mark.read_bytes())
    return Authority(folder, _provider(folder, keys), description, crl_shards=crl_shards)


def _provider(folder: Path, keys: KeyProvider | str, cost: Cost | None = None) -> KeyProvider:
    return KeyStore(folder / "keys", keys, cost=cost) if isinstance(keys, str) else keys


def _subjects(name: str, party: str, demo: bool) -> dict[str, Subject]:
    prefix = DEMO_PREFIX if demo else ""
    roles = {
        "root": "Root CA",
        "intermediate": "Issuing CA",
        "tsa": "Time Stamping",
        "receipt": "Receipts",
    }
    return {
        key: Subject(f"{prefix}{name} {role}"[:_MAX_COMMON_NAME], f"{party}-{key.upper()}", name)
        for key, role in roles.items()
    }


def _write_certificate(folder: Path, name: str, certificate: x509.Certificate) -> None:
    _write(folder / "certificates" / f"{name}.pem", pem_of([certificate]))


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _write(path: Path, data: bytes) -> None:
    staged = path.with_name(f".{path.name}.staged")
    with staged.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
