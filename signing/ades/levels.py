"""From one level to a higher one: stamps over signatures, evidence, stamps over all of it (EN 319 122-1 §5.5 and §6.3).

What is there already stays and is not asked for again. Everything is had before anything is written, so a service
that does not answer leaves nothing half-way.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.x509 import ObjectIdentifier

from pki.asn1 import ades
from signing.ades.archive_timestamp import archive_imprint, make_index, token_with_index
from signing.ades.cms_edit import SignedDataParts, SignerParts
from signing.ades.evidence_gathering import gather, gather_for_tokens, holds_all
from signing.ades.octets import is_der
from signing.ades.services import EvidenceSource, Level, Services, StampSource
from signing.ades.tokens import read_token, readable, signer_certificate, stamped, stamped_digest
from signing.errors import (
    EVIDENCE,
    TIME_STAMPS,
    EvidenceUnavailable,
    LevelUnreachable,
    SigningForbidden,
)
from signing.validation.contents import DigestOf

# Archive time stamps before version 3, and long-term-validation, cover the sets as a whole: these may not grow.
_COVERING_ALL = (
    ObjectIdentifier("1.2.840.113549.1.9.16.2.27"),
    ObjectIdentifier("1.2.840.113549.1.9.16.2.48"),
    ObjectIdentifier("0.4.0.1733.2.2"),
)
_STAMPED = "sha256"


def require_services(level: Level, services: Services) -> None:
    """What a new signature of that level needs; raises LevelUnreachable."""
    if level.rank >= Level.B_T.rank:
        stamps_of(services)
    if level.rank >= Level.B_LT.rank:
        evidence_of(services)


def raised(
    parts: SignedDataParts, level: Level, services: Services, content: DigestOf | None, *, at: datetime
) -> SignedDataParts:
    """Every signer at that level or the higher one it has; the same object where all are already.

    ``content`` gives digests of detached content; without it the archive time stamp takes the message digest that
    was signed. Raises LevelUnreachable, TimestampUnavailable, EvidenceUnavailable and SigningForbidden.
    """
    for signer in parts.signers:
        parts = _raised(parts, signer, level, services, content, at)
    return parts


def refreshed(
    parts: SignedDataParts,
    services: Services,
    content: DigestOf | None,
    *,
    at: datetime,
    algorithm: str | None = None,
) -> SignedDataParts:
    """One archive time stamp more for every signer, with evidence for the authority of the newest before.

    That of older ones was gathered when it was stamped over: by now their certificates may be over.
    ``algorithm`` is the new stamp's digest, the signature's own by default. A signer without any is raised to B-LTA.
    """
    for signer in parts.signers:
        tokens = signer.values(ades.ID_ARCHIVE_TIME_STAMP_V3)
        if not tokens:
            parts = _raised(parts, signer, Level.B_LTA, services, content, at)
            continue
        _refuse_older_archive(signer)
        known = readable(parts.evidence.certificates)
        newest = max(tokens, key=lambda each: read_token(each, tuple(known)).time)
        evidence = gather_for_tokens([newest], evidence_of(services), others=known, at=at)
        parts = _archived(parts.with_evidence(evidence), signer, services, content, algorithm)
    return parts


def stamps_of(services: Services) -> StampSource:
    """Raises LevelUnreachable."""
    if services.stamps is None:
        raise LevelUnreachable("this level needs a time-stamping authority", needs=TIME_STAMPS)
    return services.stamps


def evidence_of(services: Services) -> EvidenceSource:
    """Raises LevelUnreachable."""
    if services.evidence is None:
        raise LevelUnreachable("this level needs a source of certificates and revocation", needs=EVIDENCE)
    return services.evidence


def _raised(
    parts: SignedDataParts,
    signer: SignerParts,
    level: Level,
    services: Services,
    content: DigestOf | None,
    at: datetime,
) -> SignedDataParts:
    if level is Level.B_B or signer.values(ades.ID_ARCHIVE_TIME_STAMP_V3):
        return parts
    _refuse_older_archive(signer)
    if not signer.values(ades.ID_SIGNATURE_TIME_STAMP):
        token = stamped(stamps_of(services), signer.digest_name or _STAMPED, signer.signature)
        with_stamp = signer.with_unsigned(ades.ID_SIGNATURE_TIME_STAMP, token)
        parts, signer = parts.with_signer(signer, with_stamp), with_stamp
    if level.rank >= Level.B_LT.rank:
        parts = _with_evidence(parts, signer, services, at)
    return _archived(parts, signer, services, content) if level is Level.B_LTA else parts


def _with_evidence(
    parts: SignedDataParts, signer: SignerParts, services: Services, at: datetime
) -> SignedDataParts:
    known = readable(parts.evidence.certificates)
    certificate = _certificate_of(signer, known)
    tokens = _tokens(signer)
    stamped_at = min(read_token(each, tuple(known)).time for each in tokens)
    if holds_all(certificate, tokens, parts.evidence, at=stamped_at):
        return parts
    return parts.with_evidence(gather(certificate, tokens, evidence_of(services), others=known, at=at))


def _archived(
    parts: SignedDataParts,
    signer: SignerParts,
    services: Services,
    content: DigestOf | None,
    algorithm: str | None = None,
) -> SignedDataParts:
    _refuse_other_encodings(signer)
    algorithm = algorithm or signer.digest_name or _STAMPED
    if content is None and parts.content is None:
        content = _as_signed(signer)
    index = make_index(parts, signer, algorithm)
    digest = archive_imprint(parts, signer, index, content)(algorithm)
    token = stamped_digest(stamps_of(services), algorithm, digest)
    archived = signer.with_unsigned(ades.ID_ARCHIVE_TIME_STAMP_V3, token_with_index(token, index))
    return parts.with_signer(signer, archived)


def _as_signed(signer: SignerParts) -> DigestOf:
    # The stamp's digest of the content is the signed one where both are of the same algorithm (§5.5.3).
    def digest(algorithm: str) -> bytes:
        if algorithm != signer.digest_name:
            raise LevelUnreachable("the content is needed: what was signed is a digest of another algorithm")
        return signer.message_digest

    return digest


def _tokens(signer: SignerParts) -> tuple[bytes, ...]:
    of_content = ades.ID_CONTENT_TIME_STAMP.dotted_string
    over_content = [value for each in signer.signed if each.type == of_content for value in each.values]
    return (*over_content, *signer.values(ades.ID_SIGNATURE_TIME_STAMP))


def _certificate_of(signer: SignerParts, known: list[x509.Certificate]) -> x509.Certificate:
    found = signer_certificate(signer, known)
    if found is None:
        raise EvidenceUnavailable("the signer's certificate is not inside", certificate="")
    return found


def _refuse_older_archive(signer: SignerParts) -> None:
    if any(signer.values(each) for each in _COVERING_ALL):
        raise SigningForbidden("an older archive time stamp covers what would have to grow")


def _refuse_other_encodings(signer: SignerParts) -> None:
    # §5.5.3 takes the fields as they are, some verifiers take their DER: only where these are the same all agree.
    if not all(is_der(each, is_set=each is signer.fields[3]) for each in signer.fields):
        raise SigningForbidden(
            "what was signed is not in DER: no archive time stamp over it is read alike by all"
        )
