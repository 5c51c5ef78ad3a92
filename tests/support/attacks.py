"""What a dishonest server, bidder or member sends, to the processes themselves and past every honest client."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from app.demo.cast import SEATS, Cast
from app.demo.scripts import party_of_name
from app.demo.stage import Stage
from client.session import PartySession
from custodian.keys import CustodianKeys
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc
from kernel.ids import new_id, new_secret
from pki.keys import KeyStore
from procurement.rules.events import SubmissionClosed
from sealing.context import EnvelopeContext
from sealing.envelope import EnvelopeHeader, share_name
from sealing.errors import ShareInvalid
from sealing.manifest import Manifest
from sealing.shares import Share, open_share
from signing.documents import sign_document, to_wire
from tests.e2e.sealing_by_hand import HandMade, sealed
from tests.support.forgery import ServerKeys
from transparency.commitment import disclosed_content, disclosed_leaf_hash

Json = dict[str, Any]
HOLDERS = [party_of_name("IR", name) for seat, name in SEATS if seat != "observer"]


@dataclass(frozen=True)
class Operator:
    """Whoever runs the server: its keys, its object store, its token for the custodian."""

    stage: Stage
    cast: Cast
    keys: ServerKeys

    @classmethod
    def of(cls, stage: Stage, cast: Cast) -> Operator:
        return cls(stage, cast, ServerKeys.of(stage.folder))

    def blob(self, digest: str) -> bytes:
        """From the object store."""
        return (self.stage.folder / "objects" / digest[:2] / digest).read_bytes()

    def member(self, position: int) -> PartySession:
        """A member who does whatever the operator asks."""
        return self.cast.person(SEATS[position][1], "member")

    def ask_custodian(self, package: Json) -> httpx.Response:
        """POST /release, past the server."""
        headers = {"Authorization": f"Bearer {self.keys.custodian_token}"}
        return httpx.post(
            f"{self.keys.custodian_url}/release",
            json={"package": package},
            headers=headers,
            timeout=60.0,
            trust_env=False,
        )

    def package(self, tender: str, stage: str) -> Json:
        """The true package of an open session as the custodian gets it, without batches."""
        package: Json = self.member(0).api.get(f"/tenders/{tender}/openings/{stage}/package")
        for entry in package["submissions"]:
            header = EnvelopeHeader.parse(from_base64(entry["headers"][stage]))
            entry["share"] = to_base64(self.blob(header.share(0).digest))
        return {**package, "batches": []}

    def session(self, tender: str, stage: str, package: Json, **changes: Any) -> Json:
        """A session signed by a head who plays along."""
        document = {
            "type": "mohr/opening-session/v1",
            "tender": tender,
            "stage": stage,
            "closing_list_digest": sha256_hex(from_base64(package["closing_list"]["document"])),
            "decision_digest": None,
            "present": [self.member(position).party for position in range(3)],
            "manifests": [entry["manifest_digest"] for entry in package["submissions"]],
            "opened_at": format_utc(self.cast.clock.now()),
            **changes,
        }
        return dict(self.member(0).sign(document))

    def attendances(self, tender: str, stage: str) -> list[Json]:
        """Three who sign in wherever they are asked to."""
        return [
            dict(
                each.sign(
                    {
                        "type": "mohr/attendance/v1",
                        "tender": tender,
                        "stage": stage,
                        "party": each.party,
                        "conflict": False,
                        "statement": "",
                        "at": format_utc(self.cast.clock.now()),
                    }
                )
            )
            for each in (self.member(position) for position in range(3))
        ]

    def batch(self, position: int, tender: str, stage: str, package: Json, **forged: Share) -> Json:
        """A member's batch for a package; ``forged`` by manifest digest replaces what the member holds."""
        member = self.member(position)
        index = position + 1
        shares = []
        for entry in package["submissions"]:
            digest = entry["manifest_digest"]
            header = EnvelopeHeader.parse(from_base64(entry["headers"][stage]))
            share = forged.get(digest) or self._share(member, header, index)
            shares.append(
                {
                    "manifest_digest": digest,
                    "state": "ok" if share else "bad",
                    "share": share.share.hex() if share else None,
                    "blinding": share.blinding.hex() if share else None,
                    "reason": None if share else "share-invalid",
                }
            )
        document = {
            "type": "mohr/share-batch/v1",
            "tender": tender,
            "stage": stage,
            "session_digest": sha256_hex(from_base64(package["session"]["document"])),
            "party": member.party,
            "index": index,
            "shares": shares,
        }
        return dict(member.sign(document))

    def closing_list(
        self, tender: str, bids: Sequence[Any], *, closed_at: datetime, cosigned_at: datetime
    ) -> Json:
        """A closing list that the server invents, in a log that the witness cosigned for it at that time."""
        verified = self.member(0).tender(tender)
        terms = verified.notice.notice
        received = min(closed_at, terms.submission_deadline)
        acts = [self._act(tender, counter, bid, received) for counter, bid in enumerate(bids, start=1)]
        document = {
            "type": "mohr/closing-list/v1",
            "tender": tender,
            "notice_digest": verified.notice.digest,
            "key_set_digest": terms.key_set_digest,
            "submission_deadline": format_utc(terms.submission_deadline),
            "closed_at": format_utc(closed_at),
            "submissions": acts,
        }
        signed = sign_document(document, self.keys.receipt, self.cast.clock.now())
        event = canonical_bytes(
            {
                "id": new_id(),
                "type": SubmissionClosed.type,
                "subject": tender,
                "time": format_utc(closed_at),
                "sequence": 6,
                "data": {"tender": tender, "digest": signed.digest},
            }
        )
        proof = self.keys.proof(event, cosigned_at)
        return {**to_wire(signed), "event": to_base64(event), "proof": proof}

    def invented(self, tender: str, stage: str, bids: Sequence[Any], closing_list: Json) -> Json:
        """A whole package for bids that are in the object store, resting on that closing list."""
        wire = self.member(0).published(f"/tenders/{tender}/notice")
        key_set = self.member(0).published(f"/tenders/{tender}/key-set")
        package: Json = {
            "stage": stage,
            "notice": {name: wire[name] for name in ("document", "signature")},
            "key_set": {name: key_set[name] for name in ("document", "signatures")},
            "closing_list": closing_list,
            "attendances": self.attendances(tender, stage),
            "previous_decision": None,
            "previous_record": None,
            "previous_session": None,
            "crls": [to_base64(crl) for crl in self.crls()],
            "submissions": [self.entry(bid, stage) for bid in bids],
        }
        package["session"] = self.session(tender, stage, package)
        package["batches"] = [self.batch(position, tender, stage, package) for position in range(3)]
        return package

    def crls(self) -> list[bytes]:
        """The revocation lists that everybody may have."""
        answer = self.member(0).api.get("/pki/trust")
        return [from_base64(crl) for crl in answer["crls"]]

    def custodian_key(self, tender: str, stage: str) -> ec.EllipticCurvePrivateKey:
        """Out of the custodian's own folder, by somebody who broke in there."""
        folder = self.stage.folder / "custodian"
        passphrase = (folder / "passphrase").read_text("ascii").strip()
        return CustodianKeys(KeyStore(folder / "keys", passphrase)).load(tender, stage)

    def _share(self, member: PartySession, header: EnvelopeHeader, index: int) -> Share | None:
        blob = self.blob(header.share(index).digest)
        try:
            return open_share(blob, member.folder.key("encryption"), header, index)
        except ShareInvalid:
            return None

    def entry(self, bid: Any, stage: str) -> Json:
        header = EnvelopeHeader.parse(bid.headers[stage])
        return {
            "manifest_digest": sha256_hex(bid.manifest),
            "manifest": to_base64(bid.manifest),
            "seal": to_base64(bid.seal),
            "headers": {kind: to_base64(each) for kind, each in bid.headers.items()},
            "share": to_base64(self.blob(header.share(0).digest)),
        }

    def _act(self, tender: str, counter: int, bid: Any, at: datetime) -> Json:
        manifest = parse_canonical(bid.manifest)
        salt, counter_salt, received_at = new_secret().hex(), new_secret().hex(), format_utc(at)
        content = disclosed_content(
            act="submission",
            tender=tender,
            digest=sha256_hex(bid.seal),
            received_at=received_at,
            counter=counter,
            counter_salt=counter_salt,
        )
        return {
            "counter": counter,
            "counter_salt": counter_salt,
            "salt": salt,
            "act": "submission",
            "lot": manifest["lot"],
            "bidder": manifest["bidder"],
            "submission_number": manifest["submission_number"],
            "manifest_digest": sha256_hex(bid.manifest),
            "digest": sha256_hex(bid.seal),
            "received_at": received_at,
            "leaf_hash": disclosed_leaf_hash(content, salt),
            "state": "listed",
        }


