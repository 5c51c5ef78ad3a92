"""What a bidder does: check the call, seal at home, submit, replace, withdraw, and check the closing list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.errors import ApiRefusal, NotVerified, ReceiptInvalid
from client.receipts import Expected, Receipt, await_inclusion, check_receipt
from client.sealed_bids import COMPLETE, SUBMITTED, WITHDRAWN, SealedBid, SealedBids
from client.session import PartySession, VerifiedTender
from client.uploads import upload
from kernel.canonical import from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.errors import MalformedInput
from pki.trust import TrustStore
from procurement.published import ClosingList, ListedAct
from procurement.rules.notice import KINDS
from sealing.content import Blob, FileContent, measure
from sealing.context import EnvelopeContext
from sealing.envelope import content_name, seal_to
from sealing.manifest import Manifest, seal_manifest, verify_seal
from sealing.payload import ComposedPayload, compose_payload

# By name, the bytes of a file or where it lies.
Files = Mapping[str, bytes | Path]
NO_FILES: Mapping[str, Files] = {}


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission that is wholly at the server, with its checked receipt and inclusion proof."""

    id: str
    bid: SealedBid
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class ListCheck:
    """Whether the closing list says of a lot what the bidder knows; if not, ``evidence`` shows it to others."""

    lot: str
    manifest_digest: str
    listed: bool
    reason: str | None = None
    evidence: dict[str, Any] | None = None


