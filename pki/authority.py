"""Building certificates (RFC 5280 §4); no storage, no clock of its own.

Serial numbers come from the caller, who keeps them unique; ``new_serial`` proposes one. Every certificate but
the root answers a certificate request whose own signature proves possession of the key (RFC 2986).

Issuing has two steps: ``prepare`` builds, signs with a throwaway key of the issuer's kind and lints that;
``Prepared.sign`` signs with the issuer's key and compares. Between them the caller may persist what it intends.
``issue``, ``build_root`` and ``build_intermediate`` do both; ``build`` alone leaves the linter out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from kernel.errors import MalformedInput
from pki import algorithms, linting
from pki.algorithms import PrivateKey, PublicKey, certificate_hash
from pki.instants import whole_second
from pki.linting import Finding
from pki.locations import Locations, extensions_of
from pki.names import Subject
from pki.profiles import BACKDATED, INTERMEDIATE, ROOT, Profile
from pki.qualified import statements
from pki.requests import MAX_REQUEST_BYTES, USAGES, check_csr, check_key, make_request
from pki.variation import PLAIN, Variation, life_of, names_of, policies_of, purposes_of, usages_of

__all__ = [
    "MAX_REQUEST_BYTES",
    "Prepared",
    "build",
    "build_intermediate",
    "build_root",
    "check_csr",
    "issue",
    "make_request",
    "new_serial",
    "pem_of",
    "prepare",
    "prepare_root",
]

_SERIAL_BITS = 159
_TEMPLATES = 2048
_REVOCATION = frozenset({ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.FRESHEST_CRL})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A certificate as it will be; ``tbs`` is what the issuer's key will sign.

    ``findings``: what the linter says and the profile accepts.
    """

    profile: Profile
    serial: int
    tbs: bytes
    findings: tuple[Finding, ...]
    _builder: x509.CertificateBuilder
    _key: PrivateKey

    def sign(self) -> x509.Certificate:
        """The certificate, signed by its issuer; raises MalformedInput if it is not the one that was prepared."""
        certificate = self._builder.sign(self._key, certificate_hash(self._key))
        if certificate.tbs_certificate_bytes != self.tbs:
            raise MalformedInput(
                "the certificate is not the one that was judged", serial=f"{self.serial:040x}"
            )
        return certificate


def new_serial() -> int:
    """A random serial of 159 bits, positive in 20 octets (RFC 5280 §4.1.2.2); the caller checks it is new."""
    return secrets.randbits(_SERIAL_BITS - 1) | 1 << (_SERIAL_BITS - 1)


def prepare(
    csr: bytes | x509.CertificateSigningRequest,
    profile: Profile,
    subject: Subject,
    issuer_key: PrivateKey,
    issuer_certificate: x509.Certificate,
    *,
    serial: int,
    now: datetime,
    locations: Locations | None = None,
    variation: Variation = PLAIN,
) -> Prepared:
    """A certificate for the key of the request, linted, never valid longer than its issuer.

    A request that is not bytes went through ``check_csr`` before. Raises RequestInvalid and its kinds,
    LimitExceeded, MalformedInput (issuer's key and certificate), LintFailed.
    """
    builder = _draft(csr, profile, subject, issuer_key, issuer_certificate, serial, now, locations, variation)
    throwaway = linting.throwaway_key(issuer_key)
    trial = builder.sign(throwaway, certificate_hash(throwaway))
    findings = linting.check(trial, profile.lint, addressed=locations is not None)
    return Prepared(profile, serial, trial.tbs_certificate_bytes, findings, builder, issuer_key)


def issue(
    csr: bytes | x509.CertificateSigningRequest,
    profile: Profile,
    subject: Subject,
    issuer_key: PrivateKey,
    issuer_certificate: x509.Certificate,
    *,
    serial: int,
    now: datetime,
    locations: Locations | None = None,
    variation: Variation = PLAIN,
) -> x509.Certificate:
    """``prepare`` and ``sign`` in one."""
    prepared = prepare(
        csr,
        profile,
        subject,
        issuer_key,
        issuer_certificate,
        serial=serial,
        now=now,
        locations=locations,
        variation=variation,
    )
    return prepared.sign()


def build(
    csr: bytes | x509.CertificateSigningRequest,
    profile: Profile,
    subject: Subject,
    issuer_key: PrivateKey,
    issuer_certificate: x509.Certificate,
    *,
    serial: int,
    now: datetime,
    locations: Locations | None = None,
    variation: Variation = PLAIN,
) -> x509.Certificate:
    """As ``issue`` but for the linter: for benchmarks and tests, never for what is handed out."""
    draft = _draft(csr, profile, subject, issuer_key, issuer_certificate, serial, now, locations, variation)
    return draft.sign(issuer_key, certificate_hash(issuer_key))


def prepare_root(
    key: PrivateKey,
    subject: Subject,
    *,
    serial: int,
    now: datetime,
    profile: Profile = ROOT,
    variation: Variation = PLAIN,
) -> Prepared:
    """The self-signed root, linted; the throwaway key stands in for its own key in every place."""
    throwaway = linting.throwaway_key(key)
    of_throwaway = _root_builder(throwaway, subject, serial, now, profile, variation)
    trial = of_throwaway.sign(throwaway, certificate_hash(throwaway))
    findings = linting.check(trial, profile.lint, addressed=True)
    builder = _root_builder(key, subject, serial, now, profile, variation)
    real = builder.sign(throwaway, certificate_hash(throwaway))
    _compare_roots(trial, real)
    return Prepared(profile, serial, real.tbs_certificate_bytes, findings, builder, key)


def build_root(key: PrivateKey, subject: Subject, *, serial: int, now: datetime) -> x509.Certificate:
    """The self-signed root, linted and signed: 20 years, path length 1."""
    return prepare_root(key, subject, serial=serial, now=now).sign()


