"""Reading, judging and whom to trust, joined for the command and for HTTP. Nothing is fetched here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from app.container import Container
from app.lacking_evidence import Signer, evidence_for, with_evidence
from app.signing_services import InstallationEvidence
from kernel.clock import Clock
from pki.trust import TrustStore
from signing.ades.services import Evidence
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.contents import FoundDocument
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.report import ValidationReport
from signing.validation.trust import Anchor, Trust


def verify(
    source: bytes | Path,
    trust: Trust,
    *,
    at: datetime | None,
    clock: Clock,
    content: bytes | Path | None = None,
    name: str | None = None,
    fetched: Callable[[FoundDocument, Trust, datetime], Trust] | None = None,
) -> ValidationReport:
    """The report for ``at``, or for now; ``fetched`` may add evidence to the trust.

    Raises DocumentUnreadable, DocumentEncrypted or DocumentTooComplex.
    """
    document = read_document(source, content=content, name=name)
    if fetched is not None:
        trust = fetched(document, trust, at or clock.now())
    # What was made a moment ago must not seem to be of the future.
    now = clock.now()
    return judge(document, trust, AlgorithmPolicy.default(), at=at or now, made_at=now)


class InstallationTrust:
    """The roots of an installation with its intermediates and current lists, and the anchors of a folder beside them;
    made anew when a list or a root has changed. Safe for threads.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._lock = threading.Lock()
        self._made: tuple[object, Trust] | None = None

    def current(self) -> Trust:
        """Raises TrustFolderInvalid when the folder of the settings cannot be read."""
        store = self._container.trust.store()
        known = (store.roots, store.intermediates, tuple(store.crls()))
        with self._lock:
            if self._made is None or self._made[0] != known:
                self._made = (known, self._make(store))
            return self._made[1]

    def completed(self, document: FoundDocument, trust: Trust, at: datetime) -> Trust:
        """With the installation's own answers about certificates of its own, which may be newer than every list."""
        return with_evidence(document, trust, at, InstallationEvidence(self._container))

    def evidence(self, signers: Sequence[Signer], at: datetime) -> Evidence:
        """The same answers alone."""
        return evidence_for(signers, at, InstallationEvidence(self._container))

    def _make(self, store: TrustStore) -> Trust:
        settings = self._container.settings
        anchors = [Anchor(each) for each in store.roots]
        intermediates, evidence = store.intermediates, Evidence(crls=tuple(store.crls()))
        if settings.signing.trust_folder is not None:
            more = Trust.from_folder(settings.path(settings.signing.trust_folder))
            anchors += more.anchors
            intermediates, evidence = (*intermediates, *more.intermediates), evidence | more.evidence
        return Trust(anchors, intermediates, evidence, settings.publisher.name)
