"""The objects of a TS 119 102-2 report: the file, certificates, lists and answers, time stamps; and what proves them.

Each has an identifier in the report by which signatures refer to it. Certificates are whole, the rest by digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import chain
from xml.etree.ElementTree import Element

from kernel.canonical import to_base64
from signing.validation.report import (
    CertificateShown,
    Indication,
    RevocationShown,
    TimestampReport,
    ValidationReport,
)
from signing.validation.xml_elements import algorithm_uri, child, digest, etsi, instant, own, refer

DOCUMENT = "document"
_KINDS = {"crl": "CRL", "ocsp": "OCSPResponse"}


@dataclass(frozen=True, slots=True)
class Objects:
    """What is referred to, each once, in the order of the report, by its identifier there.

    ``proofs`` has the earliest valid time stamp over what a report names: a signature, a time stamp, a digest;
    ``keys`` the identifiers here of all of these but signatures.
    """

    report: ValidationReport
    certificates: dict[str, CertificateShown]
    revocations: dict[str, RevocationShown]
    timestamps: dict[str, TimestampReport]
    signatures: dict[str, str]
    proofs: dict[str, tuple[datetime, str]]
    keys: dict[str, str]


def gather(report: ValidationReport) -> Objects:
    """Everything that the report names."""
    named = chain(*(each.timestamps for each in report.signatures), report.timestamps)
    # A time stamp of the whole file stands with each signature that it covers, too.
    stamps = {each.identifier: each for each in named}.values()
    paths = chain(*(each.path for each in report.signatures), *(each.path for each in stamps))
    certificates = {certificate_id(each): each for each in paths}
    revocations = {
        revocation_id(each): each for each in chain(*(each.revocation for each in report.signatures))
    }
    timestamps = {f"timestamp-{number}": each for number, each in enumerate(stamps, 1)}
    keys = {each.fingerprint: key for key, each in certificates.items()}
    keys |= {each.sha256: key for key, each in revocations.items()}
    keys |= {each.identifier: key for key, each in timestamps.items()}
    signatures = {each.identifier: f"signature-{number}" for number, each in enumerate(report.signatures, 1)}
    return Objects(report, certificates, revocations, timestamps, signatures, _proofs(timestamps), keys)


def certificate_id(certificate: CertificateShown) -> str:
    return f"certificate-{certificate.fingerprint}"


def revocation_id(shown: RevocationShown) -> str:
    return f"revocation-{shown.sha256}"


def write_document(parent: Element, report: ValidationReport) -> None:
    """The file that was verified, by its digest."""
    made = _object(parent, DOCUMENT, "signedData")
    digest(child(made, "ValidationObjectRepresentation"), "sha256", bytes.fromhex(report.sha256))


def write_certificates(parent: Element, objects: Objects) -> None:
    for key, each in objects.certificates.items():
        made = _object(parent, key, "certificate")
        child(child(made, "ValidationObjectRepresentation"), "base64", to_base64(each.der))
        _write_proof(made, objects, each.fingerprint)


def write_revocations(parent: Element, objects: Objects) -> None:
    """Lists and answers; one that speaks of several certificates stands once."""
    for key, each in objects.revocations.items():
        made = _object(parent, key, _KINDS.get(each.source, "other"))
        digest(child(made, "ValidationObjectRepresentation"), "sha256", bytes.fromhex(each.sha256))
        _write_proof(made, objects, each.sha256)


def write_timestamp(parent: Element, objects: Objects, key: str) -> Element:
    """One time stamp, with what it proves when it holds; its own report is put in by the caller."""
    stamp = objects.timestamps[key]
    made = _object(parent, key, "timestamp")
    shown = child(made, "ValidationObjectRepresentation")
    if stamp.token_sha256 is None:
        child(shown, "URI", own("timestamp", stamp.identifier))
    else:
        digest(shown, "sha256", bytes.fromhex(stamp.token_sha256))
    _write_proof(made, objects, stamp.identifier)
    if stamp.indication is Indication.TOTAL_PASSED and stamp.time is not None:
        _write_provision(made, objects, stamp, stamp.time)
    return made


def _proofs(timestamps: dict[str, TimestampReport]) -> dict[str, tuple[datetime, str]]:
    found: dict[str, tuple[datetime, str]] = {}
    for key, each in timestamps.items():
        if each.indication is Indication.TOTAL_PASSED and each.time is not None:
            for name in each.covered:
                found[name] = min(found.get(name, (each.time, key)), (each.time, key))
    return found


def _object(parent: Element, key: str, kind: str) -> Element:
    made = child(parent, "ValidationObject", id=key)
    child(made, "ObjectType", etsi("validationObject", kind))
    return made


def _write_proof(parent: Element, objects: Objects, name: str) -> None:
    """Since when the object is proven to have been there: by the earliest stamp over it, else by this report."""
    stamped = objects.proofs.get(name)
    made = child(parent, "POE")
    child(made, "POETime", instant(objects.report.made_at if stamped is None else stamped[0]))
    child(made, "TypeOfProof", etsi("poetype", "validation"))
    if stamped is not None:
        refer(made, "POEObject", stamped[1])


def _write_provision(parent: Element, objects: Objects, stamp: TimestampReport, time: datetime) -> None:
    made = child(parent, "POEProvisioning")
    child(made, "POETime", instant(time))
    for name in stamp.covered:
        if name not in objects.signatures and name in objects.keys:
            refer(made, "ValidationObject", objects.keys[name])
    for each in objects.report.signatures:
        if each.identifier in stamp.covered:
            covered = child(made, "SignatureReference")
            if each.form == "PAdES" and each.name is not None:
                child(covered, "PAdESFieldName", each.name)
            else:
                child(covered, "DigestMethod", algorithm_uri("sha256"))
                child(covered, "DigestValue", to_base64(sha256(each.signature_value).digest()))
