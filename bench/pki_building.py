"""Building certificates beside the bare builder of ``cryptography``, which knows no profile and checks nothing.

Both make person-signing certificates of nine extensions on P-256 from keys that are parsed already, 100 in a round.
``pki.build`` leaves the linter out; ``pki.build.linted`` has a throwaway signature, the linter, the signature and the
comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from bench.figure import Figure
from pki.algorithms import PrivateKey
from pki.authority import build, build_intermediate, build_root, issue, make_request, new_serial
from pki.locations import Locations
from pki.names import Subject
from pki.profiles import DOCUMENT_SIGNING, PERSON_SIGNING
from pki.requests import check_csr
from pki.variation import Variation

_BASE = "http://pki.tehran.ir/pki"
_POLICY = x509.ObjectIdentifier("2.25.1")
_BATCH = 100
_SUBJECT = Subject("زهرا مرادی", "IR-0012345678", "شهرداری تهران")
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


class _Works:
    """A root, an intermediate on P-256 and one request, asked again and again."""

    def __init__(self) -> None:
        root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = build_root(root_key, Subject("Root", "IRO-1-ROOT"), serial=new_serial(), now=_STARTS)
        above = Subject("Tehran Issuing CA", "IRO-14000000001-CA")
        self.certificate = build_intermediate(
            make_request(self.key, above), above, root_key, root, serial=new_serial(), now=_STARTS
        )
        self.public = ec.generate_private_key(ec.SECP256R1())
        self.request = check_csr(make_request(self.public, _SUBJECT), PERSON_SIGNING)
        self.locations = Locations.below("http://pki.tehran.ir", "intermediate")
        self.variation = Variation(emails=("z@tehran.ir",))
        assert len(self.build().extensions) >= len(self.bare().extensions) == 9

    def build(self) -> x509.Certificate:
        return build(
            self.request,
            PERSON_SIGNING,
            _SUBJECT,
            self.key,
            self.certificate,
            serial=new_serial(),
            now=_STARTS,
            locations=self.locations,
            variation=self.variation,
        )

    def issue(self) -> x509.Certificate:
        return issue(
            self.request,
            PERSON_SIGNING,
            _SUBJECT,
            self.key,
            self.certificate,
            serial=new_serial(),
            now=_STARTS,
            locations=self.locations,
            variation=self.variation,
        )

    def bare(self) -> x509.Certificate:
        return bare_certificate(self.public.public_key(), self.key)


def building_figures(rounds: int) -> Iterator[Figure]:
    """``pki.build`` and ``pki.build.linted``, for one certificate."""
    works = _Works()
    for name, measured in (("pki.build", works.build), ("pki.build.linted", works.issue)):
        yield Figure(
            name=name,
            baseline="one certificate of nine extensions by the bare builder, signed once",
            prepare=lambda number: None,
            measured=_batch_of(measured),
            bare=_batch_of(works.bare),
            rounds=rounds,
            per=_BATCH,
        )


def _batch_of(work: Callable[[], object]) -> Callable[[None], None]:
    def batch(_given: None) -> None:
        for _ in range(_BATCH):
            work()

    return batch


def _name(common_name: str, party: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "IR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "شهرداری تهران"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, party),
        ]
    )
