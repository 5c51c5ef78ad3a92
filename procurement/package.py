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

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel.canonical import from_base64, parse_canonical, sha256_hex
from kernel.clock import parse_utc
from kernel.errors import DomainError
from pki.trust import TrustStore
from procurement.published import (
    ClosingList,
    PublishedNotice,
    Signed,
    read_closing_list,
    read_key_set,
    read_notice,
    read_signed,
    require_service,
    verify_event,
)
from procurement.rules.aggregate import PREVIOUS_STAGE
from procurement.rules.commission import has_majority, head_of, seat_of
from procurement.rules.events import SubmissionClosed
from procurement.rules.facts import OpeningResult, Verdict
from procurement.rules.notice import KINDS, Notice
from sealing.envelope import EnvelopeHeader
from sealing.key_set import KeySet
from sealing.manifest import Manifest, verify_seal
from signing.cms import verify_detached

MAX_DOCUMENT_BYTES = 32 << 20
MAX_SHARE_BYTES = 16 << 10

CHECKS = {
    1: "notice",
    2: "key-set",
    3: "closing-list",
    4: "session",
    5: "decision",
    6: "eligible",
    7: "submission",
}


class PackageRefused(DomainError):
    """The package does not show that its envelopes may be opened; ``check`` is the number and name of the check."""

    code = "package-refused"

    def __init__(self, check: int, detail: str, **fields: Any) -> None:
        super().__init__(detail, check=f"{check} {CHECKS[check]}", **fields)
        self.check = check


@dataclass(frozen=True, slots=True)
class Session:
    """The chair's session document: who is present, which envelopes are to be opened, resting on what."""

    digest: str
    present: tuple[str, ...]
    manifests: tuple[str, ...]
    decision_digest: str | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class PreviousStage:
    """The stage before: its session, its record (a digest, and the release it rests on), and what was accepted."""

    stage: str
    session_digest: str
    record_digest: str
    release_digest: str
    decision_digest: str
    accepted: frozenset[str]


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
    with _check(1):
        notice = _notice(package, trust, now)
    with _check(2):
        key_set = _key_set(package, notice, trust)
    with _check(3):
        closing_list, cosigned_at = _closing_list(package, notice, trust, log_vkey, witness_vkeys, now)
    with _check(4):
        session = _session(package, kind, notice, closing_list, trust, now)
    with _check(5):
        previous = _previous(package, kind, notice.notice, session, trust, now)
    with _check(6):
        _require_eligible(session, closing_list, previous)
    with _check(7):
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