def build_intermediate(
    csr: bytes,
    subject: Subject,
    issuer_key: PrivateKey,
    issuer_certificate: x509.Certificate,
    *,
    serial: int,
    now: datetime,
    locations: Locations | None = None,
) -> x509.Certificate:
    """An issuing authority below the root, linted and signed: 10 years, path length 0."""
    return issue(
        csr,
        INTERMEDIATE,
        subject,
        issuer_key,
        issuer_certificate,
        serial=serial,
        now=now,
        locations=locations,
    )


def pem_of(certificates: Sequence[x509.Certificate]) -> bytes:
    """The certificates one after the other in PEM."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _draft(
    csr: bytes | x509.CertificateSigningRequest,
    profile: Profile,
    subject: Subject,
    issuer_key: PrivateKey,
    issuer: x509.Certificate,
    serial: int,
    now: datetime,
    locations: Locations | None,
    variation: Variation,
) -> x509.CertificateBuilder:
    request = check_csr(csr, profile) if isinstance(csr, bytes) else csr
    key = check_key(request.public_key(), profile)
    if issuer.public_key() != issuer_key.public_key():
        raise MalformedInput("the issuer's key and certificate do not belong together")
    shared = PLAIN if variation == PLAIN else variation.without_names
    template = _template(profile, algorithms.key_kind(key), issuer, locations, shared)
    at = whole_second(now)
    builder = template.subject_name(profile.subject.complete(subject).to_name()).public_key(key)
    builder = builder.serial_number(serial)
    builder = builder.not_valid_before(max(at - BACKDATED, _starts(issuer)))
    builder = builder.not_valid_after(min(at + life_of(profile, variation), _ends(issuer)))
    if names := names_of(profile, variation):
        builder = builder.add_extension(names, critical=False)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _root_builder(
    key: PrivateKey, subject: Subject, serial: int, now: datetime, profile: Profile, variation: Variation
) -> x509.CertificateBuilder:
    public = check_key(key.public_key(), profile)
    name = profile.subject.complete(subject).to_name()
    builder = x509.CertificateBuilder().issuer_name(name).subject_name(name).public_key(public)
    builder = builder.serial_number(serial).not_valid_before(whole_second(now) - BACKDATED)
    builder = builder.not_valid_after(whole_second(now) + life_of(profile, variation))
    for extension, critical in _extensions(profile, algorithms.key_kind(public), variation):
        builder = builder.add_extension(extension, critical)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


@lru_cache(maxsize=_TEMPLATES)
def _template(
    profile: Profile,
    kind: str,
    issuer: x509.Certificate,
    locations: Locations | None,
    variation: Variation,
) -> x509.CertificateBuilder:
    """What is the same in every certificate of that profile, kind of key, issuer and variation.

    Its extensions are encoded once, which takes longer than one signature on P-256.
    """
    builder = x509.CertificateBuilder().issuer_name(issuer.subject)
    builder = _with_encoded(builder, _authority_identifier(issuer), critical=False)
    for extension, critical in _extensions(profile, kind, variation):
        builder = _with_encoded(builder, extension, critical)
    for extension in () if locations is None else extensions_of(locations):
        if profile.revocable or extension.oid not in _REVOCATION:
            builder = _with_encoded(builder, extension, critical=False)
    return builder


def _with_encoded(
    builder: x509.CertificateBuilder, extension: x509.ExtensionType, critical: bool
) -> x509.CertificateBuilder:
    encoded = x509.UnrecognizedExtension(extension.oid, extension.public_bytes())
    return builder.add_extension(encoded, critical)


def _extensions(
    profile: Profile, kind: str, variation: Variation
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """What follows from the profile alone, each with whether it is critical."""
    yield x509.BasicConstraints(ca=profile.is_authority, path_length=profile.path_length), True
    usages = usages_of(profile, kind, variation)
    yield x509.KeyUsage(**{name: name in usages for name in USAGES}), True
    if purposes := purposes_of(profile, variation):
        yield x509.ExtendedKeyUsage(purposes), profile.purposes.critical
    if policies := policies_of(profile, variation):
        known = [x509.PolicyInformation(each.oid, [each.cps] if each.cps else None) for each in policies]
        yield x509.CertificatePolicies(known), False
    if profile.qualified is not None:
        yield statements(profile.qualified), False
    if profile.never_checked:
        yield x509.OCSPNoCheck(), False


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    # RFC 5280 §4.2.1.1: the identifier that the issuer itself carries, however it was derived.
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(_accepted(issuer.public_key()))
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _accepted(key: object) -> PublicKey:
    algorithms.key_kind(key)
    if not isinstance(key, PublicKey):
        raise MalformedInput("a public key was expected")
    return key


def _compare_roots(trial: x509.Certificate, real: x509.Certificate) -> None:
    """Everything but the key and its identifier is the same; raises MalformedInput."""
    one, other = (_apart_from_the_key(certificate) for certificate in (trial, real))
    if one != other:
        raise MalformedInput("the root is not the one that was judged")


def _apart_from_the_key(certificate: x509.Certificate) -> tuple[object, ...]:
    kept = [item for item in certificate.extensions if item.oid != x509.SubjectKeyIdentifier.oid]
    return (
        certificate.subject,
        certificate.issuer,
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.signature_algorithm_oid,
        tuple((item.oid, item.critical, item.value) for item in kept),
    )


@lru_cache(maxsize=_TEMPLATES)
def _starts(issuer: x509.Certificate) -> datetime:
    return issuer.not_valid_before_utc


@lru_cache(maxsize=_TEMPLATES)
def _ends(issuer: x509.Certificate) -> datetime:
    return issuer.not_valid_after_utc
