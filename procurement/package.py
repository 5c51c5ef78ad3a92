"""The stage package: everything that shows that the envelopes of one stage may be opened now.

Members' clients check it before they open a share, the custodian before it releases; neither believes the
server. The checks, cited where they run:

(1) the notice is signed, and the key set is judged as of its publication, as the bidders judged both;
(2) the key set is the notice's, countersigned by every member in it and by the custodian;
(3) the closing list is sealed by a service, rebuilt leaf by leaf, and its event is in the log under a
    checkpoint that a pinned witness cosigned after the last deadline and its grace;
(4) the session is the chair's, rests on that list and, after A, on the decision before; everyone present signed
    in without a conflict; the announced time of the price opening has come;
(5) for B and C the decision before is signed by a majority of those present then, over the record given;
(6) the envelopes of the session are exactly the eligible ones;
(7) each submission's seal, time stamp, manifest and headers belong to each other, the list and the notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel.canonical import from_base64, parse_canonical, sha256_hex
from kernel.clock import parse_utc
from pki.trust import TrustStore
from procurement.opening_session import (
    MAX_DOCUMENT_BYTES,
    PackageRefused,
    PreviousStage,
    Session,
    checking,
    read_previous,
    read_session,
    require_majority,
    unpacked,
)
from procurement.published import (
    ClosingList,
    PublishedNotice,
    read_closing_list,
    read_key_set,
    read_notice,
    verify_event,
)
from procurement.rules.events import SubmissionClosed
from procurement.rules.notice import KINDS
from sealing.envelope import EnvelopeHeader
from sealing.key_set import KeySet
from sealing.manifest import Manifest, verify_seal

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "CheckedSubmission",
    "PackageRefused",
    "PreviousStage",
    "Session",
    "StagePackage",
    "require_majority",
    "verify_stage_package",
]
MAX_SHARE_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class CheckedSubmission:
    """A submission whose seal and headers hold; ``share`` is the caller's own blob, not opened yet."""

    manifest_digest: str
    manifest: Manifest
    sealed_at: datetime
    headers: Mapping[str, EnvelopeHeader]
    share: bytes


@dataclass(frozen=True, slots=True)
class StagePackage:
    """A package that passed every check."""

    tender: str
    stage: str
    notice: PublishedNotice
    key_set: KeySet
    key_set_digest: str
    closing_list: ClosingList
    session: Session
    previous: PreviousStage | None
    submissions: tuple[CheckedSubmission, ...]
    cosigned_at: datetime


def verify_stage_package(
    package: Mapping[str, Any],
    *,
    trust: TrustStore,
    log_vkey: str,
    witness_vkeys: Sequence[str],
    now: datetime,
    kind: str,
) -> StagePackage:
    """Make checks (1) to (7) on a package for the stage ``kind``; raises PackageRefused and nothing else."""
    with checking(1):
        notice = _notice(package, trust, now)
    with checking(2):
        key_set = _key_set(package, notice, trust)
    with checking(3):
        closing_list, cosigned_at = _closing_list(package, notice, trust, log_vkey, witness_vkeys, now)
    with checking(4):
        session = read_session(package, kind, notice, closing_list, trust, now)
    with checking(5):
        previous = read_previous(package, kind, notice.notice, session, trust, now)
    with checking(6):
        _require_eligible(session, closing_list, previous)
    with checking(7):
        submissions = _submissions(package, session, closing_list, notice, key_set, trust, now)
    return StagePackage(
        tender=notice.notice.tender,
        stage=kind,
        notice=notice,
        key_set=key_set,
        key_set_digest=notice.notice.key_set_digest,
        closing_list=closing_list,
        session=session,
        previous=previous,
        submissions=submissions,
        cosigned_at=cosigned_at,
    )


def _notice(package: Mapping[str, Any], trust: TrustStore, now: datetime) -> PublishedNotice:
    """(1) As of publication: an officer who has left since does not close the bids of others for ever.

    Nothing is lost by it: every manifest names the notice by its digest, and every bidder judged it anew.
    """
    wire = package["notice"]
    document = unpacked(wire["document"])
    published_at = parse_utc(parse_canonical(document)["published_at"])
    if published_at > now:
        raise PackageRefused(1, "the notice is dated in the future")
    return read_notice(document, unpacked(wire["signature"]), trust, now=published_at)


