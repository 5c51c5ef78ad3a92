"""What the server publishes about a tender, read without believing the server: notice, key set, closing list.

Bidders' and members' clients, the custodian and auditors read with these functions, so that all of them
refuse the same things. Pure: bytes and a trust store in, parsed documents out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kernel.canonical import DEFAULT_MAX_BYTES, from_base64, parse_canonical, sha256_hex
from kernel.clock import parse_utc
from kernel.errors import DomainError, MalformedInput
from pki.profiles import SERVICE_SEALING
from pki.trust import TrustStore
from procurement.rules.events import Event
from procurement.rules.fields import Fields
from procurement.rules.notice import Notice
from sealing.key_set import KeySet, verify_countersignatures
from signing.cms import verify_detached
from transparency.commitment import disclosed_content, disclosed_leaf_hash
from transparency.proof import VerifiedProof, verify_proof

MAX_CLOSING_LIST_BYTES = 32 << 20
MAX_REPLACEMENTS = 8
_LIST_KEYS = (
    "type",
    "tender",
    "notice_digest",
    "key_set_digest",
    "submission_deadline",
    "closed_at",
    "submissions",
)
_ENTRY_KEYS = (
    "counter",
    "counter_salt",
    "salt",
    "act",
    "lot",
    "bidder",
    "submission_number",
    "manifest_digest",
    "digest",
    "received_at",
    "leaf_hash",
    "state",
)
_STATES = {
    "submission": ("listed", "replaced", "withdrawn", "incomplete"),
    "withdrawal": ("withdrawal",),
    "refusal": ("refused",),
}


class PublishedRefused(DomainError):
    """A published document contradicts itself, the log, or what it should belong to."""

    code = "published-document-refused"


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified signature: the document, whose it is, and with which certificate it was made."""

    document: dict[str, Any]
    digest: str
    party: str
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class PublishedNotice:
    """The notice, its digest, and the officer who signed it."""

    notice: Notice
    digest: str
    officer: str

    @property
    def closes_at(self) -> datetime:
        """The end of the grace: what has not arrived by then does not count, and nothing opens before."""
        return self.notice.submission_deadline + timedelta(seconds=self.notice.upload_grace_seconds)


@dataclass(frozen=True, slots=True)
class ListedAct:
    """One line of the closing list; its leaf was rebuilt from what the line discloses."""

    counter: int
    act: str
    lot: str
    bidder: str
    submission_number: int | None
    manifest_digest: str | None
    digest: str
    received_at: str
    leaf_hash: str
    state: str


@dataclass(frozen=True, slots=True)
class ClosingList:
    """The closing list, who signed it (the server's receipt key), and its lines by counter."""

    digest: str
    signed_by: str
    closed_at: datetime
    acts: tuple[ListedAct, ...]

    @property
    def listed(self) -> tuple[ListedAct, ...]:
        """The submissions that stand, by counter."""
        return tuple(act for act in self.acts if act.state == "listed")

    def find(self, manifest_digest: str) -> ListedAct | None:
        """The submission with that manifest, whatever its state."""
        return next(
            (act for act in self.acts if act.act == "submission" and act.manifest_digest == manifest_digest),
            None,
        )


