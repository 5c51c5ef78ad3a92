"""Everybody around a tender in memory: authority, log, witness, commission, bidders, and a real custodian."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodian.custodian import Custodian
from custodian.files import Sync
from custodian.setup import custodian_vkey, initialise_custodian, install_certificate, open_custodian
from kernel.canonical import to_base64
from kernel.clock import FixedClock, format_utc
from kernel.ids import new_id
from pki.algorithms import fingerprint_of
from pki.authority import issue, new_serial
from pki.keys import Cost
from pki.names import Subject
from pki.profiles import SERVICE_SEAL
from pki.trust import TrustStore
from procurement.rules.events import KeySetPublished, TenderPublished
from procurement.rules.notice import Notice, draft_from
from sealing.context import EnvelopeContext
from sealing.key_set import CustodianKeys, KeySet, KeySetMember
from signing.cms import sign_detached
from signing.documents import SignedDocument, sign_document
from tests.support.authority import START, MemoryAuthority, make_authority
from tests.support.memory_log import MemoryLog
from tests.support.tender_parts import (
    Member,
)
from transparency.cosigning import CheckpointWitness
from transparency.notes import NoteSigner
from transparency.witness import Witness

CHEAP = Cost(iterations=1, lanes=1, memory_kib=64)
JOURNAL_ORIGIN = "custodian.test/journal"
LOG_ORIGIN = "log.test/mohr"
PERIOD = timedelta(days=15)
GRACE = timedelta(minutes=10)


class World:
    """The parties of one tender, with its key set and notice; ``clock`` is everybody's but the custodian's own."""

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
        self._published = False

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

    def context(self, bidder: str, kind: str, lot: str = "L1", number: int = 1) -> EnvelopeContext:
        """The context of an envelope of this tender."""
        return EnvelopeContext(
            self.notice.digest, self.tender, lot, bidder, kind, number, self.key_set.digest
        )

    def advance(self, step: timedelta) -> None:
        """Move everybody's clock, the custodian's too."""
        self.clock.advance(step)
        self.custodian_clock.advance(step)

    def signed_by(self, signers: Collection[Member], document: bytes) -> dict[str, bytes]:
        """The signatures of some members over a document."""
        now = self.clock.now()
        return {each.party: sign_detached(document, each.signer, at=now) for each in signers}

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
