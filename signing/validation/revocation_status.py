"""What one list or answer tells of a certificate, and which of several decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509

from pki.revocation_lists import HOLD
from signing.validation.signature_values import AlgorithmUse, Signed, ValueRefused, verify_signed

# Of those that have the name of who signed a list or answer.
MAX_SIGNERS_TRIED = 20
# From a certificate up to the same anchor, both included; empty where there is no path.
PathOf = Callable[[x509.Certificate], Sequence[x509.Certificate]]


@dataclass(frozen=True, slots=True)
class Voucher:
    """Who signed a list or answer, and since when that one is revoked itself."""

    certificate: x509.Certificate
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What one list (with its delta) or answer says; ``digests`` are those of the evidence it rests on.

    ``signer`` vouches for it, revoked since ``signer_revoked_at``; ``uses`` are the algorithms of its signature.
    """

    source: Literal["crl", "ocsp"]
    digests: tuple[bytes, ...]
    this_update: datetime
    next_update: datetime | None
    produced_at: datetime
    revoked_at: datetime | None
    reason: str | None
    signer: x509.Certificate
    uses: tuple[AlgorithmUse, ...]
    signer_revoked_at: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether it is only suspended."""
        return self.revoked_at is not None and self.reason == HOLD

    def revoked(self, at: datetime) -> bool:
        """Whether it was revoked, or suspended, by that instant."""
        return self.revoked_at is not None and self.revoked_at <= at

    def fresh(self, at: datetime) -> bool:
        """EN 319 102-1 §5.2.5.4 without a value in the constraints: as old as its own life at most; no end, never."""
        if self.next_update is None:
            return False
        # Without the difference itself: there are lists that end in the year 9999.
        return at < self.next_update


def decisive(found: Iterable[Status]) -> Status | None:
    """Of what counts, the newest first: a revocation for good if any tells of one, since nothing takes it back."""
    given = tuple(found)
    final = (each for each in given if each.revoked_at is not None and not each.held)
    return next(final, given[0] if given else None)


def newest_first(found: Iterable[Status]) -> list[Status]:
    """Behind all others what a revoked signer wrote."""
    return sorted(
        found,
        key=lambda each: (each.signer_revoked_at is None, each.produced_at, each.this_update),
        reverse=True,
    )


def counts(status: Status, certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= status.this_update <= now  # (4), (6)


def alive(candidate: x509.Certificate, at: datetime) -> bool:
    return candidate.not_valid_before_utc <= at <= candidate.not_valid_after_utc


def is_signed(signer: x509.Certificate, signed: Signed, covered: bytes) -> bool:
    try:
        verify_signed(signer, signed, covered)
    except ValueRefused:
        return False
    return True
