"""A server that holds all the server's keys and may lie: it answers from a TenderWorld, through the client's own line.

``lies`` maps a method and path ending to a function that gets the honest answer and returns another one. Since the
world signs with the genuine receipt key, log and authority, what a lie cannot do here no server can do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from client.errors import ApiRefusal
from client.folder import PartyFolder
from client.http import ApiClient
from client.session import PartySession
from custodian.setup import custodian_vkey
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc
from paper.minutes import render_minutes
from procurement.rules.minutes import StagePapers, opening_minutes
from signing.cms import Signer
from signing.documents import sign_document, to_wire
from signing.pades import prepare, put_in, sign_prepared
from tests.support.tenders import Member, Submission, TenderWorld, bid_content, many

Answer = dict[str, Any]
Lie = Callable[[Answer], Answer]


class WorldServer(httpx.BaseTransport):
    """The routes that bidders and members use; ``calls`` is what was asked, in order."""

    def __init__(self, world: TenderWorld) -> None:
        self.world = world
        self.lies: dict[str, Lie] = {}
        self.calls: list[str] = []
        self.uploaded: dict[str, bytes] = {}
        self.broken_after: int | None = None
        self.refuse_with: str | None = None
        self.batches: list[Answer] = []
        self.signed: list[Answer] = []
        self._waiting: dict[str, list[str]] = {}
        self.minutes_signers: list[Member] = []
        self.prepared = b""
        self.minutes_document: Lie = lambda source: source

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        path = request.url.path
        self.calls.append(f"{request.method} {path}")
        if path == "/tsa":
            return httpx.Response(200, content=self.world.authority.tsa.respond(body))
        try:
            answer = self._route(request.method, path, dict(request.url.params), body)
        except ApiRefusal as refusal:
            return httpx.Response(refusal.status, json={**refusal.problem, "code": refusal.code})
        for ending, lie in self.lies.items():
            if f"{request.method} {path}".endswith(ending):
                answer = lie(json.loads(json.dumps(answer)))
        return httpx.Response(200, json=answer)

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        world, parts = self.world, path.strip("/").split("/")
        if method == "PUT":
            return self._upload(parts[1], parts[3], body)
        if method == "POST":
            return self._take(parts, json.loads(body or b"{}"))
        if path == "/pki/trust":
            return self._trust()
        if path == "/log/proof":
            leaf = query["leaf_hash"]
            for index, entry in enumerate(world.log.entries):
                if world.log.tree.leaf(index).hex() == leaf:
                    return world.log.proof(entry)
            raise ApiRefusal("not-found", 404, "", {})
        if parts[-1] == "notice":
            return self._logged(to_wire(world.notice_document), world.notice_event)
        if parts[-1] == "key-set":
            signed = many(world.key_set.document, world.key_set_signatures)
            return self._logged(signed, world.key_set_event)
        if parts[-1] == "closing-list":
            package: Answer = world.stage_package("A")["closing_list"]
            return package
        if parts[-1] == "next":
            return {"submission_number": 1 + len(world.submissions)}
        if parts[2] == "minutes":
            return self._minutes(parts[3])
        return self._opening(parts)

    def _minutes(self, stage: str) -> Answer:
        """Prepared for the first member, after the signatures of ``minutes_signers``."""
        world, authority = self.world, self.world.authority
        package = world.stage_package(stage)
        record = world.held[stage].record
        assert record is not None
        papers = StagePapers(
            notice=world.notice,
            closing_list=_content(package["closing_list"]),
            session=_content(package["session"]),
            record=parse_canonical(record.document),
            attendances=[_content(each) for each in package["attendances"]],
            bids=world.held[stage].bids,
            decision_before=_content(package["previous_decision"]) if package["previous_decision"] else None,
        )
        pdf = render_minutes(canonical_bytes(self.minutes_document(opening_minutes(papers))))
        now = world.clock.now()
        for member in self.minutes_signers:
            prepared = prepare(pdf, member.party, now)
            pdf = put_in(prepared, sign_prepared(prepared, member.signer, authority.stamp))
        prepared = prepare(pdf, world.members[0].party, now)
        self.prepared = prepared.pdf
        return {
            "pdf": to_base64(prepared.pdf),
            "revision": len(self.minutes_signers) + 1,
            "signed_at": format_utc(prepared.update.signed_at),
            "decided": None,
        }

    def _opening(self, parts: list[str]) -> Answer:
        world, stage, what = self.world, parts[3], parts[-1]
        if what == "draft":
            return {"document": to_base64(world.session(stage).document)}
        if what == "package":
            return world.stage_package(stage, 1)
        held = world.held[stage]
        assert held.record is not None
        if what == "record":
            return many(held.record.document, {world.receipt.party: held.record.signature})
        return {"bids": [{"manifest_digest": digest, "bid": bid} for digest, bid in held.bids.items()]}

    def _take(self, parts: list[str], body: Answer) -> Answer:
        if parts[-1] == "submissions":
            return self._submit(body)
        if parts[-1] == "withdrawals":
            return self._withdraw(body)
        if parts[-1] == "batches":
            self.batches.append(body)
            return {"batches": len(self.batches), "needed": self.world.threshold}
        self.signed.append(body)
        return {"missing": [], "in_force": True}

    def _submit(self, body: Answer) -> Answer:
        world = self.world
        headers = {kind: from_base64(header) for kind, header in body["headers"].items()}
        manifest, seal = from_base64(body["manifest"]), from_base64(body["seal"])
        value = parse_canonical(manifest)
        bidder = next(each for each in world.bidders if each.party == value["bidder"])
        submission = Submission(bidder, value["lot"], value["submission_number"], manifest, seal, headers, {})
        if self.refuse_with is not None:
            receipt = self._receipt_for("refusal", submission, sha256_hex(seal))
            raise ApiRefusal(self.refuse_with, 409, "", {"receipt": receipt})
        known = next((each for each in world.submissions if each.manifest == manifest), None)
        if known is None:
            self._receipt = self._receipt_for("submission", submission, sha256_hex(seal))
            world.submissions.append(submission)
            names = [name for kind in headers for name in submission.header(kind).expected_blobs()]
            self._waiting[submission.manifest_digest] = names
        answer = {
            "id": submission.manifest_digest,
            "receipt": self._receipt,
            "missing": self._waiting[submission.manifest_digest],
        }
        if known is not None:
            raise ApiRefusal("submission-replayed", 409, "", answer)
        return answer

    def _upload(self, submission: str, name: str, body: bytes) -> Answer:
        if self.broken_after is not None:
            if self.broken_after == 0:
                self.broken_after = None
                raise ApiRefusal("unavailable", 500, "", {})
            self.broken_after -= 1
        self.uploaded[name] = body
        self._waiting[submission].remove(name)
        stored = next(each for each in self.world.submissions if each.manifest_digest == submission)
        stored.blobs[name] = body
        return {"missing": self._waiting[submission]}

    def _withdraw(self, body: Answer) -> Answer:
        document = from_base64(body["document"])
        digest = parse_canonical(document)["manifest_digest"]
        submission = next(each for each in self.world.submissions if each.manifest_digest == digest)
        submission.state = "withdrawn"
        return {"receipt": self._receipt_for("withdrawal", submission, sha256_hex(document))}

    def _receipt_for(self, act: str, submission: Submission, digest: str) -> Answer:
        done = self.world.act(act, submission, digest)
        names = (
            "lot",
            "bidder",
            "submission_number",
            "digest",
            "received_at",
            "content",
            "salt",
            "leaf_hash",
        )
        receipt = {
            "type": "mohr/receipt/v1",
            "tender": self.world.tender,
            "act": act,
            "reason": None,
            "timestamp": None,
            "demo": False,
            **{name: done[name] for name in names},
        }
        return dict(to_wire(sign_document(receipt, self.world.receipt, self.world.clock.now())))

    def resign(self, wire: Answer, **changes: Any) -> Answer:
        """The wire's document with changes, signed anew with the genuine receipt key."""
        document = {**parse_canonical(from_base64(wire["document"])), **changes}
        signed = sign_document(document, self.world.receipt, self.world.clock.now())
        return {**wire, **to_wire(signed)}

    def _logged(self, wire: Answer, event: bytes) -> Answer:
        return {**wire, "event": to_base64(event), "proof": self.world.log.proof(event)}

    def _trust(self) -> Answer:
        authority = self.world.authority
        return {
            "root": authority.root.public_bytes(Encoding.PEM).decode(),
            "intermediates": [authority.intermediate.public_bytes(Encoding.PEM).decode()],
            "crls": [to_base64(crl) for crl in self.world.crls()],
        }


