"""The parts of a tender in memory: members, submissions, and how both stand in packages and batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from kernel.canonical import sha256_hex, to_base64
from sealing.envelope import EnvelopeHeader
from sealing.shares import Share
from signing.cms import Signer
from signing.documents import SignedDocument


@dataclass
class Member:
    """A commission member with both of its keys."""

    party: str
    seat: str
    signer: Signer
    encryption_key: ec.EllipticCurvePrivateKey
    encryption_certificate: x509.Certificate


@dataclass(eq=False)
class Submission:
    """A sealed submission with all its blobs; ``state`` is what the closing list will say."""

    bidder: Signer
    lot: str
    submission_number: int
    manifest: bytes
    seal: bytes
    headers: dict[str, bytes]
    blobs: dict[str, bytes]
    state: str = "listed"

    @property
    def manifest_digest(self) -> str:
        return sha256_hex(self.manifest)

    def header(self, kind: str) -> EnvelopeHeader:
        return EnvelopeHeader.parse(self.headers[kind])


@dataclass
class Held:
    """What a held stage left behind."""

    record: SignedDocument | None = None
    bids: dict[str, Any] = field(default_factory=dict)
    decision: bytes | None = None
    decision_signatures: dict[str, bytes] = field(default_factory=dict)


def bid_content(kind: str, price: str, guarantee_amount: str = "50") -> dict[str, Any]:
    """The content of an envelope of each kind."""
    money = {"amount": price, "currency": "IRR"}
    if kind == "A":
        guarantee = {"kind": "bank", "issuer": "بانک شهر", "number": "1", "valid_until": "2027-12-01"}
        return {"guarantee": {**guarantee, "amount": {"amount": guarantee_amount, "currency": "IRR"}}}
    if kind == "B":
        return {"statements": ["ok"], "files": []}
    line = {
        "id": "1",
        "description": "کار",
        "quantity": None,
        "unit": None,
        "unit_price": None,
        "amount": price,
    }
    return {"price": money, "lines": [line], "currency": "IRR"}


def package_entry(submission: Submission, stage: str, index: int) -> dict[str, Any]:
    """A submission as it stands in a package for holder ``index``."""
    return {
        "manifest_digest": submission.manifest_digest,
        "manifest": to_base64(submission.manifest),
        "seal": to_base64(submission.seal),
        "headers": {kind: to_base64(header) for kind, header in submission.headers.items()},
        "share": to_base64(submission.blobs[f"{stage}.share-{index}.der"]),
    }


def share_entry(manifest_digest: str, share: Share | None) -> dict[str, Any]:
    """A share as it stands in a batch; None is a bad one."""
    return {
        "manifest_digest": manifest_digest,
        "state": "ok" if share else "bad",
        "share": share.share.hex() if share else None,
        "blinding": share.blinding.hex() if share else None,
        "reason": None if share else "share-invalid",
    }


def many(document: bytes, signatures: Mapping[str, bytes]) -> dict[str, Any]:
    """A document with the signatures of several parties, in wire form."""
    return {
        "document": to_base64(document),
        "signatures": {party: to_base64(each) for party, each in signatures.items()},
    }
