"""What goes to a process that verifies, and comes back: octets and plain values, since certificates do not travel.

What comes back is JSON: that process read what strangers wrote, and nothing of it is unpickled here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from app.lacking_evidence import Signer
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from pki.algorithms import der_of
from signing.ades.services import Evidence
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from signing.validation.trust import Anchor, Trust, Use

MAX_MESSAGE_BYTES = 16 << 20
REFUSALS: dict[str, type[DocumentUnreadable]] = {
    each.code: each for each in (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex)
}


@dataclass(frozen=True, slots=True)
class TrustAsOctets:
    """A Trust; the same digest means the same trust."""

    sha256: str
    name: str
    anchors: tuple[tuple[bytes, frozenset[Use], datetime | None, datetime | None], ...]
    intermediates: tuple[bytes, ...]
    evidence: Evidence

    @classmethod
    def of(cls, trust: Trust) -> TrustAsOctets:
        anchors = tuple(
            (der_of(each.certificate), each.uses, each.since, each.until) for each in trust.anchors
        )
        intermediates = tuple(der_of(each) for each in trust.intermediates)
        return cls(trust.sha256, trust.name, anchors, intermediates, trust.evidence)

    def trust(self) -> Trust:
        load = x509.load_der_x509_certificate
        anchors = [Anchor(load(der), uses, since, until) for der, uses, since, until in self.anchors]
        return Trust(anchors, [load(each) for each in self.intermediates], self.evidence, self.name)


@dataclass(frozen=True, slots=True)
class Task:
    """A document to be read; ``trust`` None: that of the task before; ``seconds`` until the process ends itself."""

    document: bytes
    content: bytes | None
    name: str | None
    trust: TrustAsOctets | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Times:
    """The answer to what was asked: more evidence, and when it is judged for and made."""

    evidence: Evidence
    at: datetime
    made_at: datetime


def asked(signers: Iterable[Signer]) -> bytes:
    """What was read; whose evidence may be added: each certificate with those that may help to build its path."""
    return canonical_bytes(
        {"signers": [[to_base64(der_of(each)) for each in (one, *others)] for one, others in signers]}
    )


def refused(error: DocumentUnreadable) -> bytes:
    """That the document cannot be read."""
    fields = {name: value if isinstance(value, int) else str(value) for name, value in error.fields.items()}
    return canonical_bytes({"refused": {"code": error.code, "detail": error.detail, "fields": fields}})


def is_refusal(message: bytes) -> bool:
    return message.startswith(b'{"refused":')


def refusal_in(message: bytes) -> DocumentUnreadable:
    """What ``refused`` was given."""
    found = parse_canonical(message, max_bytes=MAX_MESSAGE_BYTES)["refused"]
    return REFUSALS[found["code"]](found["detail"], **found["fields"])


def signers_in(message: bytes) -> list[Signer]:
    """What ``asked`` wrote; raises the refusal where it is one."""
    if is_refusal(message):
        raise refusal_in(message)
    listed = parse_canonical(message, max_bytes=MAX_MESSAGE_BYTES)["signers"]
    certificates = [[x509.load_der_x509_certificate(from_base64(each)) for each in one] for one in listed]
    return [(one, others) for one, *others in certificates]
