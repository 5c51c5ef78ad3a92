"""Evidence that a signed document lacks, asked of a source for its signers and time-stamping authorities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from kernel.errors import DomainError
from signing.ades.services import EvidenceSource
from signing.ades.tokens import read_token, readable
from signing.errors import EvidenceUnavailable
from signing.validation.contents import FoundDocument, FoundTimestamp
from signing.validation.trust import Trust

MAX_ASKED = 20


def with_evidence(document: FoundDocument, trust: Trust, at: datetime, source: EvidenceSource) -> Trust:
    """The same trust with what the source has; each certificate is asked for once, and no more than ``MAX_ASKED``.

    What cannot be had is left out, and the judgement says what it lacks.
    """
    found, asked = trust.evidence, set[bytes]()
    for certificate, others in _signers(document):
        key = certificate.tbs_certificate_bytes
        if key in asked or len(asked) >= MAX_ASKED:
            continue
        asked.add(key)
        try:
            found |= source.collect(certificate, others, at)
        except EvidenceUnavailable:
            continue
    return Trust(trust.anchors, trust.intermediates, found, trust.name)


def _signers(document: FoundDocument) -> Iterator[tuple[x509.Certificate, Sequence[x509.Certificate]]]:
    for signature in document.signatures:
        if signature.cms is not None and signature.cms.certificate is not None:
            inside = readable(signature.evidence.certificates)
            yield signature.cms.certificate, [*signature.cms.certificates, *inside]
        yield from _authorities(signature.timestamps)
    yield from _authorities(document.timestamps)


def _authorities(
    stamps: Sequence[FoundTimestamp],
) -> Iterator[tuple[x509.Certificate, Sequence[x509.Certificate]]]:
    for stamp in stamps:
        others = tuple(readable(stamp.evidence.certificates))
        try:
            token = read_token(stamp.token, others)
        except DomainError:
            continue
        if token.certificate is not None:
            yield token.certificate, [*readable(token.parts.evidence.certificates), *others]
