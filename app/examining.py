"""A file that a visitor hands in, held against the register of this installation, and judged as anybody's document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.answering import proof_of
from app.container import Container
from app.verification_processes import PROCESSES
from app.verifying import InstallationTrust
from authenticity.answers import Answer
from authenticity.examination import Looking, examine
from authenticity.record import Registration, Signatory
from authenticity.signatories import signatories_of
from documents.register.lookup import by_digest
from documents.register.store import DocumentStore
from kernel.clock import format_utc
from kernel.database import read_only
from kernel.errors import DomainError, NotFound
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from signing.validation.report import ValidationReport

_UNREADABLE = (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex)


@dataclass(frozen=True, slots=True)
class Examined:
    """``signatures``: those in the file itself, as they were judged; None where the file cannot be read."""

    answer: Answer
    signatures: tuple[Signatory, ...] | None


@dataclass(frozen=True)
class _Registered:
    """What an examination looks up; each time in a transaction of its own."""

    container: Container
    files: DocumentStore
    ask: Callable[[str], Answer]

    def by_digest(self, digest: str) -> Registration | None:
        with read_only(self.container.sessions) as session:
            return by_digest(session, digest)

    def by_identifier(self, identifier: str) -> Registration | None:
        return self.ask(identifier).registration

    def file_of(self, registration: Registration) -> bytes | None:
        try:
            return self.files.read(registration.record.digest)
        except NotFound:
            return None


def examine_file(
    container: Container,
    trust: InstallationTrust,
    files: DocumentStore,
    content: bytes,
    ask: Callable[[str], Answer],
) -> Examined:
    """The answer for a whole file; one that cannot be read is unknown, unless its very bytes are registered.

    ``ask`` answers about an identifier that the file bears, and may refuse: a file asks no more than its visitor may.
    """
    own = _own_report(container, trust, content)

    def judge(given: bytes) -> ValidationReport:
        if given is not content:
            return judge_file(container, trust, given)
        if isinstance(own, DomainError):
            raise own
        return own

    at = format_utc(container.clock.now())
    answer = examine(
        content,
        register=_Registered(container, files, ask),
        looking=Looking(judge),
        at=at,
    )
    found = answer.registration
    proven = answer if found is None else replace(answer, proof=proof_of(container, found))
    return Examined(proven, None if isinstance(own, DomainError) else signatories_of(own))


def judge_file(
    container: Container, trust: InstallationTrust, content: bytes, name: str | None = None
) -> ValidationReport:
    """Every signature of a file (EN 319 102-1); raises DocumentUnreadable, DocumentEncrypted,
    DocumentTooComplex, or Unavailable when it takes too long.
    """
    return PROCESSES.verify(
        content,
        trust.current(),
        content=None,
        name=name,
        seconds=container.settings.documents.examination_seconds,
        evidence=trust.evidence,
        at=None,
        now=container.clock.now,
    )


def _own_report(
    container: Container, trust: InstallationTrust, content: bytes
) -> ValidationReport | DocumentUnreadable | DocumentEncrypted | DocumentTooComplex:
    try:
        return judge_file(container, trust, content)
    except _UNREADABLE as refusal:
        return refusal
