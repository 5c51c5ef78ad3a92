"""The bare builder that building and issuing are measured against: the library's own, which knows no profile.

A certificate as ``person-signing`` has it: subject, nine extensions, each encoded anew, one signature. Nothing is
checked and nothing is looked up.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from pki.algorithms import PrivateKey
from pki.authority import new_serial
from pki.profiles import DOCUMENT_SIGNING

EXTENSIONS = 9
_BASE = "http://pki.tehran.ir/pki"
_LIFE = timedelta(days=730)
_POLICY = x509.ObjectIdentifier("2.25.179983338170985244995300137777055851294.1")


def bare_certificate(
    key: ec.EllipticCurvePublicKey, issuer_key: PrivateKey, issuer: x509.Name, now: datetime
) -> x509.Certificate:
    """A person's certificate, built step by step and signed once."""
    url = x509.UniformResourceIdentifier
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url(f"{_BASE}/ca/intermediate.crt")),
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url(f"{_BASE}/ocsp")),
    ]
    full, delta = (
        x509.DistributionPoint([url(f"{_BASE}/crl/{path}.crl")], None, None, None)
        for path in ("intermediate", "intermediate/delta")
    )
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name("زهرا مرادی", "IR-0012345678"))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(new_serial())
        .not_valid_before(now)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), critical=False)
        .add_extension(x509.CertificatePolicies([x509.PolicyInformation(_POLICY, None)]), critical=False)
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .add_extension(x509.CRLDistributionPoints([full]), critical=False)
        .add_extension(x509.FreshestCRL([delta]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(identifier, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def require_alike(ours: x509.Certificate, bare: x509.Certificate) -> None:
    """Both have the same extensions, or the comparison says nothing."""
    one, other = (sorted(each.oid.dotted_string for each in made.extensions) for made in (ours, bare))
    if one != other or len(one) != EXTENSIONS:
        raise RuntimeError(f"what is compared differs: {one}, {other}")


def _name(common_name: str, party: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "IR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "شهرداری تهران"),
            x509.NameAttribute(NameOID.SURNAME, common_name),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, party),
        ]
    )
