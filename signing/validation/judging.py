"""The judgement of a document: every signature and time stamp by itself, after ETSI EN 319 102-1 (v1.4.1).

Pure: it calls nobody and reads no clock. It fails closed: whatever cannot be read, found or computed makes a signature
less than passed, never more. The order: (1) all material is gathered; (2) every time stamp is judged for the time asked
(§5.4); (3) they are processed, the newest first, into proofs of existence (§5.6.2.3); (4) every signature is judged by
§5.3, then §5.5, then §5.6. The document's indication is the worst of its signatures.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.basic import Basic, Subject, judge_basic
from signing.validation.conclusion import Checks, Conclusion, indeterminate
from signing.validation.contents import Finding, FoundDocument, FoundSignature, FoundTimestamp
from signing.validation.long_term import Stamped, conclude
from signing.validation.past import process_timestamps
from signing.validation.report import (
    Indication,
    PolicyShown,
    SignatureReport,
    SubIndication,
    TimestampReport,
    ValidationReport,
)
from signing.validation.reporting import signature_report, timestamp_report
from signing.validation.scene import Scene
from signing.validation.timestamps import JudgedTimestamp, judge_timestamp
from signing.validation.trust import Trust

_WORST = (Indication.TOTAL_FAILED, Indication.INDETERMINATE, Indication.TOTAL_PASSED)


def judge(
    document: FoundDocument, trust: Trust, algorithms: AlgorithmPolicy, *, at: datetime, made_at: datetime
) -> ValidationReport:
    """The report for the time ``at``, made at ``made_at``; a signature that claims anything is believed nothing."""
    scene = Scene.of(trust, algorithms, at, made_at)
    _gather(document, scene)
    stamps = {each.identifier: _stamp(each, scene) for each in _all_stamps(document)}
    process_timestamps(stamps.values(), scene)
    signatures = tuple(_signature(each, document, stamps, scene) for each in document.signatures)
    return ValidationReport(
        kind=document.kind,
        name=document.name,
        length=document.length,
        sha256=document.sha256,
        at=at,
        made_at=made_at,
        indication=_worst(signatures),
        signatures=signatures,
        timestamps=tuple(_shown(stamps[each.identifier]) for each in document.timestamps),
        policy=PolicyShown(
            f"{algorithms.name} ({algorithms.version})", algorithms.sha256, trust.name, trust.sha256
        ),
        findings=document.findings,
    )


def _gather(document: FoundDocument, scene: Scene) -> None:
    scene.material.add(document.evidence)
    for signature in document.signatures:
        scene.material.add(signature.evidence)
        if signature.cms is not None:
            scene.material.add_certificates(signature.cms.certificates)
            if signature.cms.certificate is not None:
                scene.material.add_certificates([signature.cms.certificate])
    for stamp in _all_stamps(document):
        scene.material.add(stamp.evidence)


def _all_stamps(document: FoundDocument) -> Iterable[FoundTimestamp]:
    for signature in document.signatures:
        yield from signature.timestamps
    yield from document.timestamps


def _stamp(found: FoundTimestamp, scene: Scene) -> JudgedTimestamp:
    try:
        return judge_timestamp(found, scene)
    except Exception as error:
        # What others wrote can break whatever reads it; then it proves nothing.
        broken = _broken(error)
        return JudgedTimestamp(found, None, Basic(broken), broken, Checks())


def _signature(
    found: FoundSignature, document: FoundDocument, stamps: dict[str, JudgedTimestamp], scene: Scene
) -> SignatureReport:
    checks = Checks()
    try:
        stamped = _stamped(found, document, stamps, scene, checks)
        conclusion = conclude(stamped, scene, checks)
    except Exception as error:  # as above
        stamped, conclusion = Stamped(found.identifier, Basic(_broken(error)), ()), _broken(error)
    own = {each.found.identifier: each for each in stamped.stamps} | {
        each.identifier: stamps[each.identifier] for each in found.timestamps
    }
    return signature_report(found, document, stamped, tuple(own.values()), conclusion, scene, checks)


def _stamped(
    found: FoundSignature,
    document: FoundDocument,
    stamps: dict[str, JudgedTimestamp],
    scene: Scene,
    checks: Checks,
) -> Stamped:
    subject = Subject(
        found.cms,
        found.content,
        found.form,
        "signatures",
        found.claimed_time,
        (*document.findings, *found.findings, *_forbidden(found)),
    )
    basic = judge_basic(subject, scene, checks)
    covering = tuple(each for each in stamps.values() if found.identifier in each.found.covered.signatures)
    content = tuple(stamps[each.identifier] for each in found.timestamps if each.kind == "content")
    return Stamped(found.identifier, basic, covering, content)


def _forbidden(found: FoundSignature) -> tuple[Finding, ...]:
    """A change that the signature does not allow makes the file another than the signed one (decision 0096).

    Of a container the digests of its manifest say so themselves.
    """
    if found.form == "ASiC-E":
        return ()
    return tuple(
        Finding(each.code, f"not allowed after the signature: {each.detail}")
        for each in found.changes
        if not each.allowed
    )


def _broken(error: Exception) -> Conclusion:
    detail = f"it can't be judged: {type(error).__name__}"
    return indeterminate(SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE, detail)


def _shown(stamp: JudgedTimestamp) -> TimestampReport:
    return timestamp_report(stamp)


def _worst(signatures: tuple[SignatureReport, ...]) -> Indication:
    found = {each.indication for each in signatures}
    return next((each for each in _WORST if each in found), Indication.INDETERMINATE)
