"""What is measured on: a commission of five of whom three open, bidders, and a published call in a real database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.migrations.runner import migrate
from app.unit_of_work import SqlUnitOfWork
from events.outbox import event_naming
from kernel.clock import Clock, format_utc
from kernel.database import make_sessions, read_only
from pki.algorithms import fingerprint_of
from procurement.adapters.repository import repositories
from procurement.ports import Actor, Custodian, Desk, Directory, ObjectStore
from procurement.rules.notice import draft_from
from procurement.rules.notice_check import key_holders
from procurement.rules.tender import (
    Approve,
    PublishKeySet,
    PublishNotice,
    SubmitForApproval,
    Tender,
    decide,
    draft_tender,
    evolve_all,
)
from procurement.use_cases.submit_envelope import SubmitEnvelope
from sealing.context import KINDS, EnvelopeContext
from sealing.envelope import seal_envelope
from sealing.key_set import KeySet
from sealing.manifest import Manifest, seal_manifest
from sealing.payload import build_payload
from signing.cms import Signer
from tests.support.authority import MemoryAuthority
from tests.unit.sealing.builders import CUSTODIAN, Commission, make_commission

MEMBERS, THRESHOLD = 5, 3
# With the bid and its manifest around it a file of this length makes an envelope of about 50 kB.
FILE_BYTES = 50_000
MAX_BYTES = 1 << 20
LOT = "1"
_SEATS = ("head", "finance", "technical", "alternate", "alternate")
_OFFICER, _APPROVER = "IR-0000000091", "IR-0000000092"


@dataclass(frozen=True)
class Sealed:
    """One submission: three envelopes of about 50 kB under one manifest and seal."""

    bidder: Signer
    manifest: bytes
    seal: bytes
    headers: Mapping[str, bytes]
    blobs: Mapping[str, bytes]

    def command(self, tender: str) -> SubmitEnvelope:
        return SubmitEnvelope(tender, self.manifest, self.seal, self.headers)


class Scene:
    """The commission and its published tender; each bidder is new, with a certificate of its own."""

    def __init__(self) -> None:
        self.commission: Commission = make_commission(MEMBERS, THRESHOLD)
        self.authority: MemoryAuthority = self.commission.authority
        self.tender = _published(self.commission)
        self._numbers = 0

    @property
    def key_set(self) -> KeySet:
        return self.commission.key_set

    def bidder(self) -> Signer:
        self._numbers += 1
        return self.authority.organisation(f"IRO-14{self._numbers:09d}", f"Bidder {self._numbers}")

    def context(self, bidder: Signer, kind: str) -> EnvelopeContext:
        return EnvelopeContext(
            self.tender.notice_digest or "", self.tender.id, LOT, bidder.party, kind, 1, self.key_set.digest
        )

    def payload(self, bidder: Signer, kind: str, file: bytes) -> bytes:
        """The signed and padded container of one envelope."""
        return build_payload(
            self.context(bidder, kind),
            {"statements": [], "files": []},
            {"offer.bin": file},
            bidder,
            self.authority.now,
            0,
            MAX_BYTES,
        )

    def seal(self, bidder: Signer, file: bytes) -> Sealed:
        """What a bidder's client makes of its three envelopes."""
        headers: dict[str, bytes] = {}
        blobs: dict[str, bytes] = {}
        for kind in KINDS:
            context = self.context(bidder, kind)
            sealed = seal_envelope(self.payload(bidder, kind, file), context, self.key_set)
            headers[kind] = sealed.header
            blobs.update(sealed.blobs)
        manifest = Manifest.of(self.context(bidder, KINDS[0]), headers).document()
        seal = seal_manifest(manifest, bidder, at=self.authority.now, timestamp=self.authority.stamp)
        return Sealed(bidder, manifest, seal, headers, blobs)

    def fresh(self) -> Sealed:
        """A submission of somebody who has not been here before."""
        return self.seal(self.bidder(), os.urandom(FILE_BYTES))


