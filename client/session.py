"""A party at work: its folder, a connection, and published documents that are believed only once they verify."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from client.errors import ApiRefusal, NotVerified
from client.folder import PartyFolder
from client.http import ApiClient
from kernel.canonical import from_base64
from kernel.clock import Clock
from kernel.errors import DomainError, Unavailable
from pki.timestamp import make_request, token_of_response
from pki.trust import TrustStore
from procurement.published import (
    MAX_CLOSING_LIST_BYTES,
    ClosingList,
    PublishedNotice,
    read_closing_list,
    read_key_set,
    read_notice,
    verify_event,
)
from procurement.rules.events import Event, KeySetPublished, SubmissionClosed, TenderPublished
from sealing.key_set import KeySet
from signing.cms import Signer
from signing.documents import sign_document, to_wire

PROOF_WAIT_SECONDS = 10.0
PROOF_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class VerifiedTender:
    """A notice and its key set, both signed as they must be and both in the log under a cosigned checkpoint."""

    notice: PublishedNotice
    key_set: KeySet

    @property
    def tender(self) -> str:
        return self.notice.notice.tender


class PartySession:
    """What every party's client needs; ``clock`` is this machine's, or a demo's shared one."""

    def __init__(self, folder: PartyFolder, api: ApiClient, clock: Clock) -> None:
        self.folder = folder
        self.api = api
        self.clock = clock
        self._signer: Signer | None = None
        self._trusted: tuple[dict[str, Any], TrustStore] | None = None

    @property
    def party(self) -> str:
        return self.folder.party

    @property
    def signer(self) -> Signer:
        """The party's key and certificate, read once."""
        if self._signer is None:
            self._signer = self.folder.signer()
        return self._signer

    def trust(self) -> TrustStore:
        """The pinned root with the server's intermediates and newest revocation lists, all signed below it.

        While the server answers the same, it is the same store: it remembers the paths that it has found.
        """
        answer = self.api.get("/pki/trust")
        with checking("trust"):
            if self._trusted is not None and self._trusted[0] == answer:
                return self._trusted[1]
            texts = [answer["root"], *answer.get("roots", ())]
            roots = [x509.load_pem_x509_certificate(text.encode("ascii")) for text in texts]
            if self.folder.anchors.root not in roots:
                raise NotVerified("trust", "the server speaks for another root than the pinned one")
            intermediates = [
                each
                for pem in answer["intermediates"]
                for each in x509.load_pem_x509_certificates(pem.encode("ascii"))
            ]
            crls = [from_base64(crl, max_bytes=64 << 20) for crl in answer["crls"]]
            store = self.folder.trust(crls, intermediates)
            self._trusted = answer, store
            return store

    def tender(self, tender: str, trust: TrustStore | None = None) -> VerifiedTender:
        """Notice and key set; raises NotVerified unless every signature and both inclusion proofs hold."""
        trust = trust or self.trust()
        notice = self.notice(tender, trust)
        wire = self.published(f"/tenders/{tender}/key-set")
        with checking("key-set"):
            key_set = read_key_set(wire, trust, notice=notice.notice, now=self.clock.now())
            self.require_logged(wire, KeySetPublished, tender, key_set.digest)
        return VerifiedTender(notice, key_set)

    def notice(self, tender: str, trust: TrustStore) -> PublishedNotice:
        """The published notice; raises NotVerified."""
        wire = self.published(f"/tenders/{tender}/notice")
        with checking("notice"):
            document, signature = from_base64(wire["document"]), from_base64(wire["signature"])
            notice = read_notice(document, signature, trust, now=self.clock.now())
            if notice.notice.tender != tender:
                raise NotVerified("notice", "the notice is for another tender")
            self.require_logged(wire, TenderPublished, tender, notice.digest)
        return notice

    def closing_list(
        self, tender: str, notice: PublishedNotice, trust: TrustStore
    ) -> tuple[ClosingList, dict[str, Any]]:
        """The closing list and its wire form with event and proof; raises NotVerified."""
        wire = self.published(f"/tenders/{tender}/closing-list")
        with checking("closing-list"):
            document = from_base64(wire["document"], max_bytes=MAX_CLOSING_LIST_BYTES)
            signature = from_base64(wire["signature"])
            closing = read_closing_list(document, signature, trust, notice=notice, now=self.clock.now())
            self.require_logged(wire, SubmissionClosed, tender, closing.digest)
        return closing, wire

    def published(self, path: str) -> dict[str, Any]:
        """A published document whose event is in the log; waits a few seconds for the proof."""

        def fetch() -> dict[str, Any] | None:
            wire = self.api.get(path)
            return wire if wire.get("proof") is not None else None

        return self.wait_for(fetch, "the log gave no proof for what is published")

    def require_logged(self, wire: Mapping[str, Any], fact: type[Event], tender: str, digest: str) -> None:
        """The wire's event names the digest and is in the pinned log, cosigned by a pinned witness."""
        anchors = self.folder.anchors
        verify_event(
            from_base64(wire["event"]),
            wire["proof"],
            fact=fact,
            tender=tender,
            digest=digest,
            log_vkey=anchors.log,
            witness_vkeys=anchors.witnesses,
        )

    def sign(self, document: dict[str, Any]) -> dict[str, str]:
        """Sign a document as this party; the wire form."""
        return to_wire(sign_document(document, self.signer, self.clock.now()))

    def stamp(self, signature_value: bytes) -> bytes:
        """A time stamp (RFC 3161) over a signature value, from the server's authority."""
        request = make_request(signature_value)
        answer = self.api.post_bytes("/tsa", request, "application/timestamp-query")
        return token_of_response(answer, request)

    def wait_for(self, fetch: Callable[[], dict[str, Any] | None], what: str) -> dict[str, Any]:
        """Ask until there is an answer, for ``PROOF_WAIT_SECONDS`` of this machine's time; raises Unavailable."""
        ends = time.monotonic() + PROOF_WAIT_SECONDS
        while True:
            try:
                answer = fetch()
            except ApiRefusal as refusal:
                if refusal.code != "not-found":
                    raise
                answer = None
            if answer is not None:
                return answer
            if time.monotonic() > ends:
                raise Unavailable(what)
            time.sleep(PROOF_PAUSE_SECONDS)


@contextmanager
def checking(check: str) -> Iterator[None]:
    """Whatever goes wrong inside, malformed answers included, is a NotVerified that names ``check``."""
    try:
        yield
    except NotVerified:
        raise
    except DomainError as error:
        raise NotVerified(check, error.detail, cause=error.code) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotVerified(check, "a part of the answer is missing or malformed") from error