def read_signed(
    document: bytes,
    signature: bytes,
    trust: TrustStore,
    *,
    type_: str,
    now: datetime,
    party: str | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Signed:
    """A canonical document of the given type with a valid signature, of ``party`` if one is named.

    Raises MalformedInput, LimitExceeded, or what ``signing.cms.verify_detached`` raises.
    """
    value = parse_canonical(document, max_bytes=max_bytes)
    if value.get("type") != type_:
        raise MalformedInput("a document of another type was expected", expected=type_)
    report = verify_detached(document, signature, trust, now=now, party=party)
    assert report.party is not None
    assert report.certificate is not None
    return Signed(value, sha256_hex(document), report.party, report.certificate)


def require_service(certificate: x509.Certificate) -> None:
    """A server's own documents carry its service seal; a person's or another organisation's is refused."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    if SERVICE_SEALING not in purposes:
        raise PublishedRefused("somebody else's certificate signed what only the service may sign")


def read_notice(document: bytes, signature: bytes, trust: TrustStore, *, now: datetime) -> PublishedNotice:
    """The published notice with its officer's signature, judged as of ``now``."""
    signed = read_signed(document, signature, trust, type_="mohr/notice/v1", now=now)
    return PublishedNotice(Notice.parse(signed.document), signed.digest, signed.party)


def read_key_set(wire: Mapping[str, Any], trust: TrustStore, *, notice: Notice, now: datetime) -> KeySet:
    """The key set that the notice names, countersigned by every member in it and the custodian.

    ``wire`` is ``{"document", "signatures"}`` and, when the key set replaced another one, that one as
    ``"previous"`` in the same form, for k of its members must have agreed. Raises PublishedRefused when it is
    another set than the notice's, or what ``sealing.key_set`` raises.
    """
    if sha256_hex(from_base64(wire["document"])) != notice.key_set_digest:
        raise PublishedRefused("the notice names another key set")
    key_set = _countersigned(wire, trust, now, MAX_REPLACEMENTS)
    if key_set.tender != notice.tender or key_set.threshold != notice.opening_threshold:
        raise PublishedRefused("the key set is for another tender or another threshold")
    voting = {seat.party for seat in notice.commission if seat.seat != "observer"}
    if not {member.party for member in key_set.members} <= voting:
        raise PublishedRefused("the key set names somebody outside the commission")
    return key_set


def _countersigned(wire: Mapping[str, Any], trust: TrustStore, now: datetime, replacements: int) -> KeySet:
    document = from_base64(wire["document"])
    signatures = {str(party): from_base64(each) for party, each in wire["signatures"].items()}
    given = wire.get("previous")
    if given is not None and replacements == 0:
        raise PublishedRefused("the key set was replaced too often")
    previous = _countersigned(given, trust, now, replacements - 1) if given is not None else None
    return verify_countersignatures(document, signatures, trust, now, previous=previous)


def verify_event(
    event: bytes,
    proof: dict[str, Any],
    *,
    fact: type[Event],
    tender: str,
    digest: str,
    log_vkey: str,
    witness_vkeys: Sequence[str],
) -> VerifiedProof:
    """An event of the kind ``fact`` and this tender names the digest, and is in the log, cosigned.

    Raises PublishedRefused, or ProofInvalid from ``transparency.proof``.
    """
    value = parse_canonical(event)
    data = value.get("data")
    about = (value.get("type"), value.get("subject"))
    if about != (fact.type, tender) or not isinstance(data, dict) or data.get("digest") != digest:
        raise PublishedRefused("the logged event is about something else", digest=digest)
    return verify_proof(proof, log_vkey, list(witness_vkeys), entry=event)


def read_closing_list(
    document: bytes,
    signature: bytes,
    trust: TrustStore,
    *,
    notice: PublishedNotice,
    now: datetime,
) -> ClosingList:
    """The closing list of that notice, with counters without a gap and every leaf rebuilt.

    Raises PublishedRefused when a line is missing, doubled, contradicts another, or does not lead to its leaf.
    """
    signed = read_signed(
        document,
        signature,
        trust,
        type_="mohr/closing-list/v1",
        now=now,
        max_bytes=MAX_CLOSING_LIST_BYTES,
    )
    require_service(signed.certificate)
    given = Fields(signed.document, "closing-list", _LIST_KEYS)
    terms = notice.notice
    expected = (terms.tender, notice.digest, terms.key_set_digest)
    found = (given.name("tender"), given.digest("notice_digest"), given.digest("key_set_digest"))
    if found != expected or given.instant("submission_deadline") != terms.submission_deadline:
        raise PublishedRefused("the closing list belongs to another notice, key set or deadline")
    closed_at = given.instant("closed_at")
    if closed_at < notice.closes_at:
        raise PublishedRefused("the closing list was made before the grace had ended")
    acts = tuple(_act(entry, terms.tender) for entry in given.items("submissions", most=1_000_000))
    _check_acts(acts)
    if any(parse_utc(act.received_at) > notice.closes_at for act in acts if act.state == "listed"):
        raise PublishedRefused("a submission that stands was received after the grace")
    return ClosingList(signed.digest, signed.party, closed_at, acts)


def _act(value: Any, tender: str) -> ListedAct:
    given = Fields(value, "closing-list.submissions", _ENTRY_KEYS)
    act = given.choice("act", _STATES)
    counter = given.number("counter", 1, 2**53 - 1)
    received_at = given.text("received_at", 40)
    parse_utc(received_at)
    content = disclosed_content(
        act=act,
        tender=tender,
        digest=given.digest("digest"),
        received_at=received_at,
        counter=counter,
        counter_salt=given.digest("counter_salt"),
    )
    leaf_hash = given.digest("leaf_hash")
    if disclosed_leaf_hash(content, given.digest("salt")) != leaf_hash:
        raise PublishedRefused("a line of the closing list does not lead to its leaf", counter=counter)
    return ListedAct(
        counter=counter,
        act=act,
        lot=given.name("lot"),
        bidder=given.name("bidder"),
        submission_number=(
            None if given.absent("submission_number") else given.number("submission_number", 1, 2**31)
        ),
        manifest_digest=None if given.absent("manifest_digest") else given.digest("manifest_digest"),
        digest=given.digest("digest"),
        received_at=received_at,
        leaf_hash=leaf_hash,
        state=given.choice("state", _STATES[act]),
    )


def _check_acts(acts: Sequence[ListedAct]) -> None:
    """Counters run from 1 without a gap; of each bidder and lot at most one submission stands, and not withdrawn."""
    if [act.counter for act in acts] != list(range(1, len(acts) + 1)):
        raise PublishedRefused("the counters of the closing list have a gap")
    withdrawn = {act.manifest_digest for act in acts if act.act == "withdrawal"}
    standing: set[tuple[str, str]] = set()
    manifests: set[str | None] = set()
    for act in acts:
        if act.act != "submission":
            continue
        if act.manifest_digest is None or act.manifest_digest in manifests:
            raise PublishedRefused("a manifest is missing or listed twice", counter=act.counter)
        manifests.add(act.manifest_digest)
        if (act.manifest_digest in withdrawn) != (act.state == "withdrawn"):
            raise PublishedRefused("a state contradicts the withdrawals", counter=act.counter)
        if act.state == "listed":
            if (act.bidder, act.lot) in standing:
                raise PublishedRefused("two submissions of one bidder stand for one lot", counter=act.counter)
            standing.add((act.bidder, act.lot))


def replaced_by_nothing(acts: Sequence[ListedAct]) -> list[ListedAct]:
    """The submissions called replaced that no later, complete one of the same bidder and lot replaced.

    Members and custodian need not know; a bidder sees it at its own bid, and the audit at everybody's.
    """
    return [
        act for act in acts if act.state == "replaced" and not any(_replaces(other, act) for other in acts)
    ]


def _replaces(other: ListedAct, act: ListedAct) -> bool:
    """Whether ``other`` is a later, complete submission of the same bidder for the same lot."""
    return (
        other.act == "submission"
        and (other.bidder, other.lot) == (act.bidder, act.lot)
        and (other.submission_number or 0) > (act.submission_number or 0)
        and other.state != "incomplete"
    )
