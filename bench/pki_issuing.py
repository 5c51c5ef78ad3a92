"""Issuing approved requests, one at a time and a hundred at once, against bare building and signing with the same key.

Measured is the whole use case: intents with their serials durable, certificates built from their requests and signed
(P-256), recorded, announced in outbox and log, durable again. For ``pki.issue_p256_batch100`` the baseline is the bare
builder with the same extensions, for one certificate; for ``pki.issue_p256`` it is two of them and two durable INSERTs,
one of as many bytes as the certificate's row. No linting is part of either. Requests are approved beforehand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID
from sqlalchemy import Engine, insert

from app.unit_of_work import SqlUnitOfWork
from bench.commits import bare_connection, bench_engine, check_durable, insert_bare
from bench.figure import Figure
from kernel.canonical import sha256_hex
from kernel.clock import FixedClock, format_utc
from kernel.database import Base, make_sessions
from kernel.ids import new_id
from pki.authority import build_intermediate, build_root, make_request, new_serial
from pki.installation import Authority
from pki.issuance import issue_batch
from pki.issuers import Description, Issuer
from pki.locations import Locations
from pki.names import Subject
from pki.orm import CertificateRequestRow, CertificateRow
from pki.profiles import PERSON_SIGNING
from tests.support.authority import START
from tests.support.registry import REGISTRAR

BATCH = 100
_BASE_URL = "http://127.0.0.1:8400"


class BenchAuthority(Authority):
    """Root and intermediate of P-256 in memory; everything else is the server's own."""

    def __init__(self) -> None:
        root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        above, subject = Subject("Bench Root", "IRO-1-ROOT"), Subject("Bench CA", "IRO-1-CA")
        root = build_root(root_key, above, serial=new_serial(), now=START)
        certificate = build_intermediate(
            make_request(key, subject), subject, root_key, root, serial=new_serial(), now=START
        )
        self.description = Description(demo=False, base_url=_BASE_URL)
        self.known = (
            Issuer("root", root_key, root, "root"),
            Issuer("intermediate", key, certificate),
        )


@dataclass
class IssuingDesk:
    """An authority and its database, with any number of approved requests to come."""

    engine: Engine
    authority: Authority
    clock: FixedClock

    def __post_init__(self) -> None:
        self.sessions = make_sessions(self.engine)
        key = ec.generate_private_key(ec.SECP256R1())
        self._csr = make_request(key, Subject("Wish", "IR-0"))
        self._numbers = itertools.count()
        Base.metadata.create_all(self.engine)

    def approved(self, count: int) -> list[str]:
        """Requests that are approved, each for a key of its own."""
        rows = [self._request() for _ in range(count)]
        with self.engine.begin() as connection:
            connection.execute(insert(CertificateRequestRow), rows)
        return [str(row["id"]) for row in rows]

    def fill(self, count: int) -> None:
        """As many certificates that were issued before, each of another party, with rows of the usual size."""
        example = self.bare()
        der = example.public_bytes(Encoding.DER)
        for start in range(0, count, 1_000):
            rows = [self._filler(der) for _ in range(min(1_000, count - start))]
            with self.engine.begin() as connection:
                connection.execute(insert(CertificateRow), rows)

    def issue(self, requests: list[str]) -> None:
        """What is measured."""
        issued = issue_batch(
            requests,
            actor=REGISTRAR,
            unit_of_work=lambda: SqlUnitOfWork(self.sessions, self.clock),
            clock=self.clock,
            authority=self.authority,
        )
        assert len(issued) == len(requests)

    def bare(self) -> x509.Certificate:
        """The library's builder with the same names and extensions, and one signature."""
        return build_bare(self._csr, self.authority.intermediate)

    def _request(self) -> dict[str, Any]:
        # The same request over and over: only its key's digest differs, as the record needs it.
        number = next(self._numbers)
        return {
            "id": new_id(),
            "profile": PERSON_SIGNING.name,
            "digest": sha256_hex(b"request %d" % number),
            "csr": self._csr,
            "spki": sha256_hex(b"key %d" % number),
            "state": "approved",
            "entered_at": format_utc(START),
            "party": f"IR-{number:010}",
            "name": "زهرا مرادی",
        }

    def _filler(self, der: bytes) -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "serial": f"{new_serial():040x}",
            "issuer": "intermediate",
            "profile": PERSON_SIGNING.name,
            "party": f"IR-{number:010}",
            "name": "زهرا مرادی",
            "spki": sha256_hex(b"key %d" % number),
            "state": "issued",
            "intended_at": format_utc(START),
            "intended_by": REGISTRAR.party,
            "fingerprint": sha256_hex(b"certificate %d" % number),
            "der": der,
            "not_after": format_utc(START + PERSON_SIGNING.life),
        }


def build_bare(csr: bytes, issuer: Issuer) -> x509.Certificate:
    """As the profile of persons has it, by the library alone: nothing is checked, nothing looked up."""
    key = x509.load_der_x509_csr(csr).public_key()
    profile, locations = PERSON_SIGNING, Locations.below(_BASE_URL, issuer.name)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert locations is not None
    usages = {
        "digital_signature": True,
        "content_commitment": True,
        **dict.fromkeys(
            (
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        ),
    }
    uri = x509.UniformResourceIdentifier
    point = x509.DistributionPoint([uri(locations.crl_url)], None, None, None)
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, uri(locations.certificate_url))
    assert profile.extended_key_usage is not None
    issuer_key = issuer.key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(Subject("زهرا مرادی", "IR-0000000000").to_name())
        .issuer_name(issuer.certificate.subject)
        .public_key(key)
        .serial_number(new_serial())
        .not_valid_before(START)
        .not_valid_after(START + profile.life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usages), critical=True)
        .add_extension(x509.ExtendedKeyUsage([profile.extended_key_usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        .add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        .add_extension(x509.CRLDistributionPoints([point]), critical=False)
    )
    return builder.sign(issuer.key, hashes.SHA256())


@contextmanager
def issuing_figure(
    backend: str, folder: Path, rounds: int, *, batch: bool, filled: int = 0
) -> Iterator[Figure]:
    """pki.issue_p256 or pki.issue_p256_batch100 while its database is there, with ``filled`` certificates in it."""
    with bench_engine(backend, folder) as engine:
        desk = IssuingDesk(engine, BenchAuthority(), FixedClock(START))
        check_durable(engine, backend)
        desk.fill(filled)
        written = desk.bare().public_bytes(Encoding.DER) + bytes(200)
        with bare_connection(engine, backend) as connection:

            def one_bare(_given: object) -> None:
                for _ in range(2):
                    desk.bare()
                    insert_bare(connection, backend, written)

            def many_bare(_given: object) -> None:
                for _ in range(BATCH):
                    desk.bare()

            count, where = (BATCH if batch else 1), f"{backend}{f'.{filled}' if filled else ''}"
            yield Figure(
                f"pki.issue_p256{'_batch100' if batch else ''}.{where}",
                "build and sign one certificate, bare"
                if batch
                else "two bare durable INSERTs, and twice build and sign, bare",
                prepare=lambda number: desk.approved(count),
                measured=desk.issue,
                bare=many_bare if batch else one_bare,
                rounds=rounds,
                per=count,
            )