class Bidder:
    """A bidder's actions; nothing of a bid leaves the machine unsealed."""

    def __init__(self, session: PartySession) -> None:
        self._session = session
        self._bids = SealedBids(session.folder)

    def check_tender(self, tender: str) -> VerifiedTender:
        """Notice and key set as they may be trusted; raises NotVerified."""
        return self._session.tender(tender)

    def prepare_bid(
        self,
        tender: str,
        lot: str,
        contents: Mapping[str, dict[str, Any]],
        *,
        files: Mapping[str, Files] = NO_FILES,
    ) -> SealedBid:
        """Seal A, B and C for the tender's verified keys and keep the result in the folder; nothing is sent yet.

        ``contents`` and ``files`` are by kind, as ``mohr/bid/v1`` has them; a file is its bytes or its path, and
        one of any size is never held. Only the digest of the seal's signature goes out, to the time-stamping
        authority. Raises NotVerified, MalformedInput, LimitExceeded, PayloadInvalid, or StorageFull.
        """
        if set(contents) != set(KINDS) or not set(files) <= set(KINDS):
            raise MalformedInput("a bid has the envelopes A, B and C")
        trust = self._session.trust()
        verified = self._session.tender(tender, trust)
        if lot not in verified.notice.notice.lot_ids:
            raise MalformedInput("the notice has no such lot", lot=lot[:64])
        number = self._next_number(tender, lot)
        headers: dict[str, bytes] = {}
        with self._bids.sealing() as sealing:
            for kind in KINDS:
                context = self._context(verified, lot, kind, number)
                payload = self._payload(context, contents[kind], files.get(kind, {}), verified)
                with sealing.writing(content_name(kind)) as target:
                    sealed = seal_to(payload, context, verified.key_set, target)
                sealing.write(sealed.blobs)
                headers[kind] = sealed.header
            manifest = Manifest.of(self._context(verified, lot, KINDS[0], number), headers).document()
            now = self._session.clock.now()
            seal = seal_manifest(manifest, self._session.signer, at=now, timestamp=self._stamp)
            self._check_seal(manifest, seal, headers, trust, verified)
            bid = SealedBid(tender, lot, number, manifest, seal, headers, sealing.names)
            self._bids.add(bid, sealing)
        return bid

    def submit(self, bid: SealedBid) -> Submitted:
        """Send manifest, headers and seal, then the blobs; check the receipt and wait for its proof.

        Can be repeated after any interruption: what the server has, of a large blob too, is not sent again.
        Raises ApiRefusal (a refusal with a receipt is checked and kept first), ReceiptInvalid or Unavailable.
        """
        trust = self._session.trust()
        expected = self._expected(bid, "submission", bid.seal_digest)
        answer = self._hand_in(bid, trust, expected)
        receipt = check_receipt(answer["receipt"], expected, trust, self._session)
        self._keep(bid.manifest_digest, receipt)
        bid = self._bids.mark(bid, SUBMITTED, id_=str(answer["id"]))
        missing = [str(name) for name in answer["missing"]]
        while missing:
            name = missing[0]
            try:
                after = upload(
                    self._session.api, f"/submissions/{bid.id}/blobs/{name}", self._bids.blob(bid, name)
                )
            except ApiRefusal as refusal:
                self._keep_refusal(refusal, bid, trust)
                raise
            if name in after:
                raise NotVerified("upload", "the server says that a blob it took is missing", name=name)
            missing = after
        bid = self._bids.mark(bid, COMPLETE)
        receipt = await_inclusion(receipt, self._session)
        self._keep(bid.manifest_digest, receipt)
        return Submitted(str(bid.id), bid, receipt)

    def replace(
        self,
        tender: str,
        lot: str,
        contents: Mapping[str, dict[str, Any]],
        *,
        files: Mapping[str, Files] = NO_FILES,
    ) -> Submitted:
        """A new submission with a higher number and fresh secrets takes the place of the one before."""
        return self.submit(self.prepare_bid(tender, lot, contents, files=files))

    def withdraw(self, bid: SealedBid) -> Receipt:
        """Withdraw a submission by naming its manifest; returns the checked receipt with its proof.

        Can be repeated when the answer was lost: the same signed document gets the same receipt.
        """
        trust = self._session.trust()
        path = f"bids/{bid.manifest_digest}/withdrawal.json"
        wire = self._session.folder.read_json(path)
        if wire is None:
            wire = dict(
                self._session.sign(
                    {
                        "type": "mohr/withdrawal/v1",
                        "tender": bid.tender,
                        "lot": bid.lot,
                        "bidder": self._session.party,
                        "manifest_digest": bid.manifest_digest,
                        "withdrawn_at": format_utc(self._session.clock.now()),
                    }
                )
            )
            self._session.folder.write_json(path, wire)
        answer = self._session.api.post(f"/tenders/{bid.tender}/withdrawals", dict(wire))
        digest = sha256_hex(_document(wire))
        expected = self._expected(bid, "withdrawal", digest)
        receipt = check_receipt(answer["receipt"], expected, trust, self._session)
        self._bids.mark(bid, WITHDRAWN)
        self._keep(f"withdrawal-{bid.manifest_digest}", receipt)
        receipt = await_inclusion(receipt, self._session)
        self._keep(f"withdrawal-{bid.manifest_digest}", receipt)
        return receipt

    def check_closing_list(self, tender: str) -> list[ListCheck]:
        """For each lot bid for: the last complete submission is listed, or evidence that it was left out."""
        trust = self._session.trust()
        verified = self._session.tender(tender, trust)
        closing, wire = self._session.closing_list(tender, verified.notice, trust)
        return [self._check_listed(bid, closing, wire) for bid in self._standing(tender)]

    def bids(self, tender: str) -> list[SealedBid]:
        """What the folder holds for a tender."""
        return self._bids.of_tender(tender)

    def _next_number(self, tender: str, lot: str) -> int:
        answer = self._session.api.get(f"/tenders/{tender}/submissions/next", lot=lot)
        number = answer.get("submission_number")
        if not isinstance(number, int) or number < 1:
            raise NotVerified("submission-number", "the server names no submission number")
        # A number is never used twice, whatever the server says: the context would be the same.
        used = [bid.submission_number for bid in self._bids.of_tender(tender) if bid.lot == lot]
        return max([number, *(one + 1 for one in used if one >= number)])

    def _context(self, verified: VerifiedTender, lot: str, kind: str, number: int) -> EnvelopeContext:
        return EnvelopeContext(
            notice_digest=verified.notice.digest,
            tender=verified.tender,
            lot=lot,
            bidder=self._session.party,
            kind=kind,
            submission_number=number,
            key_set_digest=verified.notice.notice.key_set_digest,
        )

    def _payload(
        self,
        context: EnvelopeContext,
        content: dict[str, Any],
        files: Files,
        verified: VerifiedTender,
    ) -> ComposedPayload:
        terms = verified.notice.notice
        return compose_payload(
            context,
            content,
            {name: _blob(file) for name, file in files.items()},
            self._session.signer,
            self._session.clock.now(),
            terms.padding_floor_bytes[context.kind],
            terms.max_envelope_bytes,
        )

    def _stamp(self, signature_value: bytes) -> bytes:
        return self._session.stamp(signature_value)

    def _check_seal(
        self,
        manifest: bytes,
        seal: bytes,
        headers: Mapping[str, bytes],
        trust: TrustStore,
        verified: VerifiedTender,
    ) -> None:
        """The seal as everybody else will judge it, before it is kept or sent."""
        now = self._session.clock.now()
        report = verify_seal(manifest, seal, headers, trust, now=now, party=self._session.party)
        if report.sealed_at > verified.notice.notice.submission_deadline:
            raise NotVerified("time-stamp", "the deadline has passed", sealed_at=format_utc(report.sealed_at))

    def _hand_in(self, bid: SealedBid, trust: TrustStore, expected: Expected) -> dict[str, Any]:
        body = {
            "manifest": to_base64(bid.manifest),
            "seal": to_base64(bid.seal),
            "headers": {kind: to_base64(header) for kind, header in bid.headers.items()},
        }
        try:
            return self._session.api.post(f"/tenders/{bid.tender}/submissions", body)
        except ApiRefusal as refusal:
            known = refusal.problem
            if refusal.code == "submission-replayed" and {"id", "missing", "receipt"} <= set(known):
                return known
            self._keep_refusal(refusal, bid, trust)
            raise

    def _keep_refusal(self, refusal: ApiRefusal, bid: SealedBid, trust: TrustStore) -> None:
        """A refusal's receipt is evidence too; one that does not check out is not kept as if it were."""
        wire = refusal.problem.get("receipt")
        if wire is None:
            return
        try:
            digest = str(_claimed(wire)["digest"])
            receipt = check_receipt(wire, self._expected(bid, "refusal", digest), trust, self._session)
        except (ReceiptInvalid, MalformedInput, KeyError):
            return
        self._keep(f"refusal-{bid.manifest_digest}-{receipt.leaf_hash[:16]}", receipt)

    def _expected(self, bid: SealedBid, act: str, digest: str) -> Expected:
        return Expected(bid.tender, bid.lot, self._session.party, bid.submission_number, act, digest)

    def _keep(self, name: str, receipt: Receipt) -> None:
        self._session.folder.write_json(f"receipts/{name}.json", receipt.to_json())

    def _standing(self, tender: str) -> list[SealedBid]:
        """By lot, the last submission that was complete and not withdrawn."""
        last: dict[str, SealedBid] = {}
        for bid in self._bids.of_tender(tender):
            if bid.state in (COMPLETE, WITHDRAWN):
                last[bid.lot] = bid
        return [bid for bid in last.values() if bid.state == COMPLETE]

    def _check_listed(self, bid: SealedBid, closing: ClosingList, wire: dict[str, Any]) -> ListCheck:
        receipt = self._session.folder.read_json(f"receipts/{bid.manifest_digest}.json")
        reason = _difference(closing.find(bid.manifest_digest), bid, receipt, self._session.party)
        if reason is None:
            return ListCheck(bid.lot, bid.manifest_digest, listed=True)
        evidence = {
            "reason": reason,
            "manifest": to_base64(bid.manifest),
            "seal": to_base64(bid.seal),
            "receipt": receipt,
            "closing_list": wire,
        }
        self._session.folder.write_json(f"receipts/evidence-{bid.manifest_digest}.json", evidence)
        return ListCheck(bid.lot, bid.manifest_digest, listed=False, reason=reason, evidence=evidence)