@contextmanager
def _check(number: int) -> Iterator[None]:
    """Whatever goes wrong inside, malformed input included, refuses the package and names this check."""
    try:
        yield
    except PackageRefused:
        raise
    except DomainError as error:
        raise PackageRefused(number, error.detail, cause=error.code) from error
    except (KeyError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise PackageRefused(number, "a part of the package is missing or malformed") from error


def _bytes(value: Any) -> bytes:
    return from_base64(value, max_bytes=MAX_DOCUMENT_BYTES)


def _notice(package: Mapping[str, Any], trust: TrustStore, now: datetime) -> PublishedNotice:
    """(1) As of publication: an officer who has left since does not close the bids of others for ever.

    Nothing is lost by it: every manifest names the notice by its digest, and every bidder judged it anew.
    """
    wire = package["notice"]
    document = _bytes(wire["document"])
    published_at = parse_utc(parse_canonical(document)["published_at"])
    if published_at > now:
        raise PackageRefused(1, "the notice is dated in the future")
    return read_notice(document, _bytes(wire["signature"]), trust, now=published_at)


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
        _bytes(wire["document"]), _bytes(wire["signature"]), trust, notice=notice, now=now
    )
    proven = verify_event(
        _bytes(wire["event"]),
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


def _signed(
    wire: Mapping[str, Any], type_: str, trust: TrustStore, now: datetime, party: str | None = None
) -> Signed:
    return read_signed(
        _bytes(wire["document"]),
        _bytes(wire["signature"]),
        trust,
        type_=type_,
        now=now,
        party=party,
        max_bytes=MAX_DOCUMENT_BYTES,
    )


def _session(
    package: Mapping[str, Any],
    kind: str,
    notice: PublishedNotice,
    closing_list: ClosingList,
    trust: TrustStore,
    now: datetime,
) -> Session:
    """(4)"""
    terms = notice.notice
    session = _read_session(package["session"], kind, terms, closing_list.digest, trust, now)
    if len(session.present) < terms.quorum:
        raise PackageRefused(4, "fewer are present than the quorum")
    signed_in = set()
    for wire in package["attendances"]:
        attendance = _signed(wire, "mohr/attendance/v1", trust, now)
        value = attendance.document
        about = (value["tender"], value["stage"], value["party"])
        if about == (terms.tender, kind, attendance.party) and value["conflict"] is False:
            signed_in.add(attendance.party)
    missing = sorted(set(session.present) - signed_in)
    if missing:
        raise PackageRefused(4, "somebody present did not sign in without a conflict", parties=missing)
    if kind == "C" and terms.price_opening_at is not None and now < terms.price_opening_at:
        raise PackageRefused(4, "the announced time of the price opening has not come")
    return session


def _read_session(
    wire: Mapping[str, Any], kind: str, notice: Notice, list_digest: str, trust: TrustStore, now: datetime
) -> Session:
    signed = _signed(wire, "mohr/opening-session/v1", trust, now, party=head_of(notice.commission))
    value = signed.document
    if (value["tender"], value["stage"]) != (notice.tender, kind):
        raise PackageRefused(4, "the session is for another tender or stage")
    if value["closing_list_digest"] != list_digest:
        raise PackageRefused(4, "the session rests on another closing list")
    present, manifests = tuple(value["present"]), tuple(value["manifests"])
    if len(set(present)) != len(present) or len(set(manifests)) != len(manifests):
        raise PackageRefused(4, "the session names somebody or something twice")
    if any(seat_of(notice.commission, party) in (None, "observer") for party in present):
        raise PackageRefused(4, "somebody without a vote is named as present")
    return Session(signed.digest, present, manifests, value["decision_digest"], parse_utc(value["opened_at"]))


def _previous(
    package: Mapping[str, Any],
    kind: str,
    notice: Notice,
    session: Session,
    trust: TrustStore,
    now: datetime,
) -> PreviousStage | None:
    """(5)"""
    before = PREVIOUS_STAGE[kind]
    if before is None:
        if session.decision_digest is not None:
            raise PackageRefused(5, "a session of stage A rests on no decision")
        return None
    list_digest = sha256_hex(_bytes(package["closing_list"]["document"]))
    held = _read_session(package["previous_session"], before, notice, list_digest, trust, now)
    record = _record(package["previous_record"], before, notice, held, trust, now)
    decision, verdicts = _decision(package["previous_decision"], before, notice, held, trust, now)
    if decision["record_digest"] != record.digest:
        raise PackageRefused(5, "the decision is about another record")
    results = {r.manifest_digest: r for r in map(OpeningResult.parse, record.document["results"])}
    if sorted(results) != sorted(held.manifests):
        raise PackageRefused(5, "the record is not about the envelopes of its session")
    if sorted(verdict.manifest_digest for verdict in verdicts) != sorted(results):
        raise PackageRefused(5, "the decision does not name every envelope of the record once")
    accepted = frozenset(verdict.manifest_digest for verdict in verdicts if verdict.accepted)
    if any(results[digest].outcome != "opened" for digest in accepted):
        raise PackageRefused(5, "the decision accepts an envelope that was not opened")
    digest = sha256_hex(_bytes(package["previous_decision"]["document"]))
    if session.decision_digest != digest:
        raise PackageRefused(5, "the session rests on another decision")
    release_digest = str(record.document["release_digest"])
    return PreviousStage(before, held.digest, record.digest, release_digest, digest, accepted)


def _record(
    wire: Mapping[str, Any], stage: str, notice: Notice, held: Session, trust: TrustStore, now: datetime
) -> Signed:
    """The record of the stage before, sealed by a service; whose signatures follow is the minutes' matter."""
    for party, signature in wire["signatures"].items():
        if seat_of(notice.commission, party) is not None:
            continue
        one = {"document": wire["document"], "signature": signature}
        signed = _signed(one, "mohr/opening-record/v1", trust, now, party=party)
        require_service(signed.certificate)
        value = signed.document
        about = (value["tender"], value["stage"], value["session_digest"])
        if about != (notice.tender, stage, held.digest):
            raise PackageRefused(5, "the record is about another session")
        return signed
    raise PackageRefused(5, "the record is not sealed by the server")


def _decision(
    wire: Mapping[str, Any], stage: str, notice: Notice, held: Session, trust: TrustStore, now: datetime
) -> tuple[dict[str, Any], list[Verdict]]:
    document = _bytes(wire["document"])
    value = parse_canonical(document, max_bytes=MAX_DOCUMENT_BYTES)
    if (value["type"], value["tender"], value["stage"]) != ("mohr/decision/v1", notice.tender, stage):
        raise PackageRefused(5, "the decision is for another tender or stage")
    require_majority(document, wire["signatures"], notice, held.present, trust, now, check=5)
    return value, [Verdict.parse(result) for result in value["results"]]


def require_majority(
    document: bytes,
    signatures: Mapping[str, str],
    notice: Notice,
    present: Sequence[str],
    trust: TrustStore,
    now: datetime,
    *,
    check: int,
) -> tuple[str, ...]:
    """Those whose valid signature (base64, by party) counts; raises PackageRefused unless they are a majority.

    A signature that does not verify is not counted; it cannot make the others less.
    """
    signers = []
    for party, signature in signatures.items():
        try:
            verify_detached(document, _bytes(signature), trust, now=now, party=party)
        except DomainError:
            continue
        signers.append(party)
    if not has_majority(notice.commission, present, signers):
        raise PackageRefused(check, "no majority of the members present has signed", signers=sorted(signers))
    return tuple(signers)


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
    manifest_bytes, seal = _bytes(entry["manifest"]), _bytes(entry["seal"])
    digest = sha256_hex(manifest_bytes)
    act = closing_list.find(digest)
    if digest != entry["manifest_digest"] or act is None or act.digest != sha256_hex(seal):
        raise PackageRefused(7, "manifest or seal is not the one in the closing list", manifest=digest)
    headers = {str(kind): _bytes(header) for kind, header in entry["headers"].items()}
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
