"""X.509 certificate validation (EN 319 102-1 §5.2.6): path, rules of use, revocation, freshness, algorithms, dates.

The path is built and checked by ``pki.path_validation``; what depends on time is judged here, by the shell model: every
certificate below the anchor at the same instant. The checks run in this order, the signer's certificate first, and the
first that fails decides:

(1) a path to an anchor of this use, trusted at the instant; (2) what the certificate may be used for; (3) revocation
information is at hand and counts; (4) not revoked, not suspended; (5) the algorithms count; (6) the certificate is
within its dates, and so is who signed the revocation information; (7) that information is fresh. Freshness comes last,
so that a stale list never hides that a certificate was over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.algorithms import der_of
from pki.names import written_name
from pki.path_validation import PathMissing, PathRefused, find_prospective_path
from signing.validation.conclusion import PASSED, Conclusion, indeterminate
from signing.validation.report import SubIndication
from signing.validation.revocation import Status, decisive, is_at_hand, statuses
from signing.validation.scene import Scene
from signing.validation.signature_values import AlgorithmUse, ValueRefused, use_of_signed
from signing.validation.trust import Anchor, Use

ExtensionKind = TypeVar("ExtensionKind", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Link:
    """A certificate below the anchor, who issued it, and what is known of its revocation, the newest first."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    statuses: tuple[Status, ...]
    at_hand: bool

    @property
    def status(self) -> Status | None:
        return decisive(self.statuses)

    @property
    def uses(self) -> tuple[AlgorithmUse, ...]:
        """How the issuer signed it."""
        try:
            return (use_of_signed(self.issuer, self.certificate),)
        except ValueRefused:
            return (AlgorithmUse("unknown"),)


@dataclass(frozen=True, slots=True)
class Path:
    """From the signer's certificate to the anchor; ``links`` without the anchor, empty when the signer is one.

    ``conclusion`` is about being there and being allowed, (1) and (2); no links and no anchor where there is no path.
    """

    links: tuple[Link, ...]
    anchor: Anchor | None
    conclusion: Conclusion

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        found = tuple(each.certificate for each in self.links)
        return found if self.anchor is None else (*found, self.anchor.certificate)

    def vouches(self, status: Status, at: datetime) -> bool:
        """Whether who signed it is within its dates and not revoked; of an anchor the trust alone says the dates."""
        if status.signer_revoked_at is not None:
            return False
        if self.anchor is not None and status.signer == self.anchor.certificate:
            return True
        return status.signer.not_valid_before_utc <= at <= status.signer.not_valid_after_utc


def path_of(certificate: x509.Certificate, scene: Scene, use: Use) -> Path:
    """Steps (1) and (2), with the revocation information of each link; the same for each call of one judgement."""
    key = (der_of(certificate), use)
    known = scene.kept.get(key)
    if not isinstance(known, Path):
        known = scene.kept[key] = _path(certificate, scene, use)
    return known


@dataclass(frozen=True, slots=True)
class Instants:
    """When a path is judged: its dates and revocation, the freshness of what is known, and its algorithms."""

    at: datetime
    fresh: datetime
    algorithms: datetime


def validate_path(path: Path, scene: Scene, use: Use, instants: Instants) -> Conclusion:
    """Steps (1) to (7) at those instants."""
    if not path.conclusion.passed:
        return path.conclusion
    for link in path.links:
        found = _validate_link(link, path, scene, use, instants)
        if not found.passed:
            return found
    return PASSED


def names(certificate: x509.Certificate) -> str:
    """The subject, for a detail."""
    return written_name(certificate.subject)


def _path(certificate: x509.Certificate, scene: Scene, use: Use) -> Path:
    anchors = scene.trust.anchors_for(use)
    trusted = [each for each in anchors if each.counts(scene.at)]
    over = [each for each in anchors if each.begun(scene.at) and not each.counts(scene.at)]
    try:
        return _built(certificate, scene, use, trusted, PASSED)
    except PathMissing as error:
        missing = indeterminate(SubIndication.NO_CERTIFICATE_CHAIN_FOUND, str(error))
    except PathRefused as error:
        return Path((), None, indeterminate(SubIndication.CHAIN_CONSTRAINTS_FAILURE, str(error)))
    try:
        detail = "the trust anchor is no longer trusted at that time"
        ended = indeterminate(SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE, detail)
        return _built(certificate, scene, use, over, ended)
    except (PathMissing, PathRefused):
        return Path((), None, missing)


def _built(
    certificate: x509.Certificate, scene: Scene, use: Use, anchors: Sequence[Anchor], conclusion: Conclusion
) -> Path:
    own = next((each for each in anchors if each.certificate == certificate), None)
    if own is not None:
        return Path((), own, conclusion)
    if not anchors:
        raise PathMissing("no trust anchor counts for this use at this time")
    found = find_prospective_path(
        certificate,
        scene.material.above(certificate),
        [each.certificate for each in anchors],
        _moments(certificate, scene.at),
    )
    chain = tuple(reversed(found))
    anchor = next(each for each in anchors if each.certificate == chain[-1])
    links = tuple(_link(subject, issuer, scene, anchor) for subject, issuer in pairwise(chain))
    return Path(links, anchor, _allowed(links, use) if conclusion.passed else conclusion)


def _moments(certificate: x509.Certificate, at: datetime) -> list[datetime]:
    # §5.2.6.4 leaves the signer's own dates out, §5.6.2.1 takes a date at which all of the path were valid.
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return [*([at] if starts <= at <= ends else []), ends, starts]


