"""Building certificates (RFC 5280 §4); no storage, no clock of its own.

Serial numbers come from the caller, who keeps them unique; ``new_serial`` proposes one. Every certificate but
the root answers a certificate request whose own signature proves possession of the key (RFC 2986).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.errors import LimitExceeded, MalformedInput
from pki import algorithms
from pki.algorithms import PrivateKey, PublicKey, certificate_hash
from pki.errors import RequestInvalid
from pki.instants import whole_second
from pki.locations import Locations, extensions_of
from pki.names import Subject
from pki.profiles import BACKDATED, INTERMEDIATE, ROOT, Profile

MAX_REQUEST_BYTES = 16 * 1024
_SERIAL_BITS = 159
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def new_serial() -> int:
    """A random serial of 159 bits, positive in 20 octets (RFC 5280 §4.1.2.2); the caller checks it is new."""
    return secrets.randbits(_SERIAL_BITS - 1) | 1 << (_SERIAL_BITS - 1)


def make_request(key: PrivateKey, subject: Subject) -> bytes:
    """A PKCS #10 request (DER) signed with the key it is for."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.to_name())
    request = builder.sign(key, certificate_hash(key))
    return request.public_bytes(Encoding.DER)


def check_csr(csr: bytes, profile: Profile) -> x509.CertificateSigningRequest:
    """A request in PEM or DER with proof of possession and a key the profile takes.

    Raises LimitExceeded beyond 16 KiB and RequestInvalid otherwise. Its subject and extensions are only
    wishes: the registrar names the subject and the profile the extensions.
    """
    if len(csr) > MAX_REQUEST_BYTES:
        raise LimitExceeded("the certificate request is too long", limit_bytes=MAX_REQUEST_BYTES)
    try:
        pem = csr.lstrip().startswith(b"-----BEGIN")
        request = x509.load_pem_x509_csr(csr) if pem else x509.load_der_x509_csr(csr)
        kind = algorithms.key_kind(request.public_key())
        proven = request.is_signature_valid
    except Exception as error:  # InvalidVersion and UnsupportedAlgorithm, for two, are no ValueErrors.
        raise RequestInvalid("not a readable certificate request with an accepted key") from error
    if not proven:
        raise RequestInvalid("the request does not prove possession of its key")
    if kind not in profile.key_kinds:
        raise RequestInvalid("this profile takes other keys", profile=profile.name, key_kind=kind)
    return request


def build_root(key: PrivateKey, subject: Subject, *, serial: int, now: datetime) -> x509.Certificate:
    """The self-signed root: 20 years, path length 1."""
    builder = _builder(ROOT, subject, key.public_key(), subject.to_name(), key.public_key(), serial)
    builder = builder.not_valid_before(whole_second(now) - BACKDATED).not_valid_after(
        whole_second(now) + ROOT.life
    )
    return builder.sign(key, certificate_hash(key))


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
    """An issuing authority below the root: 10 years, path length 0."""
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


def issue(
    csr: bytes,
    profile: Profile,
    subject: Subject,
    issuer_key: PrivateKey,
    issuer_certificate: x509.Certificate,
    *,
    serial: int,
    now: datetime,
    locations: Locations | None = None,
) -> x509.Certificate:
    """A certificate for the key of the request, never valid longer than its issuer.

    Raises RequestInvalid or LimitExceeded (``check_csr``).
    """
    request = check_csr(csr, profile)
    issuer_public = issuer_certificate.public_key()
    if issuer_public != issuer_key.public_key():
        raise MalformedInput("the issuer's key and certificate do not belong together")
    key = request.public_key()
    builder = _builder(profile, subject, key, issuer_certificate.subject, issuer_key.public_key(), serial)
    starts = max(whole_second(now) - BACKDATED, issuer_certificate.not_valid_before_utc)
    ends = min(whole_second(now) + profile.life, issuer_certificate.not_valid_after_utc)
    builder = builder.not_valid_before(starts).not_valid_after(ends)
    if locations is not None:
        builder = _with_locations(builder, locations)
    return builder.sign(issuer_key, certificate_hash(issuer_key))


def pem_of(certificates: Sequence[x509.Certificate]) -> bytes:
    """The certificates one after the other in PEM."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _builder(
    profile: Profile,
    subject: Subject,
    key: object,
    issuer: x509.Name,
    issuer_key: object,
    serial: int,
) -> x509.CertificateBuilder:
    public, issuer_public = _accepted(key), _accepted(issuer_key)
    builder = x509.CertificateBuilder().subject_name(subject.to_name()).issuer_name(issuer)
    builder = builder.public_key(public).serial_number(serial)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=profile.is_authority, path_length=profile.path_length), critical=True
    )
    usages = {name: name in profile.key_usages for name in _USAGES}
    builder = builder.add_extension(x509.KeyUsage(**usages), critical=True)
    if profile.extended_key_usage is not None:
        extended = x509.ExtendedKeyUsage([profile.extended_key_usage])
        builder = builder.add_extension(extended, critical=profile.extended_critical)
    if profile.never_checked:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    if profile is ROOT:
        return builder
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public)
    return builder.add_extension(identifier, critical=False)


def _with_locations(builder: x509.CertificateBuilder, locations: Locations) -> x509.CertificateBuilder:
    for extension in extensions_of(locations):
        builder = builder.add_extension(extension, critical=False)
    return builder


def _accepted(key: object) -> PublicKey:
    algorithms.key_kind(key)
    if not isinstance(key, PublicKey):
        raise MalformedInput("a public key was expected")
    return key
