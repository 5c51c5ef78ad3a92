"""Bids that no honest client would make: any context, any manifest, sealed well or badly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.demo.cast import Cast
from client.session import PartySession
from kernel.canonical import sha256_hex, to_base64
from pki.timestamp import make_request, token_of_response
from procurement.rules.notice import KINDS
from sealing.context import EnvelopeContext
from sealing.envelope import seal_envelope
from sealing.key_set import KeySet
from sealing.manifest import Manifest, seal_manifest
from sealing.payload import build_payload
from tests.e2e.scenes import LOT

Json = dict[str, Any]


@dataclass(frozen=True)
class HandMade:
    """A bid as it would be sent; ``with_manifest`` and ``with_headers`` seal anew."""

    session: PartySession
    manifest: bytes
    seal: bytes
    headers: Mapping[str, bytes]
    blobs: Mapping[str, bytes]

    @property
    def body(self) -> Json:
        return {
            "manifest": to_base64(self.manifest),
            "seal": to_base64(self.seal),
            "headers": {kind: to_base64(header) for kind, header in self.headers.items()},
        }

    @property
    def seal_digest(self) -> str:
        return sha256_hex(self.seal)

    def with_manifest(self, manifest: bytes) -> HandMade:
        """Another manifest under a good seal."""
        return replace(self, manifest=manifest, seal=sealed(manifest, self.session))


def stamp(session: PartySession, signature_value: bytes) -> bytes:
    """The server's own time stamp over a signature."""
    request = make_request(signature_value)
    answer = session.api.post_bytes("/tsa", request, "application/timestamp-query")
    return token_of_response(answer, request)


def sealed(manifest: bytes, session: PartySession) -> bytes:
    """A good seal of that party over whatever bytes."""
    return seal_manifest(
        manifest, session.signer, at=session.clock.now(), timestamp=lambda value: stamp(session, value)
    )


def hand_made(
    cast: Cast,
    session: PartySession,
    tender: str,
    *,
    padding: int = 0,
    stale_keys: bool = False,
    **context: Any,
) -> HandMade:
    """A bid of that party for a published tender, its context as it should be but for ``context``."""
    verified = session.tender(tender)
    key_set = verified.key_set
    if stale_keys:
        key_set = KeySet.build(
            tender=tender,
            threshold=key_set.threshold,
            members=key_set.members,
            custodian=key_set.custodian,
            created_at=key_set.created_at - timedelta(days=1),
            previous=None,
        )
    values = {
        "notice_digest": verified.notice.digest,
        "tender": tender,
        "lot": LOT,
        "bidder": session.party,
        "submission_number": 1,
        "key_set_digest": key_set.digest,
        **context,
    }
    headers: dict[str, bytes] = {}
    blobs: dict[str, bytes] = {}
    for kind in KINDS:
        of_kind = EnvelopeContext(kind=kind, **values)
        payload = build_payload(
            of_kind, {"statements": []}, {}, session.signer, cast.clock.now(), max(1024, padding), 64 << 20
        )
        made = seal_envelope(payload, of_kind, key_set)
        headers[kind] = made.header
        blobs.update(made.blobs)
    manifest = Manifest.of(EnvelopeContext(kind="A", **values), headers).document()
    return HandMade(session, manifest, sealed(manifest, session), headers, blobs)
