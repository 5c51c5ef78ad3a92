"""Archive time stamps of an ASiC-E container (ETSI EN 319 162-1 §A.7 and §5.4).

The newest archive manifest is called ``META-INF/ASiCArchiveManifest.xml`` and names every file, signature, manifest
and time stamp; the one before it gets a number and is marked as its root. Before a new one is made, the evidence for
the authority of the last time stamp is put into that time stamp, so that the new one covers it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from signing.ades.asice_inside import (
    DIGEST,
    LAST_ARCHIVE_MANIFEST,
    Inside,
    free_name,
    is_any_manifest,
    is_signature,
    is_token,
)
from signing.ades.asice_manifest import SIGNATURE_TYPE, TOKEN_TYPE, Manifest, Reference, write_manifest
from signing.ades.cms_edit import read_parts
from signing.ades.evidence_gathering import gather_for_tokens
from signing.ades.services import Services
from signing.ades.tokens import stamped
from signing.errors import EVIDENCE, TIME_STAMPS, LevelUnreachable


def archive(inside: Inside, services: Services, at: datetime) -> Inside:
    """With one more archive time stamp over everything; raises TimestampUnavailable and EvidenceUnavailable."""
    if services.stamps is None:
        raise LevelUnreachable("an archive time stamp needs a time-stamping authority", needs=TIME_STAMPS)
    inside = _with_evidence_for_tokens(inside, services, at)
    older = None
    if LAST_ARCHIVE_MANIFEST in inside.meta:
        older = free_name(inside.meta, "META-INF/ASiCArchiveManifest{:03}.xml")
        inside = inside.renamed(LAST_ARCHIVE_MANIFEST, older)
    token_name = free_name(inside.meta, "META-INF/timestamp{:03}.tst")
    covered = [
        Reference(name, _type_of(name), DIGEST, _sha256(content), root=name == older)
        for name, content in inside.meta.items()
        if _is_covered(name)
    ]
    files = [each.reference for each in inside.data]
    manifest = write_manifest(Manifest(token_name, (*files, *covered), TOKEN_TYPE))
    token = stamped(services.stamps, DIGEST, manifest)
    return inside.with_members({LAST_ARCHIVE_MANIFEST: manifest, token_name: token})


def _with_evidence_for_tokens(inside: Inside, services: Services, at: datetime) -> Inside:
    """Each time stamp that nothing covers yet gets what its authority is judged by."""
    frozen = inside.frozen()
    proven: dict[str, bytes] = {}
    for name in inside.tokens:
        if name in frozen:
            continue
        if services.evidence is None:
            raise LevelUnreachable("another archive time stamp needs a source of evidence", needs=EVIDENCE)
        evidence = gather_for_tokens([inside.meta[name]], services.evidence, at=at)
        proven[name] = read_parts(inside.meta[name]).with_evidence(evidence).write()
    return inside.with_members(proven)


def _is_covered(name: str) -> bool:
    return is_signature(name) or is_token(name) or is_any_manifest(name)


def _type_of(name: str) -> str:
    if is_signature(name):
        return SIGNATURE_TYPE
    return TOKEN_TYPE if is_token(name) else "text/xml"


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
