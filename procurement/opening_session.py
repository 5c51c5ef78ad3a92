"""Who sits, on what grounds: the documents around an opening, read without believing the server.

Checks (4) and (5) of the stage package (``procurement.package``, which numbers them), and what both modules share.
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
from procurement.published import ClosingList, PublishedNotice, Signed, read_signed, require_service
from procurement.rules.aggregate import PREVIOUS_STAGE
from procurement.rules.commission import has_majority, head_of, seat_of
from procurement.rules.facts import OpeningResult, Verdict
from procurement.rules.notice import Notice
from signing.cms import verify_detached

MAX_DOCUMENT_BYTES = 32 << 20

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


@contextmanager
def checking(number: int) -> Iterator[None]:
    """Whatever goes wrong inside, malformed input included, refuses the package and names this check."""
    try:
        yield
    except PackageRefused:
        raise
    except DomainError as error:
        raise PackageRefused(number, error.detail, cause=error.code) from error
    except (KeyError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise PackageRefused(number, "a part of the package is missing or malformed") from error


def unpacked(value: Any) -> bytes:
    """The bytes of a part of the package."""
    return from_base64(value, max_bytes=MAX_DOCUMENT_BYTES)


def _signed(
    wire: Mapping[str, Any], type_: str, trust: TrustStore, now: datetime, party: str | None = None
) -> Signed:
    return read_signed(
        unpacked(wire["document"]),
        unpacked(wire["signature"]),
        trust,
        type_=type_,
        now=now,
        party=party,
        max_bytes=MAX_DOCUMENT_BYTES,
    )


def read_session(
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


def read_previous(
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
    list_digest = sha256_hex(unpacked(package["closing_list"]["document"]))
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
    digest = sha256_hex(unpacked(package["previous_decision"]["document"]))
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
    document = unpacked(wire["document"])
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
            verify_detached(document, unpacked(signature), trust, now=now, party=party)
        except DomainError:
            continue
        signers.append(party)
    if not has_majority(notice.commission, present, signers):
        raise PackageRefused(check, "no majority of the members present has signed", signers=sorted(signers))
    return tuple(signers)