def _difference(
    act: ListedAct | None, bid: SealedBid, receipt: dict[str, Any] | None, party: str
) -> str | None:
    if act is None:
        return "the closing list does not name the submission"
    if (act.bidder, act.lot, act.digest) != (party, bid.lot, bid.seal_digest):
        return "the closing list names another bidder, lot or seal for the manifest"
    if receipt is not None and act.leaf_hash != _claimed(receipt)["leaf_hash"]:
        return "the closing list discloses another leaf than the receipt"
    if act.state != "listed":
        return f"the closing list calls the submission {act.state}"
    return None


def _claimed(wire: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt's content before or without checking it."""
    return parse_canonical(_document(wire))


def _document(wire: Mapping[str, Any]) -> bytes:
    return from_base64(wire["document"])


def listed_files(files: Files) -> list[dict[str, Any]]:
    """``files`` of the content of B: name, digest and length of each, read once. Raises MalformedInput."""
    entries = []
    for name in sorted(files):
        length, digest = measure(_blob(files[name]))
        entries.append({"name": name, "digest": digest, "length": length})
    return entries


def _blob(file: bytes | Path) -> Blob:
    if isinstance(file, bytes):
        return file
    if not file.is_file():
        raise MalformedInput("a file to be sealed is not there", path=str(file))
    return FileContent(file)
