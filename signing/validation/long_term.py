"""Validation with time stamps and long-term material (EN 319 102-1 §5.5), then with archive time stamps (§5.6).

The basic conclusion is looked at again at the best signature time, the earliest instant for which a valid time stamp
proves the signature. The time that a signer claims is never that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from signing.validation.basic import Basic, accept
from signing.validation.certificates import Instants, validate_path
from signing.validation.conclusion import PASSED, Checks, Conclusion, failed, indeterminate
from signing.validation.past import PAST, Past, may_have_passed, validate_past
from signing.validation.report import Indication, SubIndication
from signing.validation.scene import Scene
from signing.validation.timestamps import JudgedTimestamp

STAMPS, LONG_TERM = 7, 8
_OUT_OF_BOUNDS = frozenset({SubIndication.OUT_OF_BOUNDS_NO_POE, SubIndication.OUT_OF_BOUNDS_NOT_REVOKED})
_ARCHIVES = frozenset({"archive", "document", "container"})
# What §5.5.4 step 2 goes on with.
_OPEN = frozenset(
    {
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
        SubIndication.REVOKED_NO_POE,
        SubIndication.REVOKED_CA_NO_POE,
        SubIndication.TRY_LATER,
        SubIndication.OUT_OF_BOUNDS_NO_POE,
        SubIndication.OUT_OF_BOUNDS_NOT_REVOKED,
    }
)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A signature with the time stamps that cover it, and those over its content alone."""

    identifier: str
    basic: Basic
    stamps: tuple[JudgedTimestamp, ...]
    content_stamps: tuple[JudgedTimestamp, ...] = ()


def conclude(signature: Stamped, scene: Scene, checks: Checks) -> Conclusion:
    """The end of it, all proofs being gathered; no proof makes up for what the signature itself lacks."""
    found = _at_its_time(signature, scene, checks)
    return signature.basic.elements if found.passed else found


def _at_its_time(signature: Stamped, scene: Scene, checks: Checks) -> Conclusion:
    found = _before_content(signature, scene)
    if found is not signature.basic.conclusion:
        checks.conclude(STAMPS, "content-time-stamp", "EN 319 102-1 5.3.4", found)
    if not (found.passed or (found.indication is Indication.INDETERMINATE and found.sub in _OPEN)):
        if not (may_have_passed(found, is_signature=True) and _is_archived(signature)):
            return found
        return _past(signature, found, scene, checks)
    found = checks.conclude(
        LONG_TERM, "long-term", "EN 319 102-1 5.5.4", _at_best_time(signature, found, scene)
    )
    if found.passed or not may_have_passed(found, is_signature=True) or not _is_archived(signature):
        return found
    return _past(signature, found, scene, checks)


def _past(signature: Stamped, found: Conclusion, scene: Scene, checks: Checks) -> Conclusion:
    path = signature.basic.path
    assert path is not None
    past = Past(signature.identifier, path, signature.basic.uses)
    then = validate_past(past, found, scene)
    if then.passed:
        then = accept(signature.basic.uses, scene, scene.proofs.earliest(signature.identifier))
    return checks.conclude(PAST, "past", "EN 319 102-1 5.6.2.4", then)


def _is_archived(signature: Stamped) -> bool:
    return any(each.found.kind in _ARCHIVES for each in signature.stamps)


def _before_content(signature: Stamped, scene: Scene) -> Conclusion:
    """§5.3.4 steps 4 and 6: what was stamped before it was signed makes some doubts certain."""
    basic = signature.basic
    times = [each.time for each in signature.content_stamps if each.conclusion.passed and each.time]
    if not times or not basic.intact or basic.path is None:
        return basic.conclusion
    latest, sub = max(times), basic.conclusion.sub
    if sub is SubIndication.REVOKED_NO_POE:
        revoked_at = basic.conclusion.revoked_at
        if revoked_at is not None and latest > revoked_at:
            return failed(SubIndication.REVOKED, "the content was stamped after the revocation")
    ended = basic.path.links[0].certificate.not_valid_after_utc if basic.path.links else scene.at
    if sub in _OUT_OF_BOUNDS and latest > ended:
        return failed(SubIndication.EXPIRED, "the content was stamped after the end of the certificate")
    if sub is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE:
        weak = scene.algorithms.weakness(basic.uses, latest)
        if weak is not None:
            return indeterminate(SubIndication.CRYPTO_CONSTRAINTS_FAILURE, str(weak))
    return basic.conclusion


def _at_best_time(signature: Stamped, found: Conclusion, scene: Scene) -> Conclusion:
    valid = [each for each in signature.stamps if each.basic.intact and each.conclusion_today.passed]
    best = min((each.time for each in valid if each.time is not None), default=scene.at)
    best = min(best, scene.at)
    disorder = _disorder(valid, signature.content_stamps)
    compared = _compare(signature, found, best)
    if not compared.passed:
        return compared
    if disorder is not None:
        return disorder
    return _again(signature, best, scene) if valid and not found.passed else found


def _compare(signature: Stamped, found: Conclusion, best: datetime) -> Conclusion:
    """Step 4: the sub-indication of today against the best signature time."""
    path = signature.basic.path
    if path is None or not path.links:
        return PASSED if found.passed else found
    certificate = path.links[0].certificate
    if found.revoked_at is not None and found.revoked_at <= best:
        return found
    if best < certificate.not_valid_before_utc:
        return failed(SubIndication.NOT_YET_VALID, "the signature is older than its certificate")
    if found.sub is SubIndication.OUT_OF_BOUNDS_NO_POE:
        return found
    if best > certificate.not_valid_after_utc:
        if found.sub is SubIndication.OUT_OF_BOUNDS_NOT_REVOKED:
            return found
        return indeterminate(
            SubIndication.OUT_OF_BOUNDS_NOT_REVOKED, "the signature is not proven to be older than the end"
        )
    return PASSED


def _again(signature: Stamped, best: datetime, scene: Scene) -> Conclusion:
    """Steps 6 to 10, all of the path at the best signature time; its algorithms have to count today."""
    path = signature.basic.path
    assert path is not None
    accepted = accept(signature.basic.uses, scene, best)
    if not accepted.passed:
        return accepted
    return validate_path(path, scene, "signatures", Instants(best, best, scene.at))


def _disorder(valid: Sequence[JudgedTimestamp], before: Sequence[JudgedTimestamp]) -> Conclusion | None:
    """Step 4 e: a stamp over the content is not later than one over the signature, but for their accuracies."""
    for early in before:
        for late in valid:
            if not early.conclusion.passed or early.token is None or late.token is None:
                continue
            if early.token.time - early.token.accuracy > late.token.time + late.token.accuracy:
                return indeterminate(
                    SubIndication.TIMESTAMP_ORDER_FAILURE, "the content was stamped after the signature"
                )
    return None
