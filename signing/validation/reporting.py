"""From judgements to the plain values of a report; and which baseline level is held and proven."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from cryptography import x509

from kernel.errors import DomainError
from pki.algorithms import der_of, fingerprint_of
from pki.names import party_of, written_name
from signing.ades.services import Evidence, Level
from signing.validation.certificates import Path, names
from signing.validation.conclusion import Checks, Conclusion
from signing.validation.contents import FoundDocument, FoundSignature
from signing.validation.long_term import Stamped
from signing.validation.report import (
    CertificateShown,
    RevocationShown,
    SignatureReport,
    TimestampReport,
)
from signing.validation.scene import Scene
from signing.validation.signature_values import digest_name
from signing.validation.timestamps import JudgedTimestamp

_ARCHIVES = frozenset({"archive", "document", "container"})


def signature_report(
    found: FoundSignature,
    document: FoundDocument,
    stamped: Stamped,
    stamps: Iterable[JudgedTimestamp],
    conclusion: Conclusion,
    scene: Scene,
    checks: Checks,
) -> SignatureReport:
    cms, path = found.cms, stamped.basic.path
    certificate = None if cms is None else cms.certificate
    level = level_of(found, document, stamped, scene)
    return SignatureReport(
        identifier=found.identifier,
        form=found.form,
        level=None if level is None else level.value,
        indication=conclusion.indication,
        sub_indication=conclusion.sub,
        detail=conclusion.detail,
        party=None if certificate is None else _party(certificate),
        signer=None if certificate is None else names(certificate),
        claimed_time=found.claimed_time,
        best_time=scene.proofs.proven(found.identifier),
        digest_algorithm=None if cms is None else digest_name(cms.digest_algorithm) or cms.digest_algorithm,
        signature_algorithm=None if cms is None else _algorithm(stamped, cms.signature_algorithm),
        signature_value=b"" if cms is None else cms.signature,
        signed_digest=None if cms is None else cms.message_digest,
        scope=found.scope,
        whole=found.whole,
        path=shown_path(path, certificate),
        revocation=shown_revocation(path),
        timestamps=tuple(timestamp_report(each) for each in stamps),
        checks=tuple(checks.made),
        changes=found.changes,
        findings=found.findings,
        name=found.name,
        reason=found.reason,
        location=found.location,
    )


def timestamp_report(stamp: JudgedTimestamp) -> TimestampReport:
    token, found = stamp.token, stamp.found
    covered = (*sorted(found.covered.signatures), *sorted(found.covered.timestamps))
    return TimestampReport(
        identifier=found.identifier,
        kind=found.kind,
        indication=stamp.conclusion.indication,
        sub_indication=stamp.conclusion.sub,
        time=stamp.time,
        serial=None if token is None else f"{token.serial:x}",
        imprint_algorithm=None if token is None else token.imprint_digest,
        path=shown_path(stamp.basic.path, None if token is None else token.cms.certificate),
        checks=tuple(stamp.checks.made),
        covered=covered,
        name=found.name,
    )


def level_of(found: FoundSignature, document: FoundDocument, stamped: Stamped, scene: Scene) -> Level | None:
    """The highest baseline level whose parts are all in the file and hold; None when it is no AdES signature.

    B-LT: path and revocation information of signer and time stamps are inside, not only in the trust.
    """
    if not stamped.basic.intact or not stamped.basic.named or found.form == "PKCS7":
        return None
    valid = [each for each in stamped.stamps if each.conclusion.passed]
    if not valid:
        return Level.B_B
    inside = _inside(found, document, scene)
    if not _held(stamped.basic.path, inside) or not any(_held(each.basic.path, inside) for each in valid):
        return Level.B_T
    archived = any(
        each.found.kind in _ARCHIVES and _covers_evidence(each, stamped.basic.path) for each in valid
    )
    return Level.B_LTA if archived else Level.B_LT


def shown_path(path: Path | None, certificate: x509.Certificate | None) -> tuple[CertificateShown, ...]:
    certificates = () if path is None else path.certificates
    if not certificates and certificate is not None:
        certificates = (certificate,)
    return tuple(
        CertificateShown(
            subject=names(each),
            issuer=written_name(each.issuer),
            serial=f"{each.serial_number:x}",
            fingerprint=fingerprint_of(each),
            not_before=each.not_valid_before_utc,
            not_after=each.not_valid_after_utc,
            der=der_of(each),
        )
        for each in certificates
    )


def shown_revocation(path: Path | None) -> tuple[RevocationShown, ...]:
    return tuple(
        RevocationShown(
            certificate=fingerprint_of(link.certificate),
            source=link.status.source,
            sha256=link.status.digests[0].hex(),
            produced_at=link.status.produced_at,
            status="good" if link.status.revoked_at is None else "revoked",
            revoked_at=link.status.revoked_at,
            reason=link.status.reason,
        )
        for link in (() if path is None else path.links)
        if link.status is not None
    )


def _inside(found: FoundSignature, document: FoundDocument, scene: Scene) -> frozenset[bytes]:
    evidence = document.evidence | found.evidence
    for stamp in (*found.timestamps, *document.timestamps):
        evidence |= stamp.evidence
    certificates = () if found.cms is None else found.cms.certificates
    evidence |= Evidence(certificates=tuple(der_of(each) for each in certificates))
    ders = (*evidence.certificates, *evidence.crls, *evidence.ocsps)
    return frozenset(scene.material.digest(each) for each in ders)


def _held(path: Path | None, inside: frozenset[bytes]) -> bool:
    """Every certificate below the anchor is inside, with some revocation information about it that counts."""
    if path is None or path.anchor is None:
        return False
    return all(
        _digest(link.certificate) in inside and any(set(each.digests) <= inside for each in link.statuses)
        for link in path.links
    )


def _covers_evidence(stamp: JudgedTimestamp, path: Path | None) -> bool:
    covered = stamp.found.covered.evidence
    links = () if path is None else path.links
    return all(any(set(each.digests) <= covered for each in link.statuses) for link in links)


def _digest(certificate: x509.Certificate) -> bytes:
    return hashlib.sha256(der_of(certificate)).digest()


def _party(certificate: x509.Certificate) -> str | None:
    try:
        return party_of(certificate)
    except DomainError:
        return None


def _algorithm(stamped: Stamped, identifier: str) -> str:
    return str(stamped.basic.uses[-1]) if len(stamped.basic.uses) > 1 else identifier
