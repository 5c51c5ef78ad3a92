"""Validation of basic signatures (EN 319 102-1 §5.3), of documents and of time stamps alike.

Blocks, as the checks of a report are numbered: 1 format (§5.2.2), 2 signing certificate (§5.2.3), 3 validation context
(§5.2.4), 4 X.509 validation (§5.2.6), 5 cryptographic verification (§5.2.7), 6 signature acceptance (§5.2.8). A failed
cryptographic verification decides before the certificate does; certificate before acceptance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pki import asn1
from pki.asn1 import ades
from signing.validation.certificates import Instants, Path, path_of, validate_path
from signing.validation.conclusion import PASSED, Checks, Conclusion, failed, indeterminate
from signing.validation.contents import CmsSignature, DigestOf, Finding, Form, NotAtHand, NotCovered
from signing.validation.report import Outcome, SubIndication
from signing.validation.scene import Scene
from signing.validation.signature_values import (
    AlgorithmUse,
    ValueRefused,
    digest_name,
    verify_digest,
    verify_value,
)
from signing.validation.signing_certificate import named_by_hash, named_certificates
from signing.validation.trust import Use

FORMAT, SIGNER, CONTEXT, CERTIFICATE, VALUE, ACCEPTANCE = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: a signature over ``content``, its form and what its reader found; ``use`` picks the anchors.

    ``fresh_at``: when revocation information has to be fresh; None: at the time that is judged for.
    """

    cms: CmsSignature | None
    content: DigestOf | None
    form: Form | None
    use: Use
    claimed_time: datetime | None = None
    findings: Sequence[Finding] = ()
    fresh_at: datetime | None = None

    @property
    def is_signature(self) -> bool:
        return self.use == "signatures"


@dataclass(frozen=True, slots=True)
class Basic:
    """``intact``: form and value hold, whatever certificate and rules say; ``uses`` are the algorithms of the value.

    ``elements``: what the signature itself has to hold (§5.2.8), which no later time makes good.
    """

    conclusion: Conclusion
    path: Path | None = None
    uses: tuple[AlgorithmUse, ...] = ()
    intact: bool = False
    named: bool = False
    elements: Conclusion = PASSED


def judge_basic(subject: Subject, scene: Scene, checks: Checks) -> Basic:
    """At the time of the scene; every block that could be run is among the checks."""
    found = _format(subject, checks)
    cms = subject.cms
    if not found.passed or cms is None:
        return Basic(found)
    found, named = _signing_certificate(cms, subject, checks)
    if not found.passed or cms.certificate is None:
        return Basic(found)
    _context(cms, checks)
    path = path_of(cms.certificate, scene, subject.use)
    instants = Instants(scene.at, subject.fresh_at or scene.at, scene.at)
    certificate = validate_path(path, scene, subject.use, instants)
    checks.conclude(CERTIFICATE, "certificate", "EN 319 102-1 5.2.6", certificate)
    value, uses = _value(cms, subject.content, checks)
    if not value.passed:
        return Basic(value, path, uses, named=named)
    elements, algorithms = _acceptance(subject, cms, uses, scene, checks)
    decisive = next((each for each in (certificate, elements, algorithms) if not each.passed), PASSED)
    return Basic(decisive, path, uses, intact=True, named=named, elements=elements)


def accept(uses: Sequence[AlgorithmUse], scene: Scene, at: datetime) -> Conclusion:
    """Whether the algorithms of a signature counted at an instant (§5.2.8.4.2)."""
    weak = scene.algorithms.weakness(uses, at)
    if weak is None:
        return PASSED
    return indeterminate(SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE, str(weak))


