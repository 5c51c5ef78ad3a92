"""What the register answers to anybody: by identifier or by the digest of a file, and the same as a signed document."""

from __future__ import annotations

from app.container import Container
from authenticity.answers import Answer, LogProof
from authenticity.record import Registration
from authenticity.standing import verdict_on_bytes
from documents.register.lookup import by_digest, by_identifier
from kernel.clock import format_utc
from kernel.database import read_only
from signing.documents import SignedDocument, sign_document


def answer_identifier(container: Container, digits: str) -> Answer:
    """What is registered under an identifier (20 digits); never that anything is authentic."""
    at = format_utc(container.clock.now())
    with read_only(container.sessions) as session:
        found = by_identifier(session, digits)
    if found is None:
        return Answer("identifier", digits, "unknown", at)
    return Answer("identifier", digits, "registered", at, found, proof_of(container, found))


def answer_digest(container: Container, digest: str) -> Answer:
    """What is said of the bytes with that SHA-256 (64 hexadecimal digits)."""
    at = format_utc(container.clock.now())
    with read_only(container.sessions) as session:
        found = by_digest(session, digest)
    if found is None:
        return Answer("digest", digest, "unknown", at)
    return Answer("digest", digest, verdict_on_bytes(found, at), at, found, proof_of(container, found))


def proof_of(container: Container, found: Registration) -> LogProof | None:
    """That the registration is in the log; None until it has its place under a cosigned head."""
    proof = container.sequencer.proof_for(found.leaf_hash)
    return None if proof is None else LogProof(found.event, proof)


def signed(container: Container, answer: Answer) -> SignedDocument:
    """The answer as ``mohr/document-answer/v1`` with a detached CAdES signature of this installation."""
    return sign_document(answer.to_document(), container.receipt_signer, container.clock.now())
