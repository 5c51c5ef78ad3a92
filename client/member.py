"""What a commission member does: countersign keys, sign in, hand in shares, check and sign records, decide.

The client believes nothing that it can compute: it opens shares only of a package that passes every check of
``procurement.package``, hands in only shares that fit the bidder's commitments, and signs only what follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.buyer import document_of
from client.errors import ApiRefusal, DraftDiffers, NotVerified
from client.minutes import HeldStage, check_prepared, decided_in, put_in
from client.opened_files import fetch_file
from client.opening_record import CheckedRecord, check_record
from client.session import PartySession, checking
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.errors import DomainError
from pki.algorithms import fingerprint_of
from procurement.package import CheckedSubmission, StagePackage, verify_stage_package
from procurement.rules.award import award_document, check_same
from procurement.rules.commission import head_of
from procurement.rules.decision import check_verdicts, decision_document, propose
from procurement.rules.facts import Record, Verdict
from procurement.rules.minutes import FINAL
from procurement.rules.regimes import rules_at
from sealing.key_set import KeySet
from sealing.shares import check_share, open_share
from signing.cms import sign_detached
from signing.pades import sign_prepared

NO_REJECTIONS: Mapping[str, str] = {}
_MAX_BYTES = 32 << 20
# More than there are others who could sign meanwhile.
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A batch that the server took: how many there are, how many are needed, and which shares were bad."""

    batches: int
    needed: int
    bad: Mapping[str, str]


