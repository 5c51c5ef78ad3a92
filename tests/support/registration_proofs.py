"""A registered document with everything that its proof is made of, in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authenticity.identifier import new_identifier
from authenticity.papers import Entry, RegistrationPaper, StateChangePaper
from authenticity.record import STATE_OF, Change, Record, Registration
from authenticity.registration_proof import (
    Logged,
    ProofParts,
    ProvenChange,
    SignedPaper,
    make_registration_proof,
)
from authenticity.registration_proof_check import (
    ProofAnchors,
    RegistrationProven,
    verify_registration_proof,
)
from kernel.canonical import canonical_bytes, sha256_hex
from kernel.clock import FixedClock, format_utc
from kernel.ids import new_id, new_secret
from pki.signed_data import Signer
from schemas.events import DOCUMENT_REGISTERED, DOCUMENT_STATE_CHANGED
from signing.ades.known_evidence import KnownEvidence
from signing.ades.services import Services
from signing.cms import sign_detached
from signing.validation.trust import Trust
from tests.support.authority import START, MemoryAuthority, make_authority
from tests.support.memory_log import MemoryLog
from tests.support.signing import MemoryStamps
from transparency.notes import NoteSigner
from transparency.tree import leaf_hash
from transparency.witness import Witness

UNIT, UNIT_NAME = "IRO-10100000001", "شهرداری تهران"
DOCUMENT = b"%PDF-1.7 the minutes"


@dataclass
class ProofWorld:
    """Who is around a registered document; ``authority`` is what the installation has at its beginning."""

    clock: FixedClock
    authority: MemoryAuthority
    officer: Signer
    seal: Signer
    log: MemoryLog
    authorities: list[MemoryAuthority]

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def anchors(self) -> ProofAnchors:
        roots = [each.root for each in self.authorities]
        return ProofAnchors(Trust.of(roots), self.log.vkey, [self.log.witness_signer.cosigner_vkey])

    def services(self) -> Services:
        """Time stamps of the newest authority, and evidence of all that there were."""
        roots = [each.root for each in self.authorities]
        intermediates = [each.intermediate for each in self.authorities]
        return Services(MemoryStamps(self.authorities[-1]), KnownEvidence(roots, intermediates, self._lists))

    def _lists(self) -> list[bytes]:
        return [each for authority in self.authorities for each in authority.crls()]

    def parts(self, *, disclosure: str = "public", content: bytes = DOCUMENT, **altered: Any) -> ProofParts:
        """A registered document; ``altered`` fields of its record stand neither in the log nor in the paper."""
        record = _record(content, disclosure)
        paper = self.paper(record)
        salt = new_secret()
        told = {"document": record.document, "unit": record.unit, "kind": record.kind}
        told |= {"commitment": record.commitment(salt), "paper": sha256_hex(paper.document)}
        if disclosure == "public":
            told["digest"] = record.digest
        logged = self.logged(DOCUMENT_REGISTERED.name, record.document, told)
        registration = Registration(
            replace(record, **altered),
            "valid",
            format_utc(self.now),
            (),
            told["paper"],
            logged.entry,
            leaf_hash(logged.entry).hex(),
            salt.hex(),
        )
        return ProofParts(registration, logged, paper)

    def revoked(self, parts: ProofParts, reason: str = "با اشتباه صادر شد") -> ProofParts:
        """The same document after an officer revoked it."""
        record = parts.registration.record
        content = StateChangePaper("revoke", record.identifier, None, reason, new_secret().hex())
        paper = self.signed(content.to_document())
        digest = sha256_hex(paper.document)
        change = Change("revoke", format_utc(self.now), reason, None, digest, "", new_secret().hex())
        told = {"document": record.document, "state": STATE_OF["revoke"], "paper": digest}
        told["commitment"] = change.commitment(record.document)
        logged = self.logged(DOCUMENT_STATE_CHANGED.name, record.document, told)
        registration = replace(parts.registration, state="revoked", changes=(change,))
        return replace(parts, registration=registration, changes=(ProvenChange(change, logged, paper),))

    def paper(self, *records: Record) -> SignedPaper:
        entries = tuple(_entry(each) for each in records)
        return self.signed(RegistrationPaper(UNIT, entries, new_secret().hex()).to_document())

    def signed(self, content: dict[str, Any], by: Signer | None = None) -> SignedPaper:
        """As an officer's client signs: with a time stamp."""
        data, stamp = canonical_bytes(content), self.authority.stamp
        return SignedPaper(data, sign_detached(data, by or self.officer, at=self.now, timestamp=stamp))

    def logged(self, type_: str, subject: str, data: dict[str, Any]) -> Logged:
        value = {"id": new_id(), "type": type_, "subject": subject, "time": format_utc(self.now)}
        entry = canonical_bytes({**value, "sequence": 1, "data": data})
        self.log.append(entry)
        return Logged(entry, self.log.proof(entry))

    def proof(self, parts: ProofParts, seal: Signer | None = None) -> bytes:
        return make_registration_proof(parts, seal or self.seal, self.services(), at=self.now)

    def verified(
        self, proof: bytes, document: bytes | None = None, anchors: ProofAnchors | None = None
    ) -> RegistrationProven:
        now = self.now + timedelta(minutes=1)
        return verify_registration_proof(proof, anchors or self.anchors, at=now, now=now, document=document)


def make_proof_world(folder: Path) -> ProofWorld:
    """A fresh one."""
    clock = FixedClock(START)
    authority = make_authority(clock=clock)
    signer = NoteSigner("log.test/mohr", Ed25519PrivateKey.generate())
    witness_signer = NoteSigner("witness.test", Ed25519PrivateKey.generate())
    (folder / "witness").mkdir()
    witness = Witness(folder / "witness", witness_signer, {signer.name: signer.vkey}, clock)
    return ProofWorld(
        clock,
        authority,
        authority.person("IR-0012345678", "زهرا مرادی", organization=UNIT_NAME),
        authority.service("IRO-00000000000", "Mohr"),
        MemoryLog(clock, witness, signer, witness_signer),
        [authority],
    )


def _record(content: bytes, disclosure: str) -> Record:
    return Record(
        document=new_id(),
        identifier=new_identifier(),
        digest=sha256_hex(content),
        size=len(content),
        media_type="application/pdf",
        kind="minutes",
        title="صورتجلسه",
        unit=UNIT,
        unit_name=UNIT_NAME,
        issued_on="2026-11-24",
        valid_until=None,
        disclosure="public" if disclosure == "public" else "withheld",
        rule="city-1405-1",
    )


def _entry(record: Record) -> Entry:
    return Entry(**{name: getattr(record, name) for name in Entry.__dataclass_fields__})
