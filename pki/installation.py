"""The authority of one installation: its issuers, time stamping and receipt keys in one folder or token.

FOLDER/keys/ is the key store, unless keys are in a token; the rest of the folder is ``pki.authority_folder``. A demo
installation says so in the name of its authorities.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from kernel.clock import Clock
from kernel.errors import NotFound, WrongState
from pki.algorithms import fingerprint_of
from pki.authority import Prepared, make_request, new_serial, prepare
from pki.authority_folder import (
    chain_in,
    is_finished,
    issuer_name,
    provider_of,
    read_certificate,
    read_description,
    service_of,
    write_certificate,
)
from pki.errors import AuthorityNotActive
from pki.issuers import NEEDED_SERVICES, SERVICES, Description, Issuer, IssuerEntry
from pki.key_provider import KeyProvider
from pki.locations import Locations, check_shards
from pki.names import Subject, name_of, party_of
from pki.profiles import SERVICE_SEAL, Profile
from pki.signed_data import Signer
from pki.variation import PLAIN, Variation

TSA_POLICY = "2.25.278621877218977492759295331449423114744"
TSA_RSA = "tsa-rsa"
SEAL = "seal"
MAX_COMMON_NAME = 64


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
        return found is not None and found != self.description and is_finished(found)

    def reload(self) -> None:
        """Take up what a ceremony has changed meanwhile; whoever calls has verified the history."""
        found = read_description(self.folder)
        if found is not None and found != self.description and is_finished(found):
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
        return chain_in(self.description, self.known, name)

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
        write_certificate(self.folder, f"service-{fingerprint_of(certificate)}", certificate)
        return certificate

    def add_rsa_timestamps(self, *, clock: Clock) -> Signer:
        """A second time-stamping key, for those who read RSA only; what is there already stays.

        For new and for existing installations: ``registry.record_authority`` finds the certificate.
        """
        if self.tsa_rsa is None:
            first = self.tsa.certificate
            subject = Subject(
                f"{name_of(first)[: MAX_COMMON_NAME - 4].rstrip()} RSA", f"{party_of(first)}-RSA"
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
            name = name_of(first).removesuffix(" Receipts")[: MAX_COMMON_NAME - 5].rstrip()
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
        write_certificate(self.folder, role, certificate)
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
        return FirstCertificate(profile, issuer_name(self.folder, self.description, certificate), certificate)

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
        chain = chain_in(description, known, entry.issuer)
        return Signer(self._keys.load(entry.key), self._certificate(entry.certificate), chain)

    def _certificate(self, path: str) -> x509.Certificate:
        return read_certificate(self.folder / path)


def open_authority(folder: Path, keys: KeyProvider | str, *, crl_shards: int = 1) -> Authority:
    """The authority made earlier in ``folder`` with these ``keys``; raises NotFound, KeyUnavailable or MalformedInput.

    ``crl_shards``: into how many lists the revocations of the certificates issued from now on are divided.
    """
    folder = Path(folder)
    description = read_description(folder)
    if description is None or not is_finished(description):
        raise NotFound("no authority was finished in this folder")
    return Authority(folder, provider_of(folder, keys), description, crl_shards=crl_shards)
