"""Reports as a judgement would give them, built by hand around certificates of an authority in memory."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from cryptography import x509

from kernel.canonical import sha256_hex
from pki.algorithms import der_of, fingerprint_of
from pki.names import written_name
from signing.validation.contents import Change, Finding
from signing.validation.report import (
    CertificateShown,
    Check,
    Indication,
    Outcome,
    PolicyShown,
    RevocationShown,
    SignatureReport,
    SubIndication,
    TimestampReport,
    ValidationReport,
)
from tests.support.authority import MemoryAuthority

CHECKS = (
    Check("1.1", "format", "EN 319 102-1 §5.2.2", Outcome.PASSED),
    Check("2.1", "signing-certificate", "EN 319 102-1 §5.2.3", Outcome.PASSED),
    Check("4.2", "path", "EN 319 102-1 §5.2.6", Outcome.PASSED, "3 certificates"),
)


def shown(certificate: x509.Certificate) -> CertificateShown:
    """The certificate as reports name it."""
    return CertificateShown(
        subject=written_name(certificate.subject),
        issuer=written_name(certificate.issuer),
        serial=f"{certificate.serial_number:x}",
        fingerprint=fingerprint_of(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        der=der_of(certificate),
    )


def stamp_report(
    authority: MemoryAuthority, identifier: str = "timestamp-1", time: datetime | None = None
) -> TimestampReport:
    """A time stamp over ``signature-1`` that holds."""
    return TimestampReport(
        identifier=identifier,
        kind="signature",
        indication=Indication.TOTAL_PASSED,
        sub_indication=None,
        time=time or authority.now,
        serial="1f",
        imprint_algorithm="sha256",
        path=tuple(map(shown, (authority.tsa_signer.certificate, authority.intermediate, authority.root))),
        checks=CHECKS,
        covered=("signature-1",),
        token_sha256=sha256_hex(identifier.encode()),
    )


def signature_report(
    authority: MemoryAuthority,
    *,
    identifier: str = "signature-1",
    name: str = "زهرا مرادی",
    sub: SubIndication | None = None,
    indication: Indication = Indication.TOTAL_PASSED,
    changes: tuple[Change, ...] = (),
    findings: tuple[Finding, ...] = (),
    revocation: bool = True,
) -> SignatureReport:
    """A signature of level B-T by a person of that name."""
    signer = authority.person("IR-0012345678", name)
    path = tuple(map(shown, (signer.certificate, authority.intermediate, authority.root)))
    lists = authority.crls()
    return SignatureReport(
        identifier=identifier,
        form="PAdES",
        level="B-T" if indication is not Indication.TOTAL_FAILED else None,
        indication=indication,
        sub_indication=sub,
        detail="" if sub is None else f"decided by {sub}",
        party="IR-0012345678",
        signer=name,
        claimed_time=authority.now - timedelta(seconds=5),
        best_time=authority.now,
        digest_algorithm="sha256",
        signature_algorithm="ecdsa-with-SHA256",
        signature_value=b"\x30\x06" + identifier.encode(),
        signed_digest=hashlib.sha256(b"covered").digest(),
        scope="bytes 0 to 1,204 of 1,204",
        whole=True,
        path=path,
        revocation=tuple(_revocations(path, lists, authority.now)) if revocation else (),
        timestamps=(stamp_report(authority),),
        checks=CHECKS,
        changes=changes,
        findings=findings,
        name="signature-1",
        reason="تأیید صورتجلسه",
        location="Tehran",
    )


def report(
    authority: MemoryAuthority,
    *signatures: SignatureReport,
    indication: Indication = Indication.TOTAL_PASSED,
    name: str = "minutes.pdf",
    findings: tuple[Finding, ...] = (),
) -> ValidationReport:
    """A report on a PDF with these signatures."""
    return ValidationReport(
        kind="pdf",
        name=name,
        length=1204,
        sha256=sha256_hex(b"minutes"),
        at=authority.now,
        made_at=authority.now + timedelta(microseconds=250_001),
        indication=indication,
        signatures=signatures,
        timestamps=(),
        policy=PolicyShown("ts-119-312-2025", sha256_hex(b"algorithms"), "city", sha256_hex(b"trust")),
        findings=findings,
    )


def _revocations(
    path: tuple[CertificateShown, ...], lists: list[bytes], at: datetime
) -> list[RevocationShown]:
    return [
        RevocationShown(each.fingerprint, "crl", sha256_hex(der), at, "good")
        for each, der in zip(path, lists, strict=False)
    ]