def _content(wire: Answer) -> Answer:
    return parse_canonical(from_base64(wire["document"]))


def folder_for(world: TenderWorld, signer: Signer, path: Path, member: Member | None = None) -> PartyFolder:
    """A party's folder with the keys that the world made for it, and the world's anchors."""
    anchors = {
        "type": "mohr/anchors/v1",
        "root": world.authority.root.public_bytes(Encoding.PEM).decode(),
        "log": world.log.vkey,
        "witnesses": [world.witness.vkey],
        "custodian": custodian_vkey(world.folder / "custodian"),
        "demo": False,
    }
    folder = PartyFolder.create(
        path, party=signer.party, name="Party", base_url="http://server.test", anchors=anchors
    )
    chain = world.authority.intermediate.public_bytes(Encoding.PEM)
    keys = [("signing", signer.key, signer.certificate)]
    if member is not None:
        keys.append(("encryption", member.encryption_key, member.encryption_certificate))
    for use, key, certificate in keys:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        folder.write(f"{use}.key.pem", pem, mode=0o600)
        folder.write(f"{use}.cert.pem", certificate.public_bytes(Encoding.PEM))
    folder.write("chain.pem", chain)
    return folder


def session_for(server: WorldServer, folder: PartyFolder) -> PartySession:
    """A session over the world's line, without a login."""
    api = ApiClient(folder.base_url, transport=server, pause_seconds=0.0)
    return PartySession(folder, api, server.world.clock)


def contents(world: TenderWorld, price: str = "900") -> dict[str, dict[str, Any]]:
    """The content of a bid by kind."""
    return {kind: bid_content(kind, price) for kind in ("A", "B", "C")}
