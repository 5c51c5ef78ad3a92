"""The authority of one installation: its issuers, time stamping and receipt keys in one folder or token.

FOLDER/keys/ is the key store, unless keys are in a token; FOLDER/certificates/*.pem what was certified at the
beginning, FOLDER/authority.json says what there is (``pki.issuers``), written last. FOLDER/ceremonies/NNNN-ID/ holds
what a ceremony made, with the description that counts from then on: the folder with the highest number speaks. A demo
installation says so in the name of its authorities.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from kernel.clock import Clock
from kernel.errors import Conflict, NotFound, WrongState
from pki.algorithms import fingerprint_of
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
from pki.errors import AuthorityNotActive
from pki.issuers import (
    NEEDED_SERVICES,
    SERVICES,
    Description,
    Issuer,
    IssuerEntry,
    ServiceEntry,
    first_description,
)
from pki.key_provider import KeyProvider
from pki.keys import Cost, KeyStore
from pki.locations import Locations, check_shards
from pki.names import DEMO_PREFIX, Subject, name_of, party_of
from pki.profiles import SERVICE_SEAL, Profile
from pki.revocation_lists import build_crl, crl_profile
from pki.signed_data import Signer
from pki.variation import PLAIN, Variation

TSA_POLICY = "2.25.278621877218977492759295331449423114744"
TSA_RSA = "tsa-rsa"
SEAL = "seal"
MARK = "authority.json"
CEREMONIES = "ceremonies"
_CEREMONY = re.compile(r"[0-9]{4}-[a-z0-9-]{1,64}")
_MAX_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class FirstCertificate:
    """A certificate that was made before there was a registry to record it, or in a ceremony."""

    profile: str
    issuer: str
    certificate: x509.Certificate


class Authority:
    """Issues and revokes with the keys of one installation; keeps no record, which is the registry's work."""

    def __init__(
        self, folder: Path, keys: KeyProvider, description: Description, *, crl_shards: int = 1
    ) -> None:
        self.folder = folder
        self.crl_shards = check_shards(crl_shards)
        self._keys = keys
        self._take(description)

    def _take(self, description: Description) -> None:
        """Everything is read before anything is replaced, so that a thread beside sees the one or the other."""
        known = tuple(self._issuer(entry) for entry in description.issuers)
        tsa, receipt = (self._signer(description, known, role) for role in NEEDED_SERVICES)
        tsa_rsa, seal = (self._signer_if_any(description, known, role) for role in (TSA_RSA, SEAL))
        self.description, self.tsa_rsa, self.seal = description, tsa_rsa, seal
        self.known, self.tsa, self.receipt = known, tsa, receipt

    def has_changed(self) -> bool:
        """Whether a ceremony was held since this was read."""
        found = read_description(self.folder)
        return found is not None and found != self.description and _is_finished(found)

    def reload(self) -> None:
        """Take up what a ceremony has changed meanwhile; whoever calls has verified the history."""
        found = read_description(self.folder)
        if found is not None and found != self.description and _is_finished(found):
            self._take(found)

    @property
    def demo(self) -> bool:
        return self.description.demo

    @property
    def base_url(self) -> str | None:
        return self.description.base_url

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Every authority whose key is here and that still signs lists, roots first; not the revoked ones."""
        here = [each for each in self.known if each.held is not None and each.state != "revoked"]
        return tuple(sorted(here, key=lambda each: each.kind != "root"))

    @property
    def answered_for(self) -> tuple[Issuer, ...]:
        """Whose certificates OCSP tells of: the above, and what was here and was revoked."""
        described = {each.name: each for each in self.description.issuers}
        gone = [each for each in self.known if each.state == "revoked" and described[each.name].key == "here"]
        return (*self.issuers, *gone)

    def issuer(self, name: str) -> Issuer:
        """Any authority of that name, whether or not its key is here; raises NotFound."""
        for issuer in self.known:
            if issuer.name == name:
                return issuer
        raise NotFound("no such authority", name=name[:64])

    @property
    def roots(self) -> tuple[Issuer, ...]:
        """What is trusted here: every root that was not given up."""
        return tuple(each for each in self.known if each.kind == "root" and each.state != "revoked")

    @property
    def root(self) -> Issuer:
        """The root that certifies authorities now."""
        active = [each for each in self.roots if each.state == "active"]
        return (active or [each for each in self.known if each.kind == "root"])[-1]

    @property
    def anchor(self) -> Issuer:
        """The root that parties and auditors pin: the oldest one that was not given up."""
        return (self.roots or (self.root,))[0]

    @property
    def intermediate(self) -> Issuer:
        """The authority that issues now; where there is none, the last one, which then does not."""
        ours = [each for each in self.known if each.kind == "intermediate" and each.held is not None]
        ours = ours or [each for each in self.known if each.kind == "intermediate"]
        active = [each for each in ours if each.state == "active"]
        return (active or ours)[-1]

    @property
    def keys(self) -> KeyProvider:
        """Where the keys of this installation are kept."""
        return self._keys

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The intermediates that go into every signature."""
        return self.chain_of(self.intermediate.name)

    def chain_of(self, name: str) -> tuple[x509.Certificate, ...]:
        """That authority and those above it, without the root."""
        return _chain(self.description, self.known, name)

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """Every intermediate there ever was: what a retired one issued still verifies, what a revoked one did not."""
        return tuple(each.certificate for each in self.known if each.kind == "intermediate")

    @property
    def crosses(self) -> tuple[x509.Certificate, ...]:
        """The cross certificates (RFC 4210 §4.4), revoked ones as well, so that they are refused."""
        entries = (each for each in self.description.certified if each.profile == "cross")
        return tuple(read_certificate(self.folder / each.certificate) for each in entries)

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
        expected: str | None = None,
    ) -> Prepared:
        """An end certificate of the intermediate, judged but not signed; the caller keeps serial numbers unique.

        ``expected``: the authority that the caller has recorded for that serial number. Raises AuthorityNotActive
        while no authority may issue, WrongState where another has taken its place meanwhile.
        """
        issuer = self.intermediate
        if expected not in (None, issuer.name):
            raise WrongState("another authority has begun to issue: try again", name=issuer.name)
        if issuer.state != "active":
            raise AuthorityNotActive(
                "the authority is revoked: a ceremony brings in a new one", name=issuer.name
            )
        return prepare(
            csr,
            profile,
            subject,
            issuer.key,
            issuer.certificate,
            serial=serial,
            now=now,
            locations=Locations.below(self.base_url, issuer.name, serial, self.crl_shards),
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
        expected: str | None = None,
    ) -> x509.Certificate:
        """As ``prepare``, and signed; the caller records it."""
        prepared = self.prepare(
            csr, profile, subject, serial=serial, now=now, variation=variation, expected=expected
        )
        return prepared.sign()

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
            first = self.tsa.certificate
            subject = Subject(
                f"{name_of(first)[: _MAX_COMMON_NAME - 4].rstrip()} RSA", f"{party_of(first)}-RSA"
            )
            self.tsa_rsa = self._add_service(TSA_RSA, subject, clock)
        return self.tsa_rsa

    def add_seal(self, *, clock: Clock) -> Signer:
        """The seal that the organisation puts on documents, apart from the key of receipts; one that is there stays.

        For new and for existing installations, as ``add_rsa_timestamps``.
        """
        if self.seal is None:
            first = self.receipt.certificate
            organization = first.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
            name = name_of(first).removesuffix(" Receipts")[: _MAX_COMMON_NAME - 5].rstrip()
            subject = Subject(
                f"{name} Seal",
                f"{party_of(first).removesuffix('-RECEIPT')}-SEAL",
                str(organization[0].value) if organization else None,
            )
            self.seal = self._add_service(SEAL, subject, clock)
        return self.seal

    def _add_service(self, role: str, subject: Subject, clock: Clock) -> Signer:
        profile, kind = SERVICES[role]
        key = self._keys.load(role) if role in self._keys.names() else self._keys.create(role, kind)
        csr = make_request(key, subject)
        certificate = self.issue(csr, profile, subject, serial=new_serial(), now=clock.now())
        _write_certificate(self.folder, role, certificate)
        return self._signer(self.description, self.known, role)

    def first_certificates(self) -> list[FirstCertificate]:
        """Everything that was certified outside the registry; an outside root is not ours to record."""
        described = self.description
        first = self.folder / "certificates"
        files = [(SERVICE_SEAL.name, path) for path in sorted(first.glob("service-*.pem"))]
        for role in (TSA_RSA, SEAL):
            files += [(SERVICES[role][0].name, path) for path in first.glob(f"{role}.pem")]
        entries = [
            *(
                (each.kind, each.issuer, each.certificate)
                for each in described.issuers
                if each.key != "outside"
            ),
            *((SERVICES[each.role][0].name, each.issuer, each.certificate) for each in described.services),
            *((each.profile, each.issuer, each.certificate) for each in described.certified),
        ]
        return [
            *(FirstCertificate(kind, issuer, self._certificate(path)) for kind, issuer, path in entries),
            *(self._first_service(profile, read_certificate(path)) for profile, path in files),
        ]

    def _first_service(self, profile: str, certificate: x509.Certificate) -> FirstCertificate:
        return FirstCertificate(
            profile, _issuer_name(self.folder, self.description, certificate), certificate
        )

    def _issuer(self, entry: IssuerEntry) -> Issuer:
        held = self._keys.load(entry.name) if entry.key == "here" and entry.state != "revoked" else None
        return Issuer(entry.name, held, self._certificate(entry.certificate), entry.kind, entry.state)

    def _signer_if_any(self, description: Description, known: tuple[Issuer, ...], role: str) -> Signer | None:
        entry = service_of(self.folder, description, role)
        return None if entry is None else self._signer(description, known, role)

    def _signer(self, description: Description, known: tuple[Issuer, ...], role: str) -> Signer:
        entry = service_of(self.folder, description, role)
        if entry is None:
            raise NotFound("no authority was finished in this folder")
        chain = _chain(description, known, entry.issuer)
        return Signer(self._keys.load(entry.key), self._certificate(entry.certificate), chain)

    def _certificate(self, path: str) -> x509.Certificate:
        return read_certificate(self.folder / path)


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
    root_keys: KeyProvider | None = None,
) -> Authority:
    """Make root, intermediate, time-stamping and receipt certificates of the organisation ``name``.

    ``keys`` is where keys are made: a token, or the passphrase of encrypted files in the folder (``cost`` is theirs).
    With ``root_keys`` the root's key is made in that store, apart, and not needed any more afterwards; the first
    list of the root is kept in the folder. Raises Conflict if the folder holds anything already: an unfinished
    attempt is removed by hand, never continued.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("the folder of the authority is not empty")
    (folder / "certificates").mkdir(parents=True, exist_ok=True)
    keys = _provider(folder, keys, cost)
    now = clock.now()
    subjects = subjects_of(name, party, demo)
    root_key = (root_keys or keys).create("root", "P-384")
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
    for service in NEEDED_SERVICES:
        profile, kind = SERVICES[service]
        certificate = issue(
            make_request(keys.create(service, kind), subjects[service]),
            profile,
            subjects[service],
            intermediate_key,
            intermediate,
            serial=new_serial(),
            now=now,
            locations=Locations.below(base_url, "intermediate"),
        )
        _write_certificate(folder, service, certificate)
    if root_keys is not None:
        _write(
            folder / "root.crl", build_crl(root_key, root, [], int(now.timestamp()), now, crl_profile("root"))
        )
    description = first_description(demo, base_url, "here" if root_keys is None else "apart")
    _write(folder / MARK, description.to_bytes())
    return Authority(folder, keys, description)


def open_authority(folder: Path, keys: KeyProvider | str, *, crl_shards: int = 1) -> Authority:
    """The authority made earlier in ``folder`` with these ``keys``; raises NotFound, KeyUnavailable or MalformedInput.

    ``crl_shards``: into how many lists the revocations of the certificates issued from now on are divided.
    """
    folder = Path(folder)
    description = read_description(folder)
    if description is None or not _is_finished(description):
        raise NotFound("no authority was finished in this folder")
    return Authority(folder, _provider(folder, keys), description, crl_shards=crl_shards)


def _provider(folder: Path, keys: KeyProvider | str, cost: Cost | None = None) -> KeyProvider:
    return KeyStore(folder / "keys", keys, cost=cost) if isinstance(keys, str) else keys


def service_of(folder: Path, description: Description, role: str) -> ServiceEntry | None:
    """The service in use; one that was added without a ceremony has its certificate among the first ones."""
    entry, path = description.service(role), f"certificates/{role}.pem"
    if entry is not None or role in NEEDED_SERVICES or not (folder / path).exists():
        return entry
    issuer = _issuer_name(folder, description, read_certificate(folder / path))
    return ServiceEntry(role, role, issuer, path)


def _issuer_name(folder: Path, description: Description, certificate: x509.Certificate) -> str:
    """A certificate names the key of its issuer (RFC 5280 §4.2.1.1)."""
    named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    return next(
        each.name
        for each in description.issuers
        if _key_identifier(read_certificate(folder / each.certificate)) == named.key_identifier
    )


def read_description(folder: Path) -> Description | None:
    """What the last ceremony, or the beginning, left; None in an empty folder."""
    last = [*ceremony_folders(folder)][-1:]
    mark = (last[0] if last else folder) / MARK
    return Description.parse(mark.read_bytes()) if mark.exists() else None


def ceremony_folders(folder: Path) -> list[Path]:
    """The folders of the ceremonies that were held, in their order."""
    below = folder / CEREMONIES
    found = below.iterdir() if below.is_dir() else ()
    return sorted(each for each in found if _CEREMONY.fullmatch(each.name))


def kept_lists(folder: Path) -> list[bytes]:
    """The revocation lists (DER) that were made where there is no database: at the beginning and in ceremonies."""
    first = [folder / "root.crl"] if (folder / "root.crl").exists() else []
    later = (path for each in ceremony_folders(folder) for path in sorted(each.glob("*.crl")))
    return [path.read_bytes() for path in (*first, *later)]


def read_certificate(path: Path) -> x509.Certificate:
    """One certificate (PEM) of the authority's own folder."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def subjects_of(name: str, party: str, demo: bool) -> dict[str, Subject]:
    """How the authorities and services of an organisation are called."""
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
    (folder / "certificates").mkdir(exist_ok=True)
    _write(folder / "certificates" / f"{name}.pem", pem_of([certificate]))


def _is_finished(description: Description) -> bool:
    ours = any(each.kind == "intermediate" and each.key == "here" for each in description.issuers)
    return ours and all(description.service(role) is not None for role in NEEDED_SERVICES)


def _chain(description: Description, known: tuple[Issuer, ...], name: str) -> tuple[x509.Certificate, ...]:
    certificates = {each.name: each.certificate for each in known}
    chain: list[x509.Certificate] = []
    entry = description.issuer(name)
    while entry is not None and entry.kind != "root" and len(chain) <= len(known):
        chain.append(certificates[entry.name])
        entry = description.issuer(entry.issuer)
    return tuple(chain)


def _key_identifier(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def _write(path: Path, data: bytes) -> None:
    staged = path.with_name(f".{path.name}.staged")
    with staged.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
