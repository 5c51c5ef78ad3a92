"""Evidence that a signed document lacks, from the addresses in its certificates.

By command only: a server makes no requests for strangers.
"""

from __future__ import annotations

from datetime import datetime

from app.lacking_evidence import with_evidence
from client.evidence import HttpEvidence
from signing.validation.contents import FoundDocument
from signing.validation.trust import Trust


def with_fetched(document: FoundDocument, trust: Trust, at: datetime) -> Trust:
    """The same trust with what could be fetched for signers and time-stamping authorities."""
    roots = [each.certificate for each in trust.anchors]
    return with_evidence(document, trust, at, HttpEvidence(roots, trust.intermediates, strangers=True))
