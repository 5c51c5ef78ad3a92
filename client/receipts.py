"""Receipts: checked before they are believed, kept with their inclusion proofs in the bidder's folder.

The checks, cited where they run: (1) a service signed it; (2) it is about what was sent; (3) content and salt
lead to the leaf hash it promises; (4) that leaf is in the log under a checkpoint cosigned by a pinned witness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from client.errors import ReceiptInvalid
from client.session import PartySession
from kernel.canonical import from_base64, to_base64
from kernel.errors import DomainError
from pki.trust import TrustStore
from procurement.published import read_signed, require_service
from transparency.commitment import disclosed_leaf_hash
from transparency.proof import verify_proof


@dataclass(frozen=True, slots=True)
class Expected:
    """What a receipt must say; ``reason`` is None unless something was refused."""

    tender: str
    lot: str
    bidder: str
    submission_number: int | None
    act: str
    digest: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A checked receipt; ``signed_by`` is the server's receipt party."""

    document: dict[str, Any]
    document_bytes: bytes
    signature: bytes
    signed_by: str
    proof: dict[str, Any] | None = None

    @property
    def leaf_hash(self) -> str:
        return str(self.document["leaf_hash"])

    def to_json(self) -> dict[str, Any]:
        return {
            "document": to_base64(self.document_bytes),
            "signature": to_base64(self.signature),
            "proof": self.proof,
        }


def check_receipt(wire: Any, expected: Expected, trust: TrustStore, session: PartySession) -> Receipt:
    """Checks (1) to (3); raises ReceiptInvalid."""
    try:
        document, signature = from_base64(wire["document"]), from_base64(wire["signature"])
        signed = read_signed(
            document, signature, trust, type_="mohr/receipt/v1", now=session.clock.now()
        )  # (1)
        require_service(signed.certificate)
        value, content = signed.document, signed.document["content"]
        for name in ("tender", "lot", "bidder", "submission_number", "act", "digest"):  # (2)
            if value[name] != getattr(expected, name):
                raise ReceiptInvalid(name, "the receipt is about something else", field=name)
        for name in ("tender", "act", "digest", "received_at"):
            if content[name] != value[name]:
                raise ReceiptInvalid("content", "the receipt contradicts its own commitment", field=name)
        if disclosed_leaf_hash(content, value["salt"]) != value["leaf_hash"]:  # (3)
            raise ReceiptInvalid("leaf", "content and salt do not lead to the promised leaf")
    except ReceiptInvalid:
        raise
    except DomainError as error:
        raise ReceiptInvalid("signature", error.detail, cause=error.code) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ReceiptInvalid("form", "the answer holds no receipt") from error
    return Receipt(value, document, signature, signed.party)


def await_inclusion(receipt: Receipt, session: PartySession) -> Receipt:
    """Check (4): wait for the proof and verify it; raises ReceiptInvalid, or Unavailable after some seconds."""
    leaf = receipt.leaf_hash
    proof = session.wait_for(
        lambda: session.api.get("/log/proof", leaf_hash=leaf), "the log does not hold the receipt's leaf yet"
    )
    anchors = session.folder.anchors
    try:
        verify_proof(proof, anchors.log, list(anchors.witnesses), leaf_hash=leaf)
    except DomainError as error:
        raise ReceiptInvalid("inclusion", error.detail, cause=error.code) from error
    return Receipt(receipt.document, receipt.document_bytes, receipt.signature, receipt.signed_by, proof)
