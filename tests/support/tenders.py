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
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from kernel.canonical import canonical_bytes, digest_of, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.ids import new_secret
from procurement.rules.aggregate import PREVIOUS_STAGE
from procurement.rules.events import SubmissionClosed
from procurement.rules.notice import KINDS
from sealing.envelope import seal_envelope
from sealing.errors import ShareInvalid
from sealing.manifest import Manifest, seal_manifest
from sealing.opening import open_envelope
from sealing.payload import build_payload, read_payload
from sealing.shares import Share, open_share
from signing.cms import Signer
from signing.documents import SignedDocument, sign_document, to_wire
from tests.support.memory_log import MemoryLog
from tests.support.tender_parts import (
    Held,
    Member,
    Submission,
    bid_content,
    many,
    package_entry,
    share_entry,
)
from tests.support.tender_world import CHEAP, GRACE, World
from transparency.commitment import commitment_entry, disclosed_content, disclosed_leaf_hash

__all__ = [
    "CHEAP",
    "GRACE",
    "Held",
    "Member",
    "MemoryLog",
    "Submission",
    "TenderWorld",
    "bid_content",
    "many",
    "package_entry",
    "share_entry",
]


class TenderWorld(World):
    """One tender from its first submission to its end; see the module for how it is played."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self.submissions: list[Submission] = []
        self.acts: list[dict[str, Any]] = []
        self.sessions: dict[str, SignedDocument] = {}
        self.held: dict[str, Held] = {}
        self.closing_list: SignedDocument | None = None
        self._closing_event: bytes | None = None

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

    def standing(self) -> list[Submission]:
        """What is neither replaced nor withdrawn nor incomplete."""
        return [each for each in self.submissions if each.state == "listed"]

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

    def puppet(self, **terms: Any) -> TenderWorld:
        """The same tender, keys and custodian under a second notice with other terms, and no submission yet."""
        other = copy.copy(self)
        other.submissions, other.acts, other.sessions, other.held = [], [], {}, {}
        other.closing_list, other._closing_event = None, None
        other.publish_notice(self.make_notice(**terms))
        return other

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
