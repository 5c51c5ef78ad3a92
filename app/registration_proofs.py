"""Registration proofs of an installation: gathered from register and log, sealed by its receipt signer."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.container import Container
from app.signing_services import services_of
from app.verifying import InstallationTrust, verify
from authenticity.papers import registration_of
from authenticity.record import Change, Registration
from authenticity.registration_proof import (
    Logged,
    ProofParts,
    ProvenChange,
    SignedPaper,
    make_registration_proof,
)
from documents.register.orm import DocumentPaperRow
from kernel.canonical import parse_canonical
from kernel.database import read_only
from kernel.errors import DomainError, Unavailable
from transparency.log_store import entries


def registration_proof_of(container: Container, registration: Registration) -> bytes:
    """The proof as of now; not to be called inside a transaction.

    Raises Unavailable while the log has not taken the entries up; TimestampUnavailable, EvidenceUnavailable.
    """
    parts = _parts(container, registration)
    services = services_of(container)
    return make_registration_proof(parts, container.receipt_signer, services, at=container.clock.now())


def _parts(container: Container, registration: Registration) -> ProofParts:
    logged = _logged(container, registration.leaf_hash)
    paper = _paper(container, registration.paper)
    # A paper signed for several documents would tell whoever proves one of them about the others.
    if paper is not None and _tells_of_others(paper, registration.record.identifier):
        paper = None
    changes = tuple(_change(container, each) for each in registration.changes)
    return ProofParts(registration, logged, paper, changes)


def _change(container: Container, change: Change) -> ProvenChange:
    return ProvenChange(change, _logged(container, change.leaf_hash), _paper(container, change.paper))


def _logged(container: Container, leaf_hash: str) -> Logged:
    proof = container.sequencer.proof_for(leaf_hash)
    if proof is None:
        raise Unavailable("the log has not taken this up yet: ask again in a moment")
    with read_only(container.sessions) as session:
        (entry,) = entries(session, proof["index"], proof["index"] + 1)
    return Logged(entry, proof)


def _paper(container: Container, digest: str) -> SignedPaper | None:
    """None where its signature, good when it was taken in, can be judged no longer: it bore no time stamp."""
    with read_only(container.sessions) as session:
        paper = _kept(session, digest)
    trust = InstallationTrust(container)
    try:
        report = verify(
            paper.signature,
            trust.current(),
            at=None,
            clock=container.clock,
            content=paper.document,
            fetched=trust.completed,
        )
    except DomainError:
        return None
    return paper if report.passed else None


def _kept(session: Session, digest: str) -> SignedPaper:
    row = session.get(DocumentPaperRow, digest)
    if row is None:
        raise Unavailable("the register does not hold the paper that it names", digest=digest)
    return SignedPaper(row.document, row.signature)


def _tells_of_others(paper: SignedPaper, identifier: str) -> bool:
    listed = registration_of(parse_canonical(paper.document)).documents
    return any(each.disclosure == "withheld" and each.identifier != identifier for each in listed)
