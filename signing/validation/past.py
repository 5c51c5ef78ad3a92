"""Past validation (EN 319 102-1 §5.6): what could not be trusted today, but was proven while it could.

Time stamps are taken from the newest to the oldest. One that holds proves that what it covers existed at its time; with
such a proof an older one, whose certificate is over or revoked or whose algorithms no longer count, is judged in the
past. Then the signature itself is. The control time (§5.6.2.2) slides back from today: to a revocation, to the issue of
information that is too old, to the end of an algorithm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from pki.algorithms import der_of
from signing.validation.basic import accept
from signing.validation.certificates import Link, Path
from signing.validation.conclusion import PASSED, Conclusion, failed, indeterminate
from signing.validation.report import Indication, SubIndication
from signing.validation.revocation import Status, decisive
from signing.validation.scene import Scene
from signing.validation.signature_values import AlgorithmUse
from signing.validation.timestamps import JudgedTimestamp

PAST = 9
# What proofs may overcome (§5.6.2.4); of time stamps and of signatures.
_OF_TIMESTAMPS = frozenset(
    {
        SubIndication.REVOKED_NO_POE,
        SubIndication.REVOKED_CA_NO_POE,
        SubIndication.OUT_OF_BOUNDS_NO_POE,
        SubIndication.OUT_OF_BOUNDS_NOT_REVOKED,
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
        SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE,
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE,
    }
)
_OF_SIGNATURES = _OF_TIMESTAMPS | {SubIndication.TRY_LATER}


@dataclass(frozen=True, slots=True)
class Past:
    """What is judged in the past: ``uses`` are the algorithms of its value, ``path`` that of its signer."""

    identifier: str
    path: Path
    uses: Sequence[AlgorithmUse]


def may_have_passed(conclusion: Conclusion, *, is_signature: bool) -> bool:
    """Whether proofs of existence could change it."""
    overcome = _OF_SIGNATURES if is_signature else _OF_TIMESTAMPS
    return conclusion.indication is Indication.INDETERMINATE and conclusion.sub in overcome


def process_timestamps(stamps: Iterable[JudgedTimestamp], scene: Scene) -> None:
    """Newest first (§5.6.3.4 step 5): what each proves goes to the proofs; past validation may set its conclusion."""
    read = [each for each in stamps if each.time is not None]
    # Of two of one instant the later one in the file covers the earlier, and goes first.
    backwards = list(reversed(read))
    for stamp in sorted(backwards, key=lambda each: each.time or scene.at, reverse=True):
        if stamp.conclusion.passed or _passed_once(stamp, scene):
            _prove(stamp, scene)


def _prove(stamp: JudgedTimestamp, scene: Scene) -> None:
    known = scene.proofs.earliest(stamp.found.identifier)
    counts = accept(stamp.imprint_use, scene, known)
    if not counts.passed:
        stamp.conclusion = stamp.checks.conclude(PAST, "imprint-algorithm", "EN 319 102-1 5.6.2.3", counts)
        return
    assert stamp.time is not None
    scene.proofs.add(stamp.found.covered, stamp.time)


def _passed_once(stamp: JudgedTimestamp, scene: Scene) -> bool:
    path = stamp.basic.path
    if not stamp.basic.intact or path is None or not may_have_passed(stamp.conclusion, is_signature=False):
        return False
    past = Past(stamp.found.identifier, path, stamp.basic.uses)
    found = validate_past(past, stamp.conclusion, scene)
    if found.passed:
        found = accept(stamp.basic.uses, scene, scene.proofs.earliest(stamp.found.identifier))
    stamp.conclusion = stamp.checks.conclude(PAST, "past", "EN 319 102-1 5.6.2.4", found)
    return found.passed


def validate_past(past: Past, current: Conclusion, scene: Scene) -> Conclusion:
    """Past signature validation (§5.6.2.4); ``current`` is what was concluded for today."""
    best = scene.proofs.earliest(past.identifier)
    counting, known = _proven_statuses(past.path, scene)
    control = control_time(past.path, counting, best, scene)
    if control is None:
        return current  # step 2
    found = _overcome(past, current, best, control, counting, scene)  # steps 3 to 6
    if found.passed:
        found = _alive_then(past.path, best, current)
    return found if not found.passed else known  # step 7


def _proven_statuses(path: Path, scene: Scene) -> tuple[tuple[Status, ...], Conclusion]:
    # Step 1: information about the signer whose own signer was proven to exist while it was valid.
    if not path.links:
        return (), PASSED
    statuses = path.links[0].statuses
    proven = tuple(each for each in statuses if _proven_while_valid(each, path, scene))
    if proven:
        return proven, PASSED
    detail = "who signed the revocation information was not proven to be valid then"
    return statuses, indeterminate(SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE, detail)


def _proven_while_valid(status: Status, path: Path, scene: Scene) -> bool:
    signer = status.signer
    if not _older_than_revoked(status, scene):
        return False
    if path.anchor is not None and signer == path.anchor.certificate:
        return True
    known = scene.proofs.earliest(_digest(signer))
    return signer.not_valid_before_utc <= known <= signer.not_valid_after_utc


def control_time(path: Path, of_signer: Sequence[Status], best: datetime, scene: Scene) -> datetime | None:
    """Validation time sliding (§5.6.2.2), from below the anchor down to the signer; None: there is no proof (NO_POE).

    Information is too old when it was not fresh at ``best``, when the signature is proven to have existed: asked
    against the control time itself, every list that was gathered when signing would be.
    """
    control = scene.at
    if path.anchor is not None and path.anchor.until is not None:
        control = min(control, path.anchor.until)
    for link in reversed(path.links):
        statuses = of_signer if link is path.links[0] else link.statuses
        status = decisive(each for each in statuses if _known_by(each, link, control, scene))
        if status is None:
            return None
        if status.revoked(control):
            assert status.revoked_at is not None
            control = min(control, status.revoked_at)
        elif not status.fresh(min(best, control)):
            control = min(control, status.this_update)
        weak = scene.algorithms.weakness((*link.uses, *status.uses), control)
        if weak is not None:
            if weak.until is None:
                return None
            control = min(control, weak.until)
    return control


def _known_by(status: Status, link: Link, control: datetime, scene: Scene) -> bool:
    known = scene.proofs.latest_of((_digest(link.certificate), *status.digests))
    return status.this_update <= control and known <= control and _older_than_revoked(status, scene)


def _older_than_revoked(status: Status, scene: Scene) -> bool:
    """Whether it is proven to be from before its own signer was revoked."""
    return (
        status.signer_revoked_at is None or scene.proofs.latest_of(status.digests) < status.signer_revoked_at
    )


def _overcome(
    past: Past,
    current: Conclusion,
    best: datetime,
    control: datetime,
    counting: Sequence[Status],
    scene: Scene,
) -> Conclusion:
    if best > control:
        return current
    sub = current.sub
    if sub is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE:  # step 4
        return _counted_then(past, best, counting, current, scene)
    if sub is SubIndication.TRY_LATER and not current.held:  # step 5
        fresh = bool(counting) and counting[0].fresh(best)
        return PASSED if fresh else current
    if sub is SubIndication.REVOKED_CA_NO_POE:  # step 3, the fourth case
        known = [scene.proofs.latest_of(each.digests) for each in counting]
        if current.revoked_at is None or not known or min(known) > current.revoked_at:
            return current
    return PASSED if may_have_passed(current, is_signature=True) else current


def _alive_then(path: Path, best: datetime, current: Conclusion) -> Conclusion:
    """Step 3 (a) to (c), for whatever was overcome: every certificate of the path was within its dates at ``best``."""
    for link in path.links:
        starts, ends = link.certificate.not_valid_before_utc, link.certificate.not_valid_after_utc
        if best < starts:
            return failed(SubIndication.NOT_YET_VALID, "the signature is older than its certificate")
        if best > ends:
            kept = current.sub in (
                SubIndication.OUT_OF_BOUNDS_NO_POE,
                SubIndication.OUT_OF_BOUNDS_NOT_REVOKED,
            )
            return (
                current
                if kept
                else indeterminate(
                    SubIndication.OUT_OF_BOUNDS_NOT_REVOKED,
                    "the signature is not proven to be older than the end",
                )
            )
    return PASSED


def _counted_then(
    past: Past, best: datetime, counting: Sequence[Status], current: Conclusion, scene: Scene
) -> Conclusion:
    # Each material at the time for which it is proven.
    if not accept(past.uses, scene, best).passed:
        return current
    for link in past.path.links:
        known = scene.proofs.earliest(_digest(link.certificate))
        statuses = counting if link is past.path.links[0] else link.statuses
        status = decisive(statuses)
        if scene.algorithms.weakness(link.uses, known) is not None:
            return current
        if status is not None and scene.algorithms.weakness(
            status.uses, scene.proofs.latest_of(status.digests)
        ):
            return current
    return PASSED


def _digest(certificate: x509.Certificate) -> bytes:
    return hashlib.sha256(der_of(certificate)).digest()
