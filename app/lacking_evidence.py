"""Evidence that a signed document lacks, asked of a source for its signers and time-stamping authorities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from kernel.errors import DomainError
from pki.proven_certificates import issued_below
from signing.ades.services import Evidence, EvidenceSource
from signing.ades.tokens import read_token, readable
from signing.errors import EvidenceUnavailable
from signing.validation.contents import FoundDocument, FoundTimestamp
from signing.validation.trust import Trust

MAX_ASKED = 20
MAX_OTHERS = 30

Signer = tuple[x509.Certificate, Sequence[x509.Certificate]]


def with_evidence(document: FoundDocument, trust: Trust, at: datetime, source: EvidenceSource) -> Trust:
    """The same trust with what the source has for the signers of the document."""
    return trust.with_more(evidence_for(signers_of(document, trust), at, source))


def signers_of(document: FoundDocument, trust: Trust) -> list[Signer]:
    """Whose evidence may be asked for: each certificate once, no more than ``MAX_ASKED``.

    What helps to build its path is bounded: no more than ``MAX_OTHERS``, those first that were issued below an anchor.
    """
    roots = [each.certificate for each in trust.anchors]
    found: dict[bytes, Signer] = {}
    for certificate, others in _signers(document):
        if len(found) < MAX_ASKED and certificate.tbs_certificate_bytes not in found:
            proven = issued_below(roots, [*trust.intermediates, *others])
            found[certificate.tbs_certificate_bytes] = certificate, [*proven, *others][:MAX_OTHERS]
    return list(found.values())


def evidence_for(signers: Sequence[Signer], at: datetime, source: EvidenceSource) -> Evidence:
    """What cannot be had is left out, and the judgement says what it lacks."""
    found = Evidence()
    for certificate, others in signers:
        try:
            found |= source.collect(certificate, others, at)
        except EvidenceUnavailable:
            continue
    return found


def _signers(document: FoundDocument) -> Iterator[Signer]:
    for signature in document.signatures:
        if signature.cms is not None and signature.cms.certificate is not None:
            inside = readable(signature.evidence.certificates)
            yield signature.cms.certificate, [*signature.cms.certificates, *inside]
        yield from _authorities(signature.timestamps)
    yield from _authorities(document.timestamps)


def _authorities(
    stamps: Sequence[FoundTimestamp],
) -> Iterator[Signer]:
    for stamp in stamps:
        others = tuple(readable(stamp.evidence.certificates))
        try:
            token = read_token(stamp.token, others)
        except DomainError:
            continue
        if token.certificate is not None:
            yield token.certificate, [*readable(token.parts.evidence.certificates), *others]