class Member:
    """One member with its own encryption key, which never leaves the folder."""

    def __init__(self, session: PartySession) -> None:
        self._session = session
        self._held: HeldStage | None = None

    def countersign_key_set(self, tender: str) -> list[str]:
        """Sign the key set if it holds this member's own certificates; returns who has yet to sign."""
        answer = self._session.api.get(f"/tenders/{tender}/key-set")
        with checking("key-set"):
            document = from_base64(answer["document"])
            self._check_own_entry(KeySet.parse(document), tender)
        after = self._post_signature(f"/tenders/{tender}/key-set/countersignatures", document)
        return [str(party) for party in after["missing"]]

    def attend(self, tender: str, stage: str, *, conflict: bool = False, statement: str = "") -> None:
        """Sign in to a stage and declare whether there is a conflict of interest."""
        document = {
            "type": "mohr/attendance/v1",
            "tender": tender,
            "stage": stage,
            "party": self._session.party,
            "conflict": conflict,
            "statement": statement,
            "at": format_utc(self._session.clock.now()),
        }
        self._session.api.post(f"/tenders/{tender}/attendances", dict(self._session.sign(document)))

    def open_session(self, tender: str, stage: str, *, decision: bytes | None = None) -> str:
        """As the chair: check the proposed session, sign and open it; returns its digest.

        For B and C the decision before is the one that this member signed, or ``decision`` if it did not.
        """
        proposed = document_of(self._session.api.get(f"/tenders/{tender}/openings/{stage}/draft"))
        if decision is not None:
            self._session.folder.write(f"decisions/{sha256_hex(decision)}.json", decision)
        self._check_session(tender, stage, proposed)
        self._session.api.post(f"/tenders/{tender}/openings/{stage}", dict(self._session.sign(proposed)))
        return sha256_hex(canonical_bytes(proposed))

    def package(self, tender: str, stage: str) -> StagePackage:
        """The stage package, checked in full; raises PackageRefused."""
        return self._package(tender, stage)[1]

    def _package(self, tender: str, stage: str) -> tuple[dict[str, Any], StagePackage]:
        """The package as it came, and what its checks made of it."""
        raw = self._session.api.get(f"/tenders/{tender}/openings/{stage}/package")
        anchors = self._session.folder.anchors
        checked = verify_stage_package(
            raw,
            trust=self._session.trust(),
            log_vkey=anchors.log,
            witness_vkeys=anchors.witnesses,
            now=self._session.clock.now(),
            kind=stage,
        )
        if checked.tender != tender:
            raise NotVerified("package", "the package is for another tender")
        return raw, checked

    def hand_in_batch(self, tender: str, stage: str) -> HandedIn:
        """Check the package, open this member's shares in one step and hand in the signed batch.

        A share that does not open or does not fit is handed in as ``bad`` with the reason, never as it is.
        """
        package = self.package(tender, stage)
        index = self._check_own_entry(package.key_set, tender)
        if self._session.party not in package.session.present:
            raise NotVerified("session", "the session does not name this member as present")
        shares = [self._share(submission, stage, index) for submission in package.submissions]
        document = {
            "type": "mohr/share-batch/v1",
            "tender": tender,
            "stage": stage,
            "session_digest": package.session.digest,
            "party": self._session.party,
            "index": index,
            "shares": shares,
        }
        answer = self._session.api.post(
            f"/tenders/{tender}/openings/{stage}/batches", dict(self._session.sign(document))
        )
        bad = {str(s["manifest_digest"]): str(s["reason"]) for s in shares if s["state"] == "bad"}
        return HandedIn(int(answer["batches"]), int(answer["needed"]), bad)

    def release(self, tender: str, stage: str) -> dict[str, Any]:
        """As the chair: have the custodian release and everything opened; returns the record's wire form."""
        return self._session.api.post(f"/tenders/{tender}/openings/{stage}/release")

    def check_record(self, tender: str, stage: str) -> CheckedRecord:
        """The opening record with its bids, as far as this member can recompute them; raises NotVerified."""
        raw, package = self._package(tender, stage)
        wire = self._session.api.get(f"/tenders/{tender}/openings/{stage}/record")
        bids = self._session.api.get(f"/tenders/{tender}/openings/{stage}/bids")
        with checking("record"):
            record = check_record(wire, bids, package, self._session.trust(), self._session.clock.now())
        self._held = HeldStage(raw, package, record)
        return record

    def fetch_file(self, tender: str, stage: str, manifest_digest: str, name: str, target: Path) -> None:
        """A file of an opened envelope, checked against the bid of the record; raises NotVerified."""
        bid = self.check_record(tender, stage).bids.get(manifest_digest)
        if bid is None:
            raise NotVerified("file", "the record names no such opened bid", manifest=manifest_digest[:64])
        fetch_file(self._session, bid, stage, manifest_digest, name, target)

    def sign_record(self, tender: str, stage: str) -> CheckedRecord:
        """Check the record and put this member's signature under it."""
        checked = self.check_record(tender, stage)
        self._post_signature(f"/tenders/{tender}/openings/{stage}/record/signatures", checked.document)
        return checked

    def sign_minutes(self, tender: str, stage: str) -> list[str]:
        """Check the minutes of an opening (A, B, C) or of the final ``decision`` and sign them as PDF.

        Returns who of those present has yet to sign. Raises NotVerified when they say or hold anything else than
        what this member computes from its own verified papers; then nothing is signed.
        """
        for _ in range(_ROUNDS - 1):
            try:
                return self._sign_minutes(tender, stage)
            except ApiRefusal as refusal:
                # Another member was quicker; what it signed is checked with the rest.
                if refusal.code != "minutes-stale":
                    raise
        return self._sign_minutes(tender, stage)

    def propose_decision(
        self, tender: str, stage: str, *, rejections: Mapping[str, str] = NO_REJECTIONS
    ) -> bytes:
        """A decision on A or B: what the rules propose, less what the member rejects with a reason.

        ``rejections`` is by manifest digest. Returns the document, not signed; others sign the same bytes.
        """
        package, record = self.package(tender, stage), self.check_record(tender, stage)
        verdicts = [
            Verdict(verdict.manifest_digest, False, rejections[verdict.manifest_digest])
            if verdict.manifest_digest in rejections
            else verdict
            for verdict in propose(package.notice.notice, stage, record.results, record.bids)
        ]
        now = self._session.clock.now()
        return canonical_bytes(decision_document(tender, stage, record.digest, verdicts, now))

    def sign_decision(self, tender: str, stage: str, document: bytes) -> bool:
        """Sign a proposed decision if the commission may decide so by its record; returns whether it is in force."""
        package, record = self.package(tender, stage), self.check_record(tender, stage)
        value = parse_canonical(document, max_bytes=_MAX_BYTES)
        about = (value.get("type"), value.get("tender"), value.get("stage"), value.get("record_digest"))
        if about != ("mohr/decision/v1", tender, stage, record.digest):
            raise DraftDiffers("the decision is about another tender, stage or record")
        notice = package.notice.notice
        verdicts = [Verdict.parse(result) for result in value["results"]]
        rules = rules_at(notice.regime, notice.published_at)
        check_verdicts(notice, stage, Record(record.digest, record.results), verdicts, record.bids, rules)
        return self._sign_and_post(f"/tenders/{tender}/decisions/{stage}", document)

    def award_draft(self, tender: str) -> bytes:
        """The award as the server drafts it now; ``sign_award`` checks it."""
        return canonical_bytes(document_of(self._session.api.get(f"/tenders/{tender}/award/draft")))

    def sign_award(self, tender: str, document: bytes) -> bool:
        """Sign an award if it follows from the opened prices by the tender's own rules; whether it is in force.

        Raises AwardNotByPrices when it does not.
        """
        package, record = self.package(tender, "C"), self.check_record(tender, "C")
        value = parse_canonical(document, max_bytes=_MAX_BYTES)
        notice = package.notice.notice
        computed = award_document(
            notice,
            record_digest=record.digest,
            record=record.content,
            bids=record.bids,
            sealed_at={each.manifest_digest: format_utc(each.sealed_at) for each in package.submissions},
            decided_at=format_utc(self._session.clock.now()),
        )
        check_same(value, computed, rules_at(notice.regime, notice.published_at))
        return self._sign_and_post(f"/tenders/{tender}/award", document)

    def _sign_minutes(self, tender: str, stage: str) -> list[str]:
        path = f"/tenders/{tender}/minutes/{stage}"
        answer = self._session.api.get(f"{path}/prepared")
        trust, now = self._session.trust(), self._session.clock.now()
        with checking("minutes"):
            decided = decided_in(answer) if stage == FINAL else None
        held = self._hold(tender, decided.stage if decided else stage)
        with checking("minutes"):
            revision = check_prepared(answer, held, decided, self._session.party, trust, now)
        cms = sign_prepared(revision, self._session.signer, self._session.stamp)
        self._session.folder.write(f"minutes/{tender}-{stage}.pdf", put_in(revision, cms))
        body = {
            "revision": answer["revision"],
            "signed_at": answer["signed_at"],
            "signature": to_base64(cms),
        }
        return [str(party) for party in self._session.api.post(f"{path}/signatures", body)["missing"]]

    def _hold(self, tender: str, stage: str) -> HeldStage:
        """Package and record of a stage as this member has checked them last."""
        held = self._held
        if held is None or (held.package.tender, held.package.stage) != (tender, stage):
            self.check_record(tender, stage)
            held = self._held
        assert held is not None
        return held

    def _share(self, submission: CheckedSubmission, stage: str, index: int) -> dict[str, Any]:
        header = submission.headers[stage]
        entry: dict[str, Any] = {
            "manifest_digest": submission.manifest_digest,
            "state": "bad",
            "share": None,
            "blinding": None,
            "reason": None,
        }
        try:
            share = open_share(submission.share, self._session.folder.key("encryption"), header, index)
            check_share(header, share)
        except DomainError as refusal:
            return {**entry, "reason": refusal.code}
        return {**entry, "state": "ok", "share": share.share.hex(), "blinding": share.blinding.hex()}

    def _check_own_entry(self, key_set: KeySet, tender: str) -> int:
        """This member's index in the key set; raises NotVerified unless the keys there are its own."""
        member = next((each for each in key_set.members if each.party == self._session.party), None)
        if key_set.tender != tender or member is None:
            raise NotVerified("key-set", "the key set is for another tender or leaves this member out")
        folder = self._session.folder
        certificate = folder.certificate("encryption")
        if certificate.public_key() != folder.key("encryption").public_key():
            raise NotVerified("key-set", "the folder's certificate is not for its own key")
        if fingerprint_of(member.encryption_certificate) != fingerprint_of(certificate):
            raise NotVerified("key-set", "the key set holds another encryption certificate for this member")
        if member.signing_certificate != fingerprint_of(folder.certificate("signing")):
            raise NotVerified("key-set", "the key set holds another signing certificate for this member")
        return member.index

    def _check_session(self, tender: str, stage: str, proposed: dict[str, Any]) -> None:
        """What the chair signs must follow from the closing list and the decision that it signed itself."""
        trust = self._session.trust()
        verified = self._session.tender(tender, trust)
        closing, _ = self._session.closing_list(tender, verified.notice, trust)
        about = (proposed.get("type"), proposed.get("tender"), proposed.get("stage"))
        if about != ("mohr/opening-session/v1", tender, stage):
            raise DraftDiffers("the proposed session is for another tender or stage")
        if proposed.get("closing_list_digest") != closing.digest:
            raise DraftDiffers("the proposed session rests on another closing list")
        if head_of(verified.notice.notice.commission) != self._session.party:
            raise DraftDiffers("only the head of the commission opens a session")
        eligible = {str(act.manifest_digest) for act in closing.listed}
        decided = self._session.folder.read_json(f"decisions/{proposed.get('decision_digest')}.json")
        if stage != "A":
            if decided is None:
                raise DraftDiffers("the session rests on a decision that this member does not know")
            eligible &= {r["manifest_digest"] for r in decided["results"] if r["accepted"]}
        elif proposed.get("decision_digest") is not None:
            raise DraftDiffers("a session of stage A rests on no decision")
        if sorted(proposed["manifests"]) != sorted(eligible):
            raise DraftDiffers("the proposed session does not open exactly the eligible envelopes")

    def _sign_and_post(self, path: str, document: bytes) -> bool:
        value = parse_canonical(document, max_bytes=_MAX_BYTES)
        self._session.folder.write(f"decisions/{sha256_hex(document)}.json", document)
        return bool(self._session.api.post(path, dict(self._session.sign(value)))["in_force"])

    def _post_signature(self, path: str, document: bytes) -> dict[str, Any]:
        signature = sign_detached(document, self._session.signer, at=self._session.clock.now())
        return self._session.api.post(path, {"signature": to_base64(signature)})