def _format(subject: Subject, checks: Checks) -> Conclusion:
    fatal = [each for each in subject.findings if each.fatal]
    for finding in subject.findings:
        if not finding.fatal:
            checks.warn(FORMAT, finding.code, "EN 319 102-1 5.2.2", finding.detail)
    if fatal:
        found = failed(SubIndication.FORMAT_FAILURE, "; ".join(each.detail for each in fatal)[:500])
    elif subject.cms is None:
        found = failed(SubIndication.FORMAT_FAILURE, "the signature can't be read")
    else:
        found = _protected(subject.cms)
    return checks.conclude(FORMAT, "format", "EN 319 102-1 5.2.2", found)


def _protected(cms: CmsSignature) -> Conclusion:
    # RFC 6211: where the signer named the algorithms under the signature, nobody may have exchanged them.
    values = cms.signed.get(ades.ID_ALGORITHM_PROTECTION.dotted_string)
    if values is None:
        return PASSED
    try:
        (value,) = values
        found = asn1.decode(asn1.AlgorithmProtection, value)
        named = found.digest_algorithm.algorithm.dotted_string, found.signature_algorithm
    except (ValueError, asn1.NotDer):
        return failed(SubIndication.FORMAT_FAILURE, "the protected algorithms can't be read")
    if named[0] != cms.digest_algorithm:
        return failed(SubIndication.FORMAT_FAILURE, "the digest algorithm is not the protected one")
    if named[1] is None or named[1].algorithm.dotted_string != cms.signature_algorithm:
        return failed(SubIndication.FORMAT_FAILURE, "the signature algorithm is not the protected one")
    return PASSED


def _signing_certificate(cms: CmsSignature, subject: Subject, checks: Checks) -> tuple[Conclusion, bool]:
    name, clause = "signing-certificate", "EN 319 102-1 5.2.3"
    if cms.certificate is None:
        missing = indeterminate(
            SubIndication.NO_SIGNING_CERTIFICATE_FOUND, "the certificate of the signer is not at hand"
        )
        return checks.conclude(SIGNER, name, clause, missing), False
    if not _has_reference(cms):
        checks.warn(SIGNER, f"{name}-reference", clause, "the signature does not name its certificate")
        return checks.conclude(SIGNER, name, clause, PASSED), False
    if not named_by_hash(cms.certificate, cms.signed):
        other = indeterminate(
            SubIndication.NO_SIGNING_CERTIFICATE_FOUND,
            "the signature names another certificate than this one",
        )
        return checks.conclude(SIGNER, name, clause, other), False
    serials = {each.serial for each in named_certificates(cms.signed) if each.serial is not None}
    if serials - {cms.certificate.serial_number}:
        checks.warn(SIGNER, f"{name}-serial", clause, "the signature names another serial number")
    return checks.conclude(SIGNER, name, clause, PASSED), True


def _has_reference(cms: CmsSignature) -> bool:
    return any(
        each.dotted_string in cms.signed
        for each in (ades.ID_SIGNING_CERTIFICATE_V2, ades.ID_SIGNING_CERTIFICATE)
    )


def _context(cms: CmsSignature, checks: Checks) -> None:
    # Any signature policy is accepted, and none is looked up: what it demands is not judged here.
    if ades.ID_SIGNATURE_POLICY.dotted_string in cms.signed:
        detail = "the signature follows a policy that is not judged here"
        checks.warn(CONTEXT, "signature-policy", "EN 319 102-1 5.2.4", detail)
    else:
        checks.add(CONTEXT, "signature-policy", "EN 319 102-1 5.2.4", Outcome.PASSED)


def _value(
    cms: CmsSignature, content: DigestOf | None, checks: Checks
) -> tuple[Conclusion, tuple[AlgorithmUse, ...]]:
    digest = digest_name(cms.digest_algorithm)
    if not cms.signed_bytes:
        return _bare_value(cms, digest, content, checks)
    found = checks.conclude(VALUE, "content", "EN 319 102-1 5.2.7", _content(cms, digest, content))
    used = () if digest is None else (AlgorithmUse(digest),)
    if not found.passed:
        return found, used
    try:
        assert cms.certificate is not None
        use = verify_value(
            cms.certificate, cms.signature_algorithm, cms.parameters, cms.signature, cms.signed_bytes, digest
        )
    except ValueRefused as error:
        refused = failed(SubIndication.SIG_CRYPTO_FAILURE, str(error))
        return checks.conclude(VALUE, "signature-value", "EN 319 102-1 5.2.7", refused), used
    checks.conclude(VALUE, "signature-value", "EN 319 102-1 5.2.7", PASSED)
    return PASSED, (*used, use)