def _link(subject: x509.Certificate, issuer: x509.Certificate, scene: Scene, anchor: Anchor) -> Link:
    def path_of(candidate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        key = (der_of(candidate), der_of(anchor.certificate))
        known = scene.kept.get(key)
        if not isinstance(known, tuple):
            known = scene.kept[key] = _path_to(candidate, anchor, scene)
        return known

    known = tuple(
        statuses(
            subject,
            issuer,
            scene.material,
            now=scene.now,
            path_of=path_of,
            responders=scene.responders(),
        )
    )
    return Link(subject, issuer, known, bool(known) or is_at_hand(subject, scene.material))


def _path_to(candidate: x509.Certificate, anchor: Anchor, scene: Scene) -> tuple[x509.Certificate, ...]:
    others, moments = scene.material.above(candidate), _moments(candidate, candidate.not_valid_after_utc)
    try:
        return find_prospective_path(candidate, others, [anchor.certificate], moments)[::-1]
    except (PathMissing, PathRefused):
        return ()


def _allowed(links: Sequence[Link], use: Use) -> Conclusion:
    # (2) of authorities the path validation has looked at basicConstraints and keyUsage already.
    if not links:
        return PASSED
    signer = links[0].certificate
    try:
        if _extension(signer, x509.OCSPNoCheck) is not None:
            detail = "the certificate is made for OCSP answers, and nobody tells of its revocation"
            return indeterminate(SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE, detail)
        problem = _timestamping_problem(signer) if use == "timestamps" else _signing_problem(signer)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        problem = str(error) or "the extensions of the certificate can't be read"
    if problem is not None:
        return indeterminate(SubIndication.CHAIN_CONSTRAINTS_FAILURE, problem)
    return PASSED


def _signing_problem(certificate: x509.Certificate) -> str | None:
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not (usage.value.digital_signature or usage.value.content_commitment):
        return "the certificate is not for signatures"
    return None


def _timestamping_problem(certificate: x509.Certificate) -> str | None:
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    # RFC 3161 §2.3: this purpose alone, critical.
    if (
        purposes is None
        or set(purposes.value) != {ExtendedKeyUsageOID.TIME_STAMPING}
        or not purposes.critical
    ):
        return "the certificate is not for time stamps alone"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not (usage.value.digital_signature or usage.value.content_commitment):
        return "the key of the certificate is not for signatures"
    return None


def _extension(
    certificate: x509.Certificate, kind: type[ExtensionKind]
) -> x509.Extension[ExtensionKind] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _validate_link(link: Link, path: Path, scene: Scene, use: Use, instants: Instants) -> Conclusion:
    # Of authorities above a time-stamping one, revocation information is looked at where it is there.
    is_signer = link is path.links[0]
    needed = is_signer or use == "signatures"
    status = link.status
    if status is None and needed:
        return _no_information(link)  # (3)
    if status is not None:
        found = _judge_status(status, link, instants.at, is_signer=is_signer)
        if not found.passed:
            return found  # (4)
    used = (*link.uses, *(status.uses if status is not None else ()))
    weak = scene.algorithms.weakness(used, instants.algorithms)
    if weak is not None:  # (5)
        return indeterminate(
            SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE, f"{weak} ({names(link.certificate)})"
        )
    found = _judge_dates(link, path, instants.at)  # (6)
    if found.passed and needed and status is not None and not status.fresh(instants.fresh):
        return _stale(link, status)  # (7)
    return found


def _no_information(link: Link) -> Conclusion:
    what = (
        "none of the revocation information counts" if link.at_hand else "there is no revocation information"
    )
    detail = f"{what} for {names(link.certificate)}"
    return indeterminate(SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE, detail)


def _judge_status(status: Status, link: Link, at: datetime, *, is_signer: bool) -> Conclusion:
    if not status.revoked(at):
        return PASSED
    when = f"since {status.revoked_at:%Y-%m-%d %H:%M:%S} UTC ({status.reason})"
    if status.held:
        found = indeterminate(SubIndication.TRY_LATER, f"{names(link.certificate)} is suspended {when}")
    elif is_signer:
        found = indeterminate(SubIndication.REVOKED_NO_POE, f"{names(link.certificate)} is revoked {when}")
    else:
        found = indeterminate(SubIndication.REVOKED_CA_NO_POE, f"{names(link.certificate)} is revoked {when}")
    return replace(found, revoked_at=status.revoked_at, held=status.held)


def _stale(link: Link, status: Status) -> Conclusion:
    issued = f"{status.this_update:%Y-%m-%d %H:%M:%S} UTC"
    detail = f"the revocation information of {names(link.certificate)}, issued {issued}, is not fresh"
    return indeterminate(SubIndication.TRY_LATER, detail)


def _judge_dates(link: Link, path: Path, at: datetime) -> Conclusion:
    certificate, status = link.certificate, link.status
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not starts <= at <= ends:
        known = status is not None and path.vouches(status, at)
        sub = SubIndication.OUT_OF_BOUNDS_NOT_REVOKED if known else SubIndication.OUT_OF_BOUNDS_NO_POE
        return indeterminate(
            sub, f"{names(certificate)} is valid from {starts:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S}"
        )
    if status is not None and not path.vouches(status, at):
        return indeterminate(
            SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE,
            f"{names(status.signer)}, who signed the revocation information, is not valid at that time, or revoked",
        )
    return PASSED