class Office:
    """The server's part over one database: the desk that use cases are handed, and the tender in its table."""

    def __init__(self, engine: Engine, scene: Scene) -> None:
        self.engine = engine
        migrate(engine)
        self.sessions: sessionmaker[Session] = make_sessions(engine)
        self.desk = _desk(self.sessions, scene)
        with self.desk.unit_of_work() as uow:
            repositories(uow.session).tenders.add(scene.tender, drafted_by=_OFFICER)
            uow.commit()

    @staticmethod
    def actor(bidder: Signer) -> Actor:
        return Actor(bidder.party, frozenset({"bidder"}), fingerprint_of(bidder.certificate))


def _desk(sessions: sessionmaker[Session], scene: Scene) -> Desk:
    """A submission needs no custodian, no directory and no objects."""
    trust = scene.authority.trust_store()
    clock: Clock = scene.authority.clock

    def reading() -> AbstractContextManager[Session]:
        return read_only(sessions)

    return Desk(
        unit_of_work=lambda: SqlUnitOfWork(sessions, clock),
        reading=reading,
        repositories=repositories,
        objects=cast(ObjectStore, None),
        custodian=cast(Custodian, None),
        directory=cast(Directory, None),
        trust=lambda: trust,
        crls=trust.crls,
        receipt_signer=scene.authority.service("IRO-RECEIPT", "Receipts"),
        clock=clock,
        event_naming=event_naming,
        proof_for=lambda entry: None,
        publisher={},
        max_envelope_bytes=MAX_BYTES,
        demo=False,
    )


def _published(commission: Commission) -> Tender:
    """By the rules, from draft to notice."""
    now = commission.authority.now
    key_set = commission.key_set
    draft = draft_from(_terms(commission), tender=key_set.tender, ocid="ocds-mohr00-bench", demo=False)
    tender = evolve_all(None, draft_tender(draft, by=_OFFICER, now=now))
    for command in (SubmitForApproval(_OFFICER), Approve(_APPROVER)):
        tender = evolve_all(tender, decide(tender, command, now))
    holders = key_holders(tender.draft)
    keys = PublishKeySet(
        digest=key_set.digest,
        members=holders,
        threshold=THRESHOLD,
        custodian=CUSTODIAN,
        signers=(*holders, CUSTODIAN),
    )
    tender = evolve_all(tender, decide(tender, keys, now))
    notice = tender.draft.publish(key_set_digest=key_set.digest, published_at=now)
    return evolve_all(tender, decide(tender, PublishNotice(notice, _OFFICER), now))


def _terms(commission: Commission) -> dict[str, Any]:
    now = commission.authority.now
    deadline = now + timedelta(days=15)
    day = now.date()
    members = [member.party for member in commission.key_set.members]
    return {
        "buyer": {"id": "IRO-BUYER", "name": "شهرداری منطقه ۸"},
        "title": "روکش آسفالت",
        "nature": "expenditure",
        "method": "open_tender",
        "stages": 1,
        "regime": "tenders-1383",
        "lots": [{"id": LOT, "title": "همه"}],
        "currency": "IRR",
        "estimate": {"amount": "1000000", "currency": "IRR"},
        "guarantee": {"amount": "50000", "currency": "IRR"},
        "documents_until": format_utc(now + timedelta(days=3)),
        "submission_deadline": format_utc(deadline),
        "upload_grace_seconds": 600,
        "bid_valid_until": format_utc(deadline + timedelta(days=60)),
        "max_envelope_bytes": MAX_BYTES,
        "publications": [
            {"medium": "official_gazette", "date": day.isoformat()},
            {"medium": "newspaper:همشهری", "date": day.isoformat()},
            {"medium": "newspaper:همشهری", "date": (day + timedelta(days=1)).isoformat()},
        ],
        "place": "تهران",
        "commission": [
            {"party": party, "name": party, "seat": seat} for party, seat in zip(members, _SEATS, strict=True)
        ],
        "quorum": 3,
        "opening_threshold": THRESHOLD,
    }