def _bare_value(
    cms: CmsSignature, digest: str | None, content: DigestOf | None, checks: Checks
) -> tuple[Conclusion, tuple[AlgorithmUse, ...]]:
    """Without signed attributes the value is over the content itself, and so over whatever attributes it may be.

    RFC 5652 §5.4. Where it holds, acceptance still says that the attributes are missing.
    """
    used = () if digest is None else (AlgorithmUse(digest),)
    try:
        if content is None:
            raise NotAtHand("what was signed is not at hand")
        assert cms.certificate is not None
        use = verify_digest(
            cms.certificate, cms.signature_algorithm, cms.parameters, cms.signature, content, digest
        )
        found = PASSED
    except NotAtHand as error:
        found = indeterminate(SubIndication.SIGNED_DATA_NOT_FOUND, str(error))
    except NotCovered as error:
        found = failed(SubIndication.HASH_FAILURE, str(error))
    except ValueRefused as error:
        found = failed(SubIndication.SIG_CRYPTO_FAILURE, str(error))
    checks.conclude(VALUE, "signature-value", "EN 319 102-1 5.2.7", found)
    return found, (*used, use) if found.passed else used


def _content(cms: CmsSignature, digest: str | None, content: DigestOf | None) -> Conclusion:
    if content is None:
        return indeterminate(SubIndication.SIGNED_DATA_NOT_FOUND, "what was signed is not at hand")
    if digest is None or digest not in hashlib.algorithms_available:
        return failed(SubIndication.HASH_FAILURE, "the digest algorithm is not known")
    try:
        computed = content(digest)
    except NotAtHand as error:
        return indeterminate(SubIndication.SIGNED_DATA_NOT_FOUND, str(error))
    except NotCovered as error:
        return failed(SubIndication.HASH_FAILURE, str(error))
    if cms.message_digest is None or computed != cms.message_digest:
        return failed(SubIndication.HASH_FAILURE, "the content is not what was signed")
    return PASSED


def _acceptance(
    subject: Subject, cms: CmsSignature, uses: Sequence[AlgorithmUse], scene: Scene, checks: Checks
) -> tuple[Conclusion, Conclusion]:
    clause, elements = "EN 319 102-1 5.2.8", PASSED
    if subject.is_signature:
        elements = checks.conclude(ACCEPTANCE, "elements", clause, _elements(subject, cms))
    return elements, checks.conclude(ACCEPTANCE, "algorithms", clause, accept(uses, scene, scene.at))


def _elements(subject: Subject, cms: CmsSignature) -> Conclusion:
    if not cms.signed:
        return indeterminate(SubIndication.SIG_CONSTRAINTS_FAILURE, "the signed attributes are missing")
    if subject.form != "PKCS7" and not _has_reference(cms):
        return indeterminate(
            SubIndication.SIG_CONSTRAINTS_FAILURE, "the signed reference to the certificate is missing"
        )
    if subject.claimed_time is None:
        return indeterminate(SubIndication.SIG_CONSTRAINTS_FAILURE, "the claimed time of signing is missing")
    assert cms.certificate is not None
    starts, ends = cms.certificate.not_valid_before_utc, cms.certificate.not_valid_after_utc
    if not starts <= subject.claimed_time <= ends:
        detail = "the claimed time of signing is outside the life of the certificate"
        return indeterminate(SubIndication.SIG_CONSTRAINTS_FAILURE, detail)
    return PASSED
