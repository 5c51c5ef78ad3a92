"""A whole tender in memory, offline: real keys, signatures, seals, log, witness and custodian; only no server.

world = TenderWorld(tmp_path)
first = world.submit(world.bidders[0], price="900")     # publishes at the first use
second = world.submit(world.bidders[1], price="950")
world.close()                                           # past deadline and grace; the closing list is in the log
package = world.stage_package("A")                      # attendances and session are made on the way
release = world.custodian.release(world.release_package("A"))
world.record("A", release); world.decide("A", rejected={second: "no stamp"})
world.run_stage("B")                                    # session, batches, release, record, decision in one

Everything a test wants to be wrong is an argument or an attribute that can be replaced before the next step.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodian.custodian import Custodian
from custodian.files import Sync
from custodian.setup import custodian_vkey, initialise_custodian, install_certificate, open_custodian
from kernel.canonical import canonical_bytes, digest_of, parse_canonical, sha256_hex, to_base64
from kernel.clock import Clock, FixedClock, format_utc
from kernel.ids import new_id, new_secret
from pki.algorithms import fingerprint_of
from pki.authority import issue, new_serial
from pki.keys import Cost
from pki.names import Subject
from pki.profiles import SERVICE_SEAL
from pki.trust import TrustStore
from procurement.rules.aggregate import PREVIOUS_STAGE
from procurement.rules.events import Event, KeySetPublished, SubmissionClosed, TenderPublished
from procurement.rules.notice import KINDS, Notice, draft_from
from sealing.context import EnvelopeContext
from sealing.envelope import EnvelopeHeader, seal_envelope
from sealing.errors import ShareInvalid
from sealing.key_set import CustodianKeys, KeySet, KeySetMember
from sealing.manifest import Manifest, seal_manifest
from sealing.opening import open_envelope
from sealing.payload import build_payload, read_payload
from sealing.shares import Share, open_share
from signing.cms import Signer, sign_detached
from signing.documents import SignedDocument, sign_document, to_wire
from tests.support.authority import START, MemoryAuthority, make_authority
from transparency.commitment import commitment_entry, disclosed_content, disclosed_leaf_hash
from transparency.cosigning import CheckpointWitness
from transparency.notes import Checkpoint, NoteSigner, add_signatures, parse_signatures, sign_note
from transparency.proof import make_proof
from transparency.tree import MerkleTree, leaf_hash
from transparency.witness import Witness

CHEAP = Cost(iterations=1, lanes=1, memory_kib=64)
JOURNAL_ORIGIN = "custodian.test/journal"
LOG_ORIGIN = "log.test/mohr"
PERIOD = timedelta(days=15)
GRACE = timedelta(minutes=10)


class MemoryLog:
    """A log without storage: signs its tree and has it cosigned at once, at the time of ``clock``."""

    def __init__(
        self, clock: Clock, witness: Witness, signer: NoteSigner, witness_signer: NoteSigner
    ) -> None:
        self._clock, self.witness, self.signer = clock, witness, signer
        self.witness_signer = witness_signer
        self.tree = MerkleTree()
        self.entries: list[bytes] = []

    @property
    def vkey(self) -> str:
        return self.signer.vkey

    def append(self, entry: bytes) -> None:
        """Add an entry."""
        self.entries.append(entry)
        self.tree.append(leaf_hash(entry))

    def event(self, fact: type[Event], tender: str, data: dict[str, Any]) -> bytes:
        """Write and add the public event of that kind."""
        value = {
            "id": new_id(),
            "type": fact.type,
            "subject": tender,
            "time": format_utc(self._clock.now()),
            "sequence": len(self.entries) + 1,
            "data": {"tender": tender, **data},
        }
        entry = canonical_bytes(value)
        self.append(entry)
        return entry

    def proof(self, entry: bytes) -> dict[str, Any]:
        """The inclusion of an entry under a checkpoint of the present tree, cosigned now."""
        index = self.entries.index(entry)
        checkpoint = Checkpoint(self.signer.name, self.tree.size, self.tree.root())
        note = sign_note(checkpoint.text, self.signer)
        seen = self.witness.seen_size(self.signer.name)
        steps = self.tree.consistency(seen, self.tree.size)
        lines = [f"old {seen}", *(to_base64(step) for step in steps), "", note]
        cosigned = self.witness.add_checkpoint("\n".join(lines))
        return make_proof(self.tree, index, add_signatures(note, parse_signatures(cosigned)), self.tree.size)


@dataclass
class Member:
    """A commission member with both of its keys."""

    party: str
    seat: str
    signer: Signer
    encryption_key: ec.EllipticCurvePrivateKey
    encryption_certificate: x509.Certificate


@dataclass(eq=False)
class Submission:
    """A sealed submission with all its blobs; ``state`` is what the closing list will say."""

    bidder: Signer
    lot: str
    submission_number: int
    manifest: bytes
    seal: bytes
    headers: dict[str, bytes]
    blobs: dict[str, bytes]
    state: str = "listed"

    @property
    def manifest_digest(self) -> str:
        return sha256_hex(self.manifest)

    def header(self, kind: str) -> EnvelopeHeader:
        return EnvelopeHeader.parse(self.headers[kind])


@dataclass
class Held:
    """What a held stage left behind."""

    record: SignedDocument | None = None
    bids: dict[str, Any] = field(default_factory=dict)
    decision: bytes | None = None
    decision_signatures: dict[str, bytes] = field(default_factory=dict)


class TenderWorld:
    """One tender and everybody in it. ``clock`` is everybody's but the custodian's, which is its own."""

    key_set: KeySet
    notice: Notice
    notice_document: SignedDocument

    def __init__(
        self,
        folder: Path,
        *,
        bidders: int = 2,
        threshold: int = 3,
        authority: MemoryAuthority | None = None,
        log: MemoryLog | None = None,
        **terms: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = authority or make_authority(START)
        assert isinstance(self.authority.clock, FixedClock)
        self.clock = self.authority.clock
        self.custodian_clock = FixedClock(self.clock.now())
        self.tender = new_id()
        self.threshold = threshold
        self.guarantee = "50"
        self.terms = terms
        self._witness_logs: dict[str, str] = {}
        self._witness_signer = (
            log.witness_signer if log else NoteSigner("witness.test", Ed25519PrivateKey.generate())
        )
        (folder / "witness").mkdir()
        self.witness = self._make_witness()
        self.log = log or self._make_log()
        self.officer = self.authority.person("IR-0000000010", "Officer")
        self.receipt = self.authority.service("IRO-RECEIPT", "Receipts")
        seats = ("head", "finance", "technical", "alternate")
        self.members = [self._make_member(number, seat) for number, seat in enumerate(seats, start=1)]
        self.bidders = [
            self.authority.organisation(f"IRO-1400000{number:04d}", f"Bidder {number}")
            for number in range(1, bidders + 1)
        ]
        self.present = [member.party for member in self.members[:3]]
        self.custodian = self._make_custodian()
        self.submissions: list[Submission] = []
        self.acts: list[dict[str, Any]] = []
        self.sessions: dict[str, SignedDocument] = {}
        self.held: dict[str, Held] = {}
        self.closing_list: SignedDocument | None = None
        self._closing_event: bytes | None = None
        self._published = False

    # -- before the deadline ---------------------------------------------------------------------------

    def publish(self) -> Notice:
        """Key set with every countersignature, then the signed notice; both are in the log."""
        if self._published:
            return self.notice
        self._published = True
        self.key_set = self.make_key_set()
        self.key_set_signatures = self.countersignatures(self.key_set.document)
        without = {p: s for p, s in self.key_set_signatures.items() if p != self.custodian.party}
        self.key_set_signatures[self.custodian.party] = self.custodian.countersign(
            self.key_set.document, without, crls=[to_base64(crl) for crl in self.crls()]
        )
        data = {"digest": self.key_set.digest}
        self.key_set_event = self.log.event(KeySetPublished, self.tender, data)
        self.publish_notice(self.make_notice())
        return self.notice

    def make_key_set(self, **changes: Any) -> KeySet:
        """The key set of this commission and the custodian's keys for this tender."""
        spki = self.custodian.create_keys(self.tender)
        certificate = fingerprint_of(self.custodian.signer.certificate)
        values: dict[str, Any] = {
            "tender": self.tender,
            "threshold": self.threshold,
            "members": [
                KeySetMember(
                    index, each.party, fingerprint_of(each.signer.certificate), each.encryption_certificate
                )
                for index, each in enumerate(self.members, start=1)
            ],
            "custodian": CustodianKeys(self.custodian.party, certificate, spki),
            "created_at": self.clock.now(),
        }
        return KeySet.build(**{**values, **changes})

    def countersignatures(self, document: bytes) -> dict[str, bytes]:
        """Every member's signature over a document."""
        now = self.clock.now()
        return {each.party: sign_detached(document, each.signer, at=now) for each in self.members}

    def make_notice(self, **changes: Any) -> Notice:
        """The notice of this tender; ``changes`` replace terms of the draft."""
        now = self.clock.now()
        deadline = now + PERIOD
        draft: dict[str, Any] = {
            "buyer": {"id": "IRO-BUYER", "name": "شهرداری منطقه ۸"},
            "title": "روکش آسفالت",
            "nature": "expenditure",
            "method": "open_tender",
            "stages": 1,
            "regime": "tenders-1383",
            "lots": [{"id": "L1", "title": "همه"}],
            "currency": "IRR",
            "guarantee": {"amount": "50", "currency": "IRR"},
            "documents_until": format_utc(now + timedelta(days=3)),
            "submission_deadline": format_utc(deadline),
            "upload_grace_seconds": int(GRACE.total_seconds()),
            "bid_valid_until": format_utc(deadline + timedelta(days=60)),
            "padding_floor_bytes": {"A": 4096, "B": 4096, "C": 4096},
            "place": "تهران",
            "commission": [
                {"party": each.party, "name": each.seat, "seat": each.seat} for each in self.members
            ],
            "quorum": 3,
            "opening_threshold": self.threshold,
        }
        entered = {**draft, **self.terms, **changes}
        terms = draft_from(entered, tender=self.tender, ocid=f"ocds-test-{self.tender}", demo=False)
        return terms.publish(key_set_digest=self.key_set.digest, published_at=now)

    def submit(
        self, bidder: Signer, *, price: str = "1000", lot: str = "L1", number: int | None = None
    ) -> Submission:
        """Seal and hand in; an earlier submission for the lot counts as replaced from now on."""
        submission = self.seal(bidder, price=price, lot=lot, number=number)
        for earlier in self.standing():
            if (earlier.bidder.party, earlier.lot) == (bidder.party, lot):
                earlier.state = "replaced"
        self.submissions.append(submission)
        self.act("submission", submission, sha256_hex(submission.seal))
        return submission

    def withdraw(self, submission: Submission) -> None:
        """Withdraw a submission; its withdrawal is an act of its own."""
        submission.state = "withdrawn"
        self.act("withdrawal", submission, sha256_hex(submission.manifest + b"withdrawal"))

    def seal(
        self,
        bidder: Signer,
        *,
        price: str = "1000",
        lot: str = "L1",
        number: int | None = None,
        blobs: Mapping[str, bytes] | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> Submission:
        """A sealed submission that nobody has received; ``blobs`` and ``headers`` replace what was sealed."""
        self.publish()
        number = number or 1 + sum(
            1 for each in self.submissions if each.bidder is bidder and each.lot == lot
        )
        sealed_headers: dict[str, bytes] = {}
        sealed_blobs: dict[str, bytes] = {}
        for kind in KINDS:
            context = self.context(bidder.party, kind, lot, number)
            payload = build_payload(
                context, bid_content(kind, price, self.guarantee), {}, bidder, self.clock.now(), 4096, 1 << 20
            )
            sealed = seal_envelope(payload, context, self.key_set)
            sealed_headers[kind] = sealed.header
            sealed_blobs.update(sealed.blobs)
        sealed_headers.update(headers or {})
        sealed_blobs.update(blobs or {})
        manifest = Manifest.of(self.context(bidder.party, "A", lot, number), sealed_headers).document()
        seal = seal_manifest(manifest, bidder, at=self.clock.now(), timestamp=self.authority.stamp)
        return Submission(bidder, lot, number, manifest, seal, sealed_headers, sealed_blobs)

    def context(self, bidder: str, kind: str, lot: str = "L1", number: int = 1) -> EnvelopeContext:
        """The context of an envelope of this tender."""
        return EnvelopeContext(
            self.notice.digest, self.tender, lot, bidder, kind, number, self.key_set.digest
        )

    def standing(self) -> list[Submission]:
        """What is neither replaced nor withdrawn nor incomplete."""
        return [each for each in self.submissions if each.state == "listed"]

    # -- after the deadline ----------------------------------------------------------------------------

    def advance(self, step: timedelta) -> None:
        """Move everybody's clock, the custodian's too."""
        self.clock.advance(step)
        self.custodian_clock.advance(step)

    def close(self, *, wait: bool = True) -> SignedDocument:
        """Past the deadline and its grace: the closing list, and its event in the log."""
        self.publish()
        if wait:
            left = self.notice.submission_deadline + GRACE - self.clock.now() + timedelta(seconds=1)
            self.advance(max(left, timedelta(0)))
        self.closing_list = sign_document(self.closing_document(), self.receipt, self.clock.now())
        self.log_closing_list()
        return self.closing_list

    def log_closing_list(self) -> None:
        """Put the event of the closing list into the log."""
        assert self.closing_list is not None
        data = {"digest": self.closing_list.digest, "listed": len(self.standing())}
        self._closing_event = self.log.event(SubmissionClosed, self.tender, data)

    def closing_document(self) -> dict[str, Any]:
        """The content of the closing list as the acts are now."""
        states = {each.manifest_digest: each.state for each in self.submissions}
        return {
            "type": "mohr/closing-list/v1",
            "tender": self.tender,
            "notice_digest": self.notice.digest,
            "key_set_digest": self.key_set.digest,
            "submission_deadline": format_utc(self.notice.submission_deadline),
            "closed_at": format_utc(self.clock.now()),
            "submissions": [
                {
                    **act,
                    "state": (states[act["manifest_digest"]] if act["act"] == "submission" else "withdrawal"),
                }
                for act in self.acts
            ],
        }

    def session(self, stage: str, /, **changes: Any) -> SignedDocument:
        """The chair's session document; made once, unless ``changes`` ask for another."""
        if stage in self.sessions and not changes:
            return self.sessions[stage]
        if self.closing_list is None:
            self.close()
        assert self.closing_list is not None
        before = PREVIOUS_STAGE[stage]
        decision = self.held[before].decision if before else None
        document = {
            "type": "mohr/opening-session/v1",
            "tender": self.tender,
            "stage": stage,
            "closing_list_digest": self.closing_list.digest,
            "decision_digest": sha256_hex(decision) if decision else None,
            "present": list(self.present),
            "manifests": [each.manifest_digest for each in self.eligible(stage)],
            "opened_at": format_utc(self.clock.now()),
            **changes,
        }
        signed = sign_document(document, self.members[0].signer, self.clock.now())
        self.sessions.setdefault(stage, signed)
        return signed

    def eligible(self, stage: str) -> list[Submission]:
        """Listed, and accepted by the decision of the stage before."""
        before = PREVIOUS_STAGE[stage]
        if before is None:
            return self.standing()
        decision = self.held[before].decision
        assert decision is not None
        accepted = {r["manifest_digest"] for r in parse_canonical(decision)["results"] if r["accepted"]}
        return [each for each in self.standing() if each.manifest_digest in accepted]

    def attendance(self, member: Member, stage: str, *, conflict: bool = False) -> dict[str, str]:
        """A member's signed attendance, in wire form."""
        document = {
            "type": "mohr/attendance/v1",
            "tender": self.tender,
            "stage": stage,
            "party": member.party,
            "conflict": conflict,
            "statement": "",
            "at": format_utc(self.clock.now()),
        }
        return to_wire(sign_document(document, member.signer, self.clock.now()))

    def stage_package(
        self, stage: str, index: int = 0, *, session: SignedDocument | None = None
    ) -> dict[str, Any]:
        """The package as the server hands it to holder ``index`` (0 is the custodian)."""
        session = session or self.session(stage)
        assert self.closing_list is not None
        assert self._closing_event is not None
        before = PREVIOUS_STAGE[stage]
        held = self.held[before] if before else Held()
        return {
            "stage": stage,
            "notice": to_wire(self.notice_document),
            "key_set": many(self.key_set.document, self.key_set_signatures),
            "closing_list": {
                **to_wire(self.closing_list),
                "event": to_base64(self._closing_event),
                "proof": self.log.proof(self._closing_event),
            },
            "session": to_wire(session),
            "attendances": [self.attendance(each, stage) for each in self._seated()],
            "previous_session": to_wire(self.sessions[before]) if before else None,
            "previous_record": (
                many(held.record.document, {self.receipt.party: held.record.signature})
                if held.record
                else None
            ),
            "previous_decision": many(held.decision, held.decision_signatures) if held.decision else None,
            "crls": [to_base64(crl) for crl in self.crls()],
            "submissions": [package_entry(each, stage, index) for each in self.eligible(stage)],
        }

    def batch(
        self, member: Member, stage: str, /, *, session: SignedDocument | None = None, **changes: Any
    ) -> SignedDocument:
        """A member's signed batch of the shares of every eligible envelope."""
        session = session or self.session(stage)
        index = self.members.index(member) + 1
        shares = []
        for submission in self.eligible(stage):
            blob = submission.blobs[f"{stage}.share-{index}.der"]
            share = self._own_share(submission, member, stage, blob, index)
            shares.append(share_entry(submission.manifest_digest, share))
        document = {
            "type": "mohr/share-batch/v1",
            "tender": self.tender,
            "stage": stage,
            "session_digest": session.digest,
            "party": member.party,
            "index": index,
            "shares": shares,
            **changes,
        }
        return sign_document(document, member.signer, self.clock.now())

    def _own_share(
        self, submission: Submission, member: Member, stage: str, blob: bytes, index: int
    ) -> Share | None:
        try:
            return open_share(blob, member.encryption_key, submission.header(stage), index)
        except ShareInvalid:
            return None

    def batches(self, stage: str) -> list[SignedDocument]:
        """The batches of everyone present."""
        return [self.batch(member, stage) for member in self._seated()]

    def release_package(
        self, stage: str, batches: Collection[SignedDocument] | None = None
    ) -> dict[str, Any]:
        """What the server sends to the custodian."""
        chosen = self.batches(stage) if batches is None else batches
        return {**self.stage_package(stage, 0), "batches": [to_wire(batch) for batch in chosen]}

    def record(self, stage: str, release: SignedDocument) -> SignedDocument:
        """Open everything that was released, and the server's signed opening record of it."""
        held = self.held.setdefault(stage, Held())
        released = parse_canonical(release.document)
        results = [self._open(stage, entry, held) for entry in released["releases"]]
        document = {
            "type": "mohr/opening-record/v1",
            "tender": self.tender,
            "stage": stage,
            "session_digest": self.session(stage).digest,
            "release_digest": release.digest,
            "results": results,
            "recorded_at": format_utc(self.clock.now()),
        }
        held.record = sign_document(document, self.receipt, self.clock.now())
        return held.record

    def forge_record(self, stage: str, content: dict[str, Any]) -> None:
        """Put another record in the place of the true one, sealed by the server all the same."""
        self.held[stage].record = sign_document(content, self.receipt, self.clock.now())

    def decide(
        self,
        stage: str,
        *,
        rejected: Mapping[Submission, str] | None = None,
        signers: Collection[Member] | None = None,
        **changes: Any,
    ) -> bytes:
        """A decision on the record of the stage, signed by all present or by ``signers``."""
        held = self.held[stage]
        assert held.record is not None
        reasons = {each.manifest_digest: reason for each, reason in (rejected or {}).items()}
        digests = [result["manifest_digest"] for result in parse_canonical(held.record.document)["results"]]
        document = canonical_bytes(
            {
                "type": "mohr/decision/v1",
                "tender": self.tender,
                "stage": stage,
                "record_digest": held.record.digest,
                "results": [
                    {
                        "manifest_digest": digest,
                        "accepted": digest not in reasons,
                        "reason": reasons.get(digest, ""),
                    }
                    for digest in digests
                ],
                "decided_at": format_utc(self.clock.now()),
                **changes,
            }
        )
        held.decision = document
        held.decision_signatures = self.signed_by(self._seated() if signers is None else signers, document)
        return document

    def signed_by(self, signers: Collection[Member], document: bytes) -> dict[str, bytes]:
        """The signatures of some members over a document."""
        now = self.clock.now()
        return {each.party: sign_detached(document, each.signer, at=now) for each in signers}

    def run_stage(self, stage: str, *, rejected: Mapping[Submission, str] | None = None) -> SignedDocument:
        """Session, batches, release by the real custodian, record and (not for C) decision; the release."""
        release = self.run_release(stage)
        self.record(stage, release)
        if stage != "C":
            self.decide(stage, rejected=rejected)
        return release

    def run_release(self, stage: str) -> SignedDocument:
        """The real custodian's release for everybody's batches; shares that do not open are handed in as bad."""
        return self.custodian.release(self.release_package(stage))

    def destruction_request(self, *, signers: Collection[Member] | None = None) -> dict[str, Any]:
        """What the server sends to have the keys destroyed, with an award signed by all present."""
        record = self.held["C"].record
        assert record is not None
        award = canonical_bytes(
            {
                "type": "mohr/award/v1",
                "tender": self.tender,
                "record_digest": record.digest,
                "lots": [],
                "decided_at": format_utc(self.clock.now()),
            }
        )
        return {
            "tender": self.tender,
            "award": many(award, self.signed_by(self._seated() if signers is None else signers, award)),
            "notice": to_wire(self.notice_document),
            "key_set": many(self.key_set.document, self.key_set_signatures),
            "crls": [to_base64(crl) for crl in self.crls()],
        }

    # -- parts -----------------------------------------------------------------------------------------

    def crls(self) -> list[bytes]:
        """Fresh revocation lists."""
        return self.authority.crls()

    def trust(self) -> TrustStore:
        """The root pinned, with fresh lists."""
        return self.authority.trust_store()

    def reopen_custodian(
        self, *, sync: Sync = os.fsync, witness: CheckpointWitness | None = None
    ) -> Custodian:
        """The custodian as it starts again over the same folder."""
        self.custodian = open_custodian(
            self.folder / "custodian", self.custodian_clock, witness=witness or self.witness, sync=sync
        )
        return self.custodian

    def puppet(self, **terms: Any) -> TenderWorld:
        """The same tender, keys and custodian under a second notice with other terms, and no submission yet."""
        other = copy.copy(self)
        other.submissions, other.acts, other.sessions, other.held = [], [], {}, {}
        other.closing_list, other._closing_event = None, None
        other.publish_notice(self.make_notice(**terms))
        return other

    def publish_notice(self, notice: Notice) -> None:
        """Sign a notice and put its event into the log."""
        self.notice = notice
        self.notice_document = sign_document(notice.to_json(), self.officer, self.clock.now())
        published = {"digest": notice.digest, "notice": notice.to_json()}
        self.notice_event = self.log.event(TenderPublished, self.tender, published)

    def _make_log(self) -> MemoryLog:
        signer = NoteSigner(LOG_ORIGIN, Ed25519PrivateKey.generate())
        self._witness_logs[signer.name] = signer.vkey
        return MemoryLog(self.clock, self._make_witness(), signer, self._witness_signer)

    def _make_witness(self) -> Witness:
        return Witness(self.folder / "witness", self._witness_signer, self._witness_logs, self.clock)

    def _make_member(self, number: int, seat: str) -> Member:
        party = f"IR-{number:010d}"
        key, certificate = self.authority.member_encryption(party, seat)
        return Member(party, seat, self.authority.person(party, seat), key, certificate)

    def _make_custodian(self) -> Custodian:
        folder = self.folder / "custodian"
        csr = initialise_custodian(
            folder,
            "IRO-CUSTODIAN",
            name="Custodian",
            origin=JOURNAL_ORIGIN,
            log_vkey=self.log.vkey,
            witness_url="http://127.0.0.1:1",
            witness_vkey=self.witness.vkey,
            cost=CHEAP,
        )
        certificate = issue(
            csr,
            SERVICE_SEAL,
            Subject("Custodian", "IRO-CUSTODIAN"),
            self.authority.intermediate_key,
            self.authority.intermediate,
            serial=new_serial(),
            now=self.clock.now(),
        )
        install_certificate(folder, certificate, [self.authority.intermediate], self.authority.root)
        self._witness_logs[JOURNAL_ORIGIN] = custodian_vkey(folder)
        self.witness = self._make_witness()
        return open_custodian(folder, self.custodian_clock, witness=self.witness)

    def _seated(self) -> list[Member]:
        return [member for member in self.members if member.party in self.present]

    def act(self, act: str, submission: Submission, digest: str) -> dict[str, Any]:
        """Record an act of a bidder and put its commitment into the log; what its receipt discloses."""
        salt, counter_salt = new_secret().hex(), new_secret().hex()
        counter = len(self.acts) + 1
        received_at = format_utc(self.clock.now())
        content = disclosed_content(
            act=act,
            tender=self.tender,
            digest=digest,
            received_at=received_at,
            counter=counter,
            counter_salt=counter_salt,
        )
        self.acts.append(
            {
                "counter": counter,
                "counter_salt": counter_salt,
                "salt": salt,
                "act": act,
                "lot": submission.lot,
                "bidder": submission.bidder.party,
                "submission_number": submission.submission_number,
                "manifest_digest": submission.manifest_digest,
                "digest": digest,
                "received_at": received_at,
                "leaf_hash": disclosed_leaf_hash(content, salt),
            }
        )
        self.log.append(commitment_entry(content, bytes.fromhex(salt)))
        return {**self.acts[-1], "content": content}

    def _open(self, stage: str, entry: dict[str, Any], held: Held) -> dict[str, Any]:
        submission = next(
            each for each in self.submissions if each.manifest_digest == entry["manifest_digest"]
        )
        header = submission.header(stage)
        shares = [
            open_share(submission.blobs[f"{stage}.share-{index}.der"], member.encryption_key, header, index)
            for index, member in enumerate(self.members, start=1)
        ]
        custodian = Share(0, bytes.fromhex(entry["share"]), bytes.fromhex(entry["blinding"]))
        blobs = {name: submission.blobs[name] for name in header.expected_blobs()}
        opened = open_envelope(header, blobs, self.key_set, shares[: self.threshold], custodian)
        party = submission.bidder.party
        bid = read_payload(opened.payload, header.context, self.trust(), self.clock.now(), party).bid
        held.bids[submission.manifest_digest] = bid
        return {
            "manifest_digest": submission.manifest_digest,
            "lot": submission.lot,
            "bidder": party,
            "outcome": "opened",
            "bid_digest": digest_of(bid),
            "member_secret": opened.member_secret.hex(),
            "custodian_secret": opened.custodian_secret.hex(),
            "named": None,
            "reason": None,
        }


def bid_content(kind: str, price: str, guarantee_amount: str = "50") -> dict[str, Any]:
    """The content of an envelope of each kind."""
    money = {"amount": price, "currency": "IRR"}
    if kind == "A":
        guarantee = {"kind": "bank", "issuer": "بانک شهر", "number": "1", "valid_until": "2027-12-01"}
        return {"guarantee": {**guarantee, "amount": {"amount": guarantee_amount, "currency": "IRR"}}}
    if kind == "B":
        return {"statements": ["ok"], "files": []}
    line = {
        "id": "1",
        "description": "کار",
        "quantity": None,
        "unit": None,
        "unit_price": None,
        "amount": price,
    }
    return {"price": money, "lines": [line], "currency": "IRR"}


def package_entry(submission: Submission, stage: str, index: int) -> dict[str, Any]:
    """A submission as it stands in a package for holder ``index``."""
    return {
        "manifest_digest": submission.manifest_digest,
        "manifest": to_base64(submission.manifest),
        "seal": to_base64(submission.seal),
        "headers": {kind: to_base64(header) for kind, header in submission.headers.items()},
        "share": to_base64(submission.blobs[f"{stage}.share-{index}.der"]),
    }


def share_entry(manifest_digest: str, share: Share | None) -> dict[str, Any]:
    """A share as it stands in a batch; None is a bad one."""
    return {
        "manifest_digest": manifest_digest,
        "state": "ok" if share else "bad",
        "share": share.share.hex() if share else None,
        "blinding": share.blinding.hex() if share else None,
        "reason": None if share else "share-invalid",
    }


def many(document: bytes, signatures: Mapping[str, bytes]) -> dict[str, Any]:
    """A document with the signatures of several parties, in wire form."""
    return {
        "document": to_base64(document),
        "signatures": {party: to_base64(each) for party, each in signatures.items()},
    }