def dealt(bid: HandMade, kind: str, how: Callable[[Json, dict[str, bytes]], None]) -> HandMade:
    """The bid with one envelope dealt otherwise: ``how`` changes header and blobs, whose digests then are made true."""
    header: Json = json.loads(bid.headers[kind])
    blobs = dict(bid.blobs)
    how(header, blobs)
    content, structure = blobs[f"{kind}.content.bin"], blobs[f"{kind}.content.der"]
    header["content"] = {
        "length": len(content),
        "digest": sha256_hex(content),
        "cms_length": len(structure),
        "cms_digest": sha256_hex(structure),
    }
    for entry in header["shares"]:
        blob = blobs[share_name(kind, entry["index"])]
        entry |= {"length": len(blob), "digest": sha256_hex(blob)}
    headers = {**bid.headers, kind: canonical_bytes(header)}
    context = EnvelopeContext.from_json(header["context"])
    manifest = Manifest.of(context, headers).document()
    return replace(bid, headers=headers, blobs=blobs, manifest=manifest, seal=sealed(manifest, bid.session))


def handed_in(tender: str, bid: HandMade) -> str:
    """Send a bid, whatever it is, with all of its blobs; returns the digest of its manifest."""
    answer = bid.session.api.post(f"/tenders/{tender}/submissions", bid.body)
    for name in answer["missing"]:
        bid.session.api.put_bytes(f"/submissions/{answer['id']}/blobs/{name}", bid.blobs[name])
    return sha256_hex(bid.manifest)


def found_in(folder: Path, *needles: bytes) -> list[Path]:
    """Files below a folder that hold one of the byte strings."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]
