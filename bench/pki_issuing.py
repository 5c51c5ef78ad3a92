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
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Engine, insert

from app.unit_of_work import SqlUnitOfWork
from bench.bare_builder import bare_certificate, require_alike
from bench.commits import bare_connection, bench_engine, check_durable, insert_bare
from bench.figure import Figure
from kernel.canonical import sha256_hex
from kernel.clock import FixedClock, format_utc
from kernel.database import Base, make_sessions
from kernel.ids import new_id
from pki.authority import build, build_intermediate, build_root, make_request, new_serial
from pki.installation import Authority
from pki.issuance import issue_batch
from pki.issuers import Description, Issuer
from pki.locations import Locations
from pki.names import Subject
from pki.orm import CertificateRequestRow, CertificateRow
from pki.profiles import PERSON_SIGNING, Profile
from pki.registry import RecordedCertificate
from pki.requests import spki_digest
from pki.variation import PLAIN, Variation
from tests.support.authority import START
from tests.support.registry import REGISTRAR

BATCH = 100
_BASE_URL = "http://127.0.0.1:8400"


class BenchAuthority(Authority):
    """Root and intermediate of P-256 in memory, and no linter; everything else is the server's own."""

    def __init__(self) -> None:
        self.crl_shards = 1
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
        """As the server's, but neither linted nor signed by a throwaway key: ``pki.build.linted`` shows that apart."""
        issuer = self.intermediate
        assert expected == issuer.name
        return build(
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
        if self.engine.dialect.name == "postgresql":
            # As autovacuum does while a record grows: without it nothing is known of a table that was filled at once.
            with self.engine.begin() as connection:
                connection.exec_driver_sql("ANALYZE pki_certificates")

    def issue(self, requests: list[str]) -> list[RecordedCertificate]:
        """What is measured."""
        issued = issue_batch(
            requests,
            actor=REGISTRAR,
            unit_of_work=lambda: SqlUnitOfWork(self.sessions, self.clock),
            clock=self.clock,
            authority=self.authority,
        )
        assert len(issued) == len(requests)
        return issued

    def bare(self) -> x509.Certificate:
        """The library's builder with the same names and extensions, and one signature."""
        key = x509.load_der_x509_csr(self._csr).public_key()
        issuer = self.authority.intermediate
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return bare_certificate(key, issuer.key, issuer.certificate.subject, START)

    def _request(self) -> dict[str, Any]:
        # Each with a key of its own, so that no proof of possession was seen before.
        number = next(self._numbers)
        csr = make_request(ec.generate_private_key(ec.SECP256R1()), Subject("Wish", "IR-0"))
        return {
            "id": new_id(),
            "profile": PERSON_SIGNING.name,
            "digest": sha256_hex(csr),
            "csr": csr,
            "spki": spki_digest(csr),
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


@contextmanager
def issuing_figure(
    backend: str, folder: Path, rounds: int, *, batch: bool, filled: int = 0
) -> Iterator[Figure]:
    """pki.issue_p256 or pki.issue_p256_batch100 while its database is there, with ``filled`` certificates in it."""
    with bench_engine(backend, folder) as engine:
        desk = IssuingDesk(engine, BenchAuthority(), FixedClock(START))
        check_durable(engine, backend)
        desk.fill(filled)
        require_alike(desk.issue(desk.approved(1))[0].certificate, desk.bare())
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
