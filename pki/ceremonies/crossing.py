"""Cross certificates (RFC 4210 §4.4, RFC 5280 §3.2): the same name and key as another certificate, another issuer."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from pki.algorithms import PrivateKey, certificate_hash, public_key_of
from pki.authority import new_serial
from pki.instants import whole_second
from pki.locations import Locations

_AUTHORITY_USAGES = {"key_cert_sign", "crl_sign"}
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


def cross_certificate(
    subject: x509.Certificate | x509.CertificateSigningRequest,
    issuer_key: PrivateKey,
    issuer: x509.Certificate,
    *,
    path_length: int,
    starts: datetime,
    ends: datetime,
    locations: Locations | None,
) -> x509.Certificate:
    """For the name and key of ``subject``, which must have been checked; valid as long as the caller says."""
    key = public_key_of(subject) if isinstance(subject, x509.Certificate) else subject.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject.subject)
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(new_serial())
        .not_valid_before(whole_second(starts))
        .not_valid_after(whole_second(ends))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(x509.KeyUsage(**{name: name in _AUTHORITY_USAGES for name in _USAGES}), critical=True)
        .add_extension(_identifier(subject, key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if locations is not None:
        builder = _with_locations(builder, locations)
    return builder.sign(issuer_key, certificate_hash(issuer_key))


def _identifier(
    subject: x509.Certificate | x509.CertificateSigningRequest, key: object
) -> x509.SubjectKeyIdentifier:
    """What the certificates below name: the identifier of the certificate that is crossed, if it has one."""
    if isinstance(subject, x509.Certificate):
        try:
            return subject.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            pass
    return x509.SubjectKeyIdentifier.from_public_key(key)  # type: ignore[arg-type]


def _with_locations(builder: x509.CertificateBuilder, locations: Locations) -> x509.CertificateBuilder:
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(locations.certificate_url)
    )
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(locations.crl_url)], None, None, None)
    builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
