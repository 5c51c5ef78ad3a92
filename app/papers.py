"""The papers of registration as signed documents: the port of pki over what signing knows."""

from __future__ import annotations

from collections.abc import Callable

from kernel.canonical import sha256_hex
from kernel.clock import Clock
from pki.algorithms import fingerprint_of
from pki.papers import MAX_PAPER_BYTES, Paper, ReadPaper
from pki.trust import TrustStore
from signing.cms import verify_detached
from signing.documents import parse_document
from signing.errors import SignatureInvalid


class SignedPapers:
    """Judges signatures now, by the lists that are known now: a certificate that was ever revoked signs nothing."""

    def __init__(self, trust: Callable[[], TrustStore], clock: Clock) -> None:
        self._trust = trust
        self._clock = clock

    def read(self, paper: Paper, *, type_: str, party: str, max_bytes: int = MAX_PAPER_BYTES) -> ReadPaper:
        """See ``pki.papers.Papers``."""
        content = parse_document(paper.document, type_=type_, max_bytes=max_bytes)
        report = verify_detached(
            paper.document,
            paper.signature,
            self._trust(),
            now=self._clock.now(),
            party=party,
            revocation="ever",
        )
        if report.certificate is None:
            raise SignatureInvalid("the signature names no certificate")
        return ReadPaper(content, sha256_hex(paper.document), fingerprint_of(report.certificate))
