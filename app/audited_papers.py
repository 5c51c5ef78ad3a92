"""What stands behind the events of registration: papers that registrars and holders signed with keys of their own.

Whoever writes the database can write chain, events, rows and log together, and the log signs what it is given; what
he cannot make is a registrar's signature. So each event that names a paper is held against that paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509

from kernel.canonical import sha256_hex
from kernel.clock import parse_utc
from kernel.errors import DomainError
from pki.act_chain import Finding, actor_of
from pki.audit.record import AuthorityRecord, EventRecord
from pki.papers import APPLICATION, DECISION, MAX_PAPER_BYTES, RENEWAL, Paper
from pki.registry import INSTALLER
from pki.trust import TrustStore
from signing.cms import verify_detached
from signing.documents import parse_document

_TYPES = {
    "certificate-applied": APPLICATION,
    "certificate-approved": DECISION,
    "certificate-rejected": DECISION,
    "certificate-renewal-asked": RENEWAL,
}


@dataclass(slots=True)
class JudgedPapers:
    """``notes``: what could not be judged at all."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_papers(papers: Sequence[Paper] | None, record: AuthorityRecord) -> JudgedPapers:
    """Each paper is there, says what its event says, and was signed by who the event says, at that time."""
    judged = JudgedPapers()
    events = [event for event in record.events if _names_paper(event)]
    if papers is None:
        if events:
            judged.notes.append("the signed papers of registration are in the database only: audit that too")
        return judged
    kept = {sha256_hex(paper.document): paper for paper in papers}
    trust = _trust_of(record)
    read: dict[tuple[str, str], dict[str, Any] | str] = {}
    for event in events:
        key = (str(event.data.get("digest")), actor_of(event.data))
        if key not in read:
            read[key] = _read(kept.get(key[0]), event, trust)
        found = read[key]
        fault = found if isinstance(found, str) else _fault(found, event)
        if fault is not None:
            judged.findings.append(Finding("paper-unfounded", f"{event.fact} {event.id}", fault))
    return judged


def _names_paper(event: EventRecord) -> bool:
    by_installer = event.data.get("digest") is None and actor_of(event.data) == INSTALLER
    return event.fact in _TYPES and not by_installer


def _read(paper: Paper | None, event: EventRecord, trust: TrustStore) -> dict[str, Any] | str:
    """The content, or what is wrong with the paper."""
    if paper is None:
        return "the paper that it names is not there"
    try:
        content = parse_document(paper.document, type_=_TYPES[event.fact], max_bytes=MAX_PAPER_BYTES)
        now = parse_utc(str(event.content["time"]))
        verify_detached(paper.document, paper.signature, trust, now=now, party=actor_of(event.data))
    except DomainError as refusal:
        return f"its paper does not stand: {refusal.code}"
    return content


def _fault(content: Mapping[str, Any], event: EventRecord) -> str | None:
    """What the paper does not say of what the event tells."""
    data, subject = event.data, str(event.content["subject"])
    if event.fact == "certificate-applied":
        says = content.get("party") == data.get("party") and {"request": subject, "csr": data.get("csr")} in (
            content.get("requests") or []
        )
    elif event.fact == "certificate-renewal-asked":
        says = content.get("certificate") == data.get("renews")
    else:
        approved = event.fact == "certificate-approved"
        says = (content.get("application"), content.get("approved")) == (data.get("application"), approved)
    return None if says else "its paper says something else"


def _trust_of(record: AuthorityRecord) -> TrustStore:
    by_profile: dict[str, list[x509.Certificate]] = {"root": [], "intermediate": [], "cross": []}
    for row in record.certificates:
        if row.profile in by_profile and row.der is not None:
            try:
                by_profile[row.profile].append(x509.load_der_x509_certificate(row.der))
            except ValueError:
                continue
    store = TrustStore(by_profile["root"], [*by_profile["intermediate"], *by_profile["cross"]])
    for each in record.lists:
        try:
            store.add_crl(each.der)
        except DomainError:
            continue
    return store
