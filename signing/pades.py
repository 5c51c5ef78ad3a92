"""PAdES signatures with a time stamp (baseline B-T, ETSI EN 319 142-1 §6), one incremental update for each signer.

In two steps, so that no key leaves its holder: whoever keeps the document prepares an update with room for the
signature; the signer checks it, signs the bytes around that room, and hands back the CMS only, which is verified.
A verification (1) writes every update again and compares the bytes (signing.pdf_update); (2) checks the form of the
CMS: detached, without the claimed time, which stands in the dictionary (§6.3); (3) content, signature value, time
stamp and certificate as of the stamp (signing.cms); (4) that the claimed time is near the stamp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kernel.canonical import sha256_hex
from pki.signed_data import Signer
from pki.trust import Revocations, TrustStore
from signing.cms import sign_detached, verify_detached
from signing.errors import SignatureInvalid
from signing.pdf_update import (
    MAX_PDF_BYTES,
    MOST_SIGNATURES,
    RESERVED_BYTES,
    Revision,
    Update,
    append_update,
    read_revisions,
)

__all__ = [
    "MAX_PDF_BYTES",
    "MOST_SIGNATURES",
    "RESERVED_BYTES",
    "PdfSignature",
    "Revision",
    "Signer",
    "complete",
    "prepare",
    "put_in",
    "read_pdf",
    "sign_prepared",
    "verify_revision",
    "whole_seconds",
]
# Between the claimed time and the stamp lies what it takes to read and sign.
MAX_APART = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """A verified signature: whose, when by its time stamp, and the digest of the document with it."""

    party: str
    signed_at: datetime
    stamped_at: datetime
    digest: str


def prepare(pdf: bytes, party: str, signed_at: datetime) -> Revision:
    """The next revision, for ``party`` to sign; its bytes follow from the arguments. Raises SignatureInvalid."""
    base, before = read_revisions(pdf)
    return append_update(base, pdf, len(before) + 1, Update(party, whole_seconds(signed_at), b""))


def sign_prepared(prepared: Revision, signer: Signer, timestamp: Callable[[bytes], bytes]) -> bytes:
    """The CMS (DER) over a prepared revision; ``timestamp`` maps the signature value to a token."""
    return sign_detached(prepared.covered, signer, at=None, timestamp=timestamp)


def complete(
    pdf: bytes, party: str, signed_at: datetime, cms: bytes, trust: TrustStore, *, now: datetime
) -> Revision:
    """The document with one more verified signature; raises what ``verify_revision`` raises."""
    base, before = read_revisions(pdf)
    update = Update(party, whole_seconds(signed_at), cms)
    revision = append_update(base, pdf, len(before) + 1, update)
    if read_revisions(revision.pdf)[1][-1].update != update:
        raise SignatureInvalid("the signature is not one DER value")
    verify_revision(revision, trust, now=now, revocation="ever")
    return revision


def put_in(prepared: Revision, cms: bytes) -> bytes:
    """The prepared document with the signature in its room; nothing is verified."""
    room = cms.hex().encode("ascii").ljust(2 * RESERVED_BYTES, b"0")
    return prepared.pdf[: prepared.gap + 1] + room + prepared.pdf[prepared.gap + 1 + len(room) :]


def read_pdf(pdf: bytes) -> tuple[bytes, Sequence[Revision]]:
    """(1): the document as rendered and its revisions; raises SignatureInvalid."""
    return read_revisions(pdf)


def verify_revision(
    revision: Revision, trust: TrustStore, *, now: datetime, revocation: Revocations = "at"
) -> PdfSignature:
    """(2) to (4); raises what ``signing.cms.verify_detached`` raises. ``now`` bounds what a stamp may say."""
    update = revision.update
    report = verify_detached(
        revision.covered,
        update.cms,
        trust,
        now=now,
        party=update.party,
        require_timestamp=True,
        claims_time=False,
        revocation=revocation,
    )
    assert report.timestamp is not None
    stamped_at = report.timestamp.time
    if abs(stamped_at - update.signed_at) > MAX_APART or stamped_at > now + MAX_APART:  # (4)
        raise SignatureInvalid("the claimed time of signing is far from its time stamp")
    return PdfSignature(update.party, update.signed_at, stamped_at, sha256_hex(revision.pdf))


def whole_seconds(instant: datetime) -> datetime:
    """The instant as a PDF date holds it."""
    return instant.astimezone(UTC).replace(microsecond=0)
