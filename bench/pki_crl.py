"""Revocation lists of an issuer that has revoked a hundred thousand certificates: full, shard, delta."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from bench.figure import Figure
from kernel.clock import format_utc
from pki.authority import build_root, new_serial
from pki.names import Subject
from pki.revocation_lines import MAX_DELTA, lines
from pki.revocation_lists import build_crl

FULL = 100_000
SHARD = FULL // 256
_NOW = datetime(2026, 11, 24, tzinfo=UTC)
_LIFE = timedelta(days=7)
_REASONS = ("keyCompromise", "superseded", "cessationOfOperation", "unspecified")


class ManyRevocations:
    """An issuer, and what its database says, as rows and as the values that a bare builder takes."""

    def __init__(self, count: int) -> None:
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.certificate = build_root(self.key, Subject("Bench", "IRO-1"), serial=new_serial(), now=_NOW)
        self.rows: list[Any] = []
        self.values: list[tuple[int, datetime, str]] = []
        for number in range(count):
            serial = secrets.randbits(158) | 1 << 158
            at, reason = _NOW - timedelta(seconds=number), _REASONS[number % len(_REASONS)]
            self.rows.append((f"{serial:040x}", format_utc(at), reason, None, "revoked"))
            self.values.append((serial, at, reason))

    def ours(self, count: int, **kind: Any) -> None:
        build_crl(self.key, self.certificate, lines(self.rows[:count]), 1, _NOW, **kind)

    def bare(self, count: int) -> None:
        """The library's builder, fed with all lines by its constructor."""
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.certificate.subject,
            last_update=_NOW,
            next_update=_NOW + _LIFE,
            revoked_certificates=[_line(*each) for each in self.values[:count]],
        )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
        builder.sign(self.key, SHA384()).public_bytes(Encoding.DER)


def crl_figures(chosen: Sequence[str], *, quick: bool) -> list[Figure]:
    """The figures that were asked for, nothing where none was. A quick run has a twentieth of the lines."""
    full = FULL // 20 if quick else FULL
    kinds: dict[str, tuple[int, dict[str, Any], int]] = {
        "pki.crl_100k": (full, {}, 5),
        "pki.crl_shard": (SHARD, {"shard_url": "http://mohr.invalid/pki/crl/intermediate/256-0.crl"}, 50),
        "pki.crl_delta": (MAX_DELTA, {"base": 1}, 20),
    }
    wanted = {name: kind for name, kind in kinds.items() if name in chosen}
    if not wanted:
        return []
    scene = ManyRevocations(full)
    return [_figure(scene, name, *kind) for name, kind in wanted.items()]


def _figure(scene: ManyRevocations, name: str, count: int, kind: dict[str, Any], rounds: int) -> Figure:
    return Figure(
        name=name,
        baseline=f"the library's builder with {count:,} lines by its constructor, signed P-384",
        prepare=lambda _: None,
        measured=lambda _: scene.ours(count, **kind),
        bare=lambda _: scene.bare(count),
        rounds=rounds,
    )


def _line(serial: int, at: datetime, reason: str) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    if reason != "unspecified":
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
    return builder.build()