def _key_set(package: Mapping[str, Any], notice: PublishedNotice, trust: TrustStore) -> KeySet:
    """(2) As of publication, for the same reason."""
    terms = notice.notice
    return read_key_set(package["key_set"], trust, notice=terms, now=terms.published_at)


def _closing_list(
    package: Mapping[str, Any],
    notice: PublishedNotice,
    trust: TrustStore,
    log_vkey: str,
    witness_vkeys: Sequence[str],
    now: datetime,
) -> tuple[ClosingList, datetime]:
    """(3)"""
    wire = package["closing_list"]
    closing_list = read_closing_list(
        unpacked(wire["document"]), unpacked(wire["signature"]), trust, notice=notice, now=now
    )
    proven = verify_event(
        unpacked(wire["event"]),
        wire["proof"],
        fact=SubmissionClosed,
        tender=notice.notice.tender,
        digest=closing_list.digest,
        log_vkey=log_vkey,
        witness_vkeys=witness_vkeys,
    )
    # A cosignature names whole seconds.
    if proven.cosigned_at < notice.closes_at.replace(microsecond=0):
        raise PackageRefused(3, "the checkpoint was cosigned before the deadline and its grace had ended")
    if now < notice.closes_at:
        raise PackageRefused(3, "by this clock the deadline and its grace have not ended")
    return closing_list, proven.cosigned_at


def _require_eligible(session: Session, closing_list: ClosingList, previous: PreviousStage | None) -> None:
    """(6)"""
    eligible = {str(act.manifest_digest) for act in closing_list.listed}
    if previous is not None:
        eligible &= previous.accepted
    if set(session.manifests) != eligible:
        raise PackageRefused(
            6,
            "the session's envelopes are not exactly the eligible ones",
            unexpected=sorted(set(session.manifests) - eligible)[:20],
            left_out=sorted(eligible - set(session.manifests))[:20],
        )


def _submissions(
    package: Mapping[str, Any],
    session: Session,
    closing_list: ClosingList,
    notice: PublishedNotice,
    key_set: KeySet,
    trust: TrustStore,
    now: datetime,
) -> tuple[CheckedSubmission, ...]:
    """(7)"""
    given = {entry["manifest_digest"]: entry for entry in package["submissions"]}
    if len(given) != len(package["submissions"]) or set(given) != set(session.manifests):
        raise PackageRefused(7, "the submissions are not those of the session")
    return tuple(
        _submission(given[digest], closing_list, notice, key_set, trust, now) for digest in session.manifests
    )


def _submission(
    entry: Mapping[str, Any],
    closing_list: ClosingList,
    notice: PublishedNotice,
    key_set: KeySet,
    trust: TrustStore,
    now: datetime,
) -> CheckedSubmission:
    manifest_bytes, seal = unpacked(entry["manifest"]), unpacked(entry["seal"])
    digest = sha256_hex(manifest_bytes)
    act = closing_list.find(digest)
    if digest != entry["manifest_digest"] or act is None or act.digest != sha256_hex(seal):
        raise PackageRefused(7, "manifest or seal is not the one in the closing list", manifest=digest)
    headers = {str(kind): unpacked(header) for kind, header in entry["headers"].items()}
    if set(headers) != set(KINDS):
        raise PackageRefused(7, "a submission has three headers", manifest=digest)
    report = verify_seal(manifest_bytes, seal, headers, trust, now=now, party=act.bidder)
    manifest = report.manifest
    if report.sealed_at > notice.notice.submission_deadline:
        raise PackageRefused(7, "sealed after the deadline", manifest=digest)
    context = (manifest.notice_digest, manifest.tender, manifest.key_set_digest)
    if context != (notice.digest, notice.notice.tender, notice.notice.key_set_digest):
        raise PackageRefused(7, "sealed for another notice, tender or key set", manifest=digest)
    listed = (act.lot, act.bidder, act.submission_number)
    if (manifest.lot, manifest.bidder, manifest.submission_number) != listed:
        raise PackageRefused(7, "lot, bidder or number differ from the closing list", manifest=digest)
    if any(len(header.shares) != len(key_set.members) + 1 for header in report.headers.values()):
        raise PackageRefused(7, "a header has not one share for each holder of a key", manifest=digest)
    share = from_base64(entry["share"], max_bytes=MAX_SHARE_BYTES)
    return CheckedSubmission(digest, manifest, report.sealed_at, report.headers, share)
