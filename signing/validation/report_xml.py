"""A report as XML of ETSI TS 119 102-2 v1.4.1: one SignatureValidationReport for each signature, and their objects.

Valid by the schema of ETSI. The report holds no XML signature of its own; ``report_json.sign_bytes`` seals its bytes
as they are, detached. Not given: SignatureQuality, and the digest in SignatureIdentifier (the signature value names the
signature). A file without a signature gets one report that says so, for the schema wants one.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from cryptography import x509

from kernel.canonical import to_base64
from pki.algorithms import der_of
from signing.validation import xml_objects
from signing.validation.contents import StampKind
from signing.validation.report import (
    CertificateShown,
    Check,
    Indication,
    Outcome,
    RevocationShown,
    SignatureReport,
    SubIndication,
    TimestampReport,
    ValidationReport,
)
from signing.validation.xml_elements import (
    DSIG,
    OWN,
    REPORT,
    TRUST_LIST,
    XADES,
    algorithm_uri,
    child,
    digest,
    digest_parts,
    etsi,
    instant,
    outcome,
    own,
    refer,
    status,
)
from signing.validation.xml_objects import Objects, certificate_id, revocation_id

_STAMPS: dict[StampKind, str] = {
    "content": "AllDataObjectsTimeStamp",
    "signature": "SignatureTimeStamp",
    "archive": "ArchiveTimeStamp",
    "document": "DocTimeStamp",
    "container": "ArchiveTimeStamp",
}
_REASONS = {"cACompromise": "cACompromise", "caCompromise": "cACompromise", "aaCompromise": "aACompromise"}
_CRYPTO = {SubIndication.CRYPTO_CONSTRAINTS_FAILURE, SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE}


def report_xml(report: ValidationReport, validator: x509.Certificate | None = None) -> bytes:
    """The XML in UTF-8, always the same bytes for the same report; ``validator`` is the seal that will sign it."""
    objects = xml_objects.gather(report)
    root = ElementTree.Element(f"{{{REPORT}}}ValidationReport")
    for each in report.signatures:
        _write_signature(root, objects, each)
    if not report.signatures:
        _write_unsigned(root, report)
    listed = child(root, "SignatureValidationObjects")
    xml_objects.write_document(listed, report)
    xml_objects.write_certificates(listed, objects)
    xml_objects.write_revocations(listed, objects)
    for key, stamp in objects.timestamps.items():
        _write_stamp_report(xml_objects.write_timestamp(listed, objects, key), report, stamp)
    if validator is not None:
        identity = child(child(root, "SignatureValidator"), "DigitalId")
        child(identity, "X509Certificate", to_base64(der_of(validator)), namespace=TRUST_LIST)
    written: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _write_signature(root: Element, objects: Objects, found: SignatureReport) -> None:
    report = objects.report
    made = child(root, "SignatureValidationReport")
    _write_identifier(made, objects.signatures[found.identifier], found)
    _write_constraints(made, report, found.checks)
    _write_times(made, objects, found)
    _write_signed_document(made, found)
    _write_attributes(made, objects, found)
    if found.path:
        signer = child(made, "SignerInformation")
        refer(signer, "SignerCertificate", certificate_id(found.path[0]))
        child(signer, "Signer", found.signer or found.path[0].subject)
    child(
        child(made, "SignatureValidationProcess"),
        "SignatureValidationProcessID",
        etsi("validationprocess", "LTA"),
    )
    judged = status(made, "SignatureValidationStatus", found.indication, found.sub_indication, whole=True)
    _write_grounds(judged, objects, found)
    _write_more(made, report, found)


def _write_identifier(parent: Element, key: str, found: SignatureReport) -> None:
    made = child(parent, "SignatureIdentifier", id=key)
    child(made, "SignatureValue", to_base64(found.signature_value), namespace=DSIG)
    child(made, "HashOnly", "false")
    child(made, "DocHashOnly", "false")
    child(made, "DAIdentifier", found.identifier)


def _write_constraints(parent: Element, report: ValidationReport, checks: tuple[Check, ...]) -> None:
    made = child(parent, "ValidationConstraintsEvaluationReport")
    policy = child(made, "SignatureValidationPolicy")
    identifier = child(child(policy, "SignaturePolicyIdentifier"), "SignaturePolicyId", namespace=XADES)
    name = child(identifier, "SigPolicyId", namespace=XADES)
    child(name, "Identifier", own("policy", report.policy.algorithms), namespace=XADES)
    hashed = child(identifier, "SigPolicyHash", namespace=XADES)
    digest_parts(hashed, "sha256", bytes.fromhex(report.policy.algorithms_sha256))
    trust = f"{report.policy.trust}, SHA-256 {report.policy.trust_sha256}"
    child(policy, "PolicyName", f"algorithms {report.policy.algorithms}; trust {trust}")
    for each in checks:
        _write_check(made, each)


def _write_check(parent: Element, check: Check) -> None:
    made = child(parent, "ValidationConstraint")
    child(made, "ValidationConstraintIdentifier", own("check", check.number, check.name))
    if check.clause:
        clause = child(made, "ValidationConstraintParameter")
        child(clause, "Type", own("clause"))
        child(clause, "Value", check.clause)
    ran = check.outcome is not Outcome.NOT_RUN
    state = "applied" if ran else "disabled"
    child(child(made, "ConstraintStatus"), "Status", etsi("constraintStatus", state))
    if ran:
        outcome(made, check.outcome)
    told = f"{check.outcome.value}: {check.detail}" if check.detail else check.outcome.value
    child(made, "Indications", told)


def _write_times(parent: Element, objects: Objects, found: SignatureReport) -> None:
    """The time that the judgement is for, and the earliest at which the signature is proven to have been there."""
    made = child(parent, "ValidationTimeInfo")
    child(made, "ValidationTime", instant(objects.report.at))
    best = child(made, "BestSignatureTime")
    time = found.best_time or objects.report.at
    child(best, "POETime", instant(time))
    child(best, "TypeOfProof", etsi("poetype", "validation"))
    stamped = objects.proofs.get(found.identifier)
    if stamped is not None and stamped[0] == time:
        refer(best, "POEObject", stamped[1])


def _write_signed_document(parent: Element, found: SignatureReport) -> None:
    made = child(parent, "SignersDocument")
    if found.signed_digest is not None and found.digest_algorithm is not None:
        digest(made, found.digest_algorithm, found.signed_digest)
        refer(made, "SignersDocumentRef", xml_objects.DOCUMENT)
    else:
        refer(made, "SignersDocumentRepresentation", xml_objects.DOCUMENT)


def _write_attributes(parent: Element, objects: Objects, found: SignatureReport) -> None:
    made = Element(f"{{{REPORT}}}SignatureAttributes")
    if found.claimed_time is not None:
        child(child(made, "SigningTime", Signed="true"), "Time", instant(found.claimed_time))
    if found.path and found.level is not None:  # no level without the signed reference to the certificate
        _write_signing_certificate(made, found.path[0])
    if found.signed_digest is not None:
        child(child(made, "MessageDigest", Signed="true"), "Digest", to_base64(found.signed_digest))
    for each in found.timestamps:
        _write_stamp(made, objects, each)
    if found.reason:
        child(child(made, "Reason", Signed="true"), "ReasonElement", found.reason)
    if found.location:
        child(child(made, "SignatureProductionPlace", Signed="true"), "AddressString", found.location)
    if len(made):
        parent.append(made)


def _write_signing_certificate(parent: Element, certificate: CertificateShown) -> None:
    made = child(parent, "SigningCertificate", Signed="true")
    refer(made, "AttributeObject", certificate_id(certificate))
    digest_parts(child(made, "CertID"), "sha256", bytes.fromhex(certificate.fingerprint))


def _write_stamp(parent: Element, objects: Objects, stamp: TimestampReport) -> None:
    if stamp.time is None:
        return
    signed = "true" if stamp.kind == "content" else "false"
    made = child(parent, _STAMPS[stamp.kind], Signed=signed)
    refer(made, "AttributeObject", objects.keys[stamp.identifier])
    child(made, "TimeStampValue", instant(stamp.time))


def _write_grounds(parent: Element, objects: Objects, found: SignatureReport) -> None:
    """AssociatedValidationReportData: the path, what it was judged by, the algorithm, and each revocation."""
    made = child(parent, "AssociatedValidationReportData")
    _write_path(made, found.path)
    used = dict.fromkeys(revocation_id(each) for each in found.revocation)
    for key in used:
        refer(made, "RelatedValidationObject", key)
    revoked = [each for each in found.revocation if each.revoked_at is not None]
    if revoked:
        _write_revocation(made, objects, revoked[0])
    _write_algorithm(made, objects, found)
    for each in revoked[1:]:
        _write_revocation(child(parent, "AssociatedValidationReportData"), objects, each)
    if not len(made):
        parent.remove(made)


def _write_path(parent: Element, path: tuple[CertificateShown, ...]) -> None:
    """The signer first; the last that issued itself is the anchor."""
    if not path:
        return
    rooted = len(path) > 1 and path[-1].subject == path[-1].issuer
    if rooted:
        refer(parent, "TrustAnchor", certificate_id(path[-1]))
    made = child(parent, "CertificateChain")
    refer(made, "SigningCertificate", certificate_id(path[0]))
    for each in path[1:-1] if rooted else path[1:]:
        refer(made, "IntermediateCertificate", certificate_id(each))
    if rooted:
        refer(made, "TrustAnchor", certificate_id(path[-1]))


def _write_revocation(parent: Element, objects: Objects, shown: RevocationShown) -> None:
    if shown.revoked_at is None:
        return
    made = child(parent, "RevocationStatusInformation")
    refer(made, "ValidationObjectId", objects.keys.get(shown.certificate, xml_objects.DOCUMENT))
    child(made, "RevocationTime", instant(shown.revoked_at))
    if shown.reason:
        child(made, "RevocationReason", etsi("revocationReason", _REASONS.get(shown.reason, shown.reason)))
    refer(made, "RevocationObject", revocation_id(shown))


def _write_algorithm(parent: Element, objects: Objects, found: SignatureReport) -> None:
    """Said when the algorithms decided, or all passed; otherwise nothing is known of them."""
    failed = found.sub_indication in _CRYPTO
    if found.signature_algorithm is None or not (failed or found.indication is Indication.TOTAL_PASSED):
        return
    made = child(parent, "CryptoInformation")
    refer(made, "ValidationObjectId", objects.signatures[found.identifier])
    child(made, "Algorithm", algorithm_uri(found.signature_algorithm))
    child(made, "SecureAlgorithm", "false" if failed else "true")
    if failed and found.detail:
        child(made, "OtherInformation", found.detail)


def _write_more(parent: Element, report: ValidationReport, found: SignatureReport) -> None:
    """OtherInformation: what the standard has no place for, one element of the report's own for each line."""
    made = child(parent, "OtherInformation")
    lines = [("made-at", instant(report.made_at)), ("form", found.form), ("scope", found.scope)]
    lines += [("whole", "true" if found.whole else "false")]
    lines += [("level", found.level)] if found.level else []
    lines += [("detail", found.detail)] if found.detail else []
    lines += [("party", found.party)] if found.party else []
    for name, text in lines:
        child(made, name, text, namespace=OWN)
    for change in found.changes:
        allowed = "true" if change.allowed else "false"
        child(made, "change", change.detail, namespace=OWN, code=change.code, allowed=allowed)
    for finding in (*found.findings, *report.findings):
        fatal = "true" if finding.fatal else "false"
        child(made, "finding", finding.detail, namespace=OWN, code=finding.code, fatal=fatal)


def _write_stamp_report(parent: Element, report: ValidationReport, stamp: TimestampReport) -> None:
    """The judgement of a time stamp, inside its object."""
    made = child(parent, "ValidationReport")
    _write_constraints(made, report, stamp.checks)
    if stamp.path:
        refer(child(made, "SignerInformation"), "SignerCertificate", certificate_id(stamp.path[0]))
    judged = status(made, "SignatureValidationStatus", stamp.indication, stamp.sub_indication, whole=False)
    if stamp.path:
        _write_path(child(judged, "AssociatedValidationReportData"), stamp.path)


def _write_unsigned(root: Element, report: ValidationReport) -> None:
    made = child(root, "SignatureValidationReport")
    _write_constraints(made, report, ())
    refer(child(made, "SignersDocument"), "SignersDocumentRepresentation", xml_objects.DOCUMENT)
    judged = child(made, "SignatureValidationStatus")
    child(judged, "MainIndication", etsi("mainindication", "indeterminate"))
    child(judged, "SubIndication", own("subindication", "no-signature-found"))
    more = child(made, "OtherInformation")
    for finding in report.findings:
        child(more, "finding", finding.detail, namespace=OWN, code=finding.code)
