"""What an officer of the secretariat does: take identifiers, deliver files, register them, take one out of force.

What he answers for, he signs, with a time stamp: so his signature is judged for its own time later, in a proof too.
Everything may be sent again: the server answers what is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from authenticity.papers import MAX_DOCUMENTS, Entry, RegistrationPaper, StateChangePaper
from authenticity.record import Act
from client.http import ApiClient
from kernel.canonical import canonical_bytes, to_base64
from kernel.clock import Clock
from kernel.ids import new_secret
from pki.timestamp import make_request, token_of_response
from signing.cms import Signer, sign_detached

MAX_IDENTIFIERS = 1_000
_PIECE_BYTES = 1 << 20
_PAGE = 500


class Secretary:
    """An officer's actions over a connection that is logged in as him."""

    def __init__(self, api: ApiClient, signer: Signer, clock: Clock) -> None:
        self._api = api
        self._signer = signer
        self._clock = clock

    def reserve(self, count: int) -> list[str]:
        """So many fresh identifiers, to be put on documents; they lapse when nothing is registered with them."""
        found: list[str] = []
        while len(found) < count:
            body = {"count": min(count - len(found), MAX_IDENTIFIERS)}
            found += [str(each) for each in self._api.post("/documents/identifiers", body)["identifiers"]]
        return found

    def deliver(self, source: Path | bytes, digest: str, size: int) -> None:
        """Send a file whose SHA-256 (hex) and length are known; once more does no harm."""
        self._api.put_stream(
            f"/documents/files/{digest}", lambda: _pieces(source), {"Content-Length": str(size)}
        )

    def register(self, unit: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Sign for 1 to 500 delivered documents of a unit; what is registered of each, in their order."""
        paper = RegistrationPaper(unit, tuple(entries[:MAX_DOCUMENTS]), new_secret().hex())
        answer = self._send("/documents/registrations", paper.to_document())
        return list(answer["registrations"])

    def change(self, act: Act, identifier: str, successor: str | None, reason: str) -> dict[str, Any]:
        """Take a document out of force for good; what is registered of it then."""
        paper = StateChangePaper(act, identifier, successor, reason, new_secret().hex())
        return self._send("/documents/changes", paper.to_document())

    def registrations(self, unit: str) -> Iterator[dict[str, Any]]:
        """All documents of the officer's unit, in the order of their registration."""
        query: dict[str, str | int] = {"unit": unit, "limit": _PAGE}
        while True:
            page = self._api.get("/documents/registrations", **query)["registrations"]
            yield from page
            if len(page) < _PAGE:
                return
            query["after"] = str(page[-1]["document"])

    def proof(self, identifier: str, digest: str) -> bytes:
        """The file that proves a registration; raises ApiRefusal ``unavailable`` until the log holds it."""
        return self._api.get_bytes(f"/documents/{identifier}/proof", digest=digest)

    def _send(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        document = canonical_bytes(content)
        signature = sign_detached(document, self._signer, at=self._clock.now(), timestamp=self._stamp)
        return self._api.post(path, {"document": to_base64(document), "signature": to_base64(signature)})

    def _stamp(self, signature_value: bytes) -> bytes:
        request = make_request(signature_value)
        return token_of_response(
            self._api.post_bytes("/tsa", request, "application/timestamp-query"), request
        )


def digest_and_size(source: Path) -> tuple[str, int]:
    """SHA-256 (hex) and length of a file, read once."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
