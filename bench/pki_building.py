"""Building certificates beside the bare builder of ``cryptography``, which knows no profile and checks nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from pki.algorithms import PrivateKey
from pki.authority import new_serial
from pki.profiles import DOCUMENT_SIGNING

_BASE = "http://pki.tehran.ir/pki"
_POLICY = x509.ObjectIdentifier("2.25.1")
_STARTS = datetime(2026, 11, 24, 8, tzinfo=UTC)


def bare_certificate(key: ec.EllipticCurvePublicKey, issuer_key: PrivateKey) -> x509.Certificate:
    """A person's certificate with nine extensions, built step by step and signed once."""
    url = x509.UniformResourceIdentifier
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url(f"{_BASE}/ca/issuer.crt")),
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url(f"{_BASE}/ocsp")),
    ]
    point = x509.DistributionPoint([url(f"{_BASE}/crl/issuer.crl")], None, None, None)
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(_name("زهرا مرادی", "IR-0012345678"))
        .issuer_name(_name("Tehran Issuing CA", "IRO-14000000001-CA"))
        .public_key(key)
        .serial_number(new_serial())
        .not_valid_before(_STARTS)
        .not_valid_after(_STARTS + timedelta(days=730))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name("z@tehran.ir")]), critical=False)
        .add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(_POLICY, [f"{_BASE}/cps"])]), critical=False
        )
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _name(common_name: str, party: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "IR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "شهرداری تهران"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, party),
        ]
    )
