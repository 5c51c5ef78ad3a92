"""The public check by a program: the signed answer of the register, believed only once everything in it verifies.

(1) The service of the pinned root signed it; (2) it answers what was asked, lately; (3) record and salt lead to the
commitment in its log entry; (4) that entry is in the pinned log, cosigned by a pinned witness.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography import x509

from authenticity.answers import ANSWER
from authenticity.record import Record
from client.anchors import Anchors
from client.errors import NotVerified
from client.http import ApiClient
from client.session import checking
from kernel.canonical import from_base64, parse_canonical, parse_json
from kernel.clock import Clock, parse_utc
from pki.trust import TrustStore
from procurement.published import read_signed, require_service
from transparency.proof import VerifiedProof, verify_proof

# How old an answer may be, and how far clocks may differ.
_FRESH = timedelta(minutes=10)
MAX_ANSWER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """``content`` is ``mohr/document-answer/v1``; ``logged`` is None while the log has not taken the entry up, and for
    a document of which no more is told."""

    content: dict[str, Any]
    signed_by: str
    logged: VerifiedProof | None

    @property
    def verdict(self) -> str:
        return str(self.content["verdict"])

    @property
    def state(self) -> str | None:
        found = self.content["registration"]
        return None if found is None else str(found["state"])


class DocumentCheck:
    """Asks one server, trusting pinned anchors alone; needs no session."""

    def __init__(self, api: ApiClient, anchors: Anchors, clock: Clock) -> None:
        self._api = api
        self._anchors = anchors
        self._clock = clock

    def by_identifier(self, identifier: str) -> CheckedAnswer:
        """What is registered under 20 digits; raises ApiRefusal, NotVerified."""
        return self._checked(self._api.get(f"/documents/{identifier}"), identifier)

    def by_digest(self, digest: str) -> CheckedAnswer:
        """What is said of the bytes with that SHA-256 (hex)."""
        return self._checked(self._api.get(f"/documents/by-digest/{digest}"), digest)

    def by_file(self, content: bytes, digest: str) -> CheckedAnswer:
        """What is found in a whole file, which is sent: also what was changed in it."""
        answer = self._api.post_bytes("/documents/examinations", content, "application/octet-stream")
        with checking("answer"):
            return self._checked(parse_json(answer, max_bytes=2 * MAX_ANSWER_BYTES), digest)

    def _checked(self, wire: dict[str, Any], asked: str) -> CheckedAnswer:
        with checking("answer"):
            document = from_base64(wire["document"], max_bytes=MAX_ANSWER_BYTES)
            now = self._clock.now()
            signed = read_signed(
                document,
                from_base64(wire["signature"]),
                self._trust(),
                type_=ANSWER,
                now=now,
                max_bytes=MAX_ANSWER_BYTES,
            )  # (1)
            require_service(signed.certificate)
            content = signed.document
            if content["value"] != asked or abs(parse_utc(content["at"]) - now) > _FRESH:  # (2)
                raise NotVerified("answer", "the server answers something else, or some other day")
            _require_about(content, asked)
            return CheckedAnswer(content, signed.party, self._logged(content))

    def _logged(self, content: dict[str, Any]) -> VerifiedProof | None:
        found, proof = content["registration"], content["proof"]
        if proof is None or found is None or "record" not in found:
            return None
        entry = from_base64(proof["entry"])
        told, record = parse_canonical(entry)["data"], Record(**found["record"])
        if told["commitment"] != record.commitment(bytes.fromhex(found["salt"])):  # (3)
            raise NotVerified("record", "record and salt do not lead to the entry in the log")
        anchors = self._anchors
        return verify_proof(proof["proof"], anchors.log, list(anchors.witnesses), entry=entry)  # (4)

    def _trust(self) -> TrustStore:
        answer = self._api.get("/pki/trust")
        texts = [answer["root"], *answer.get("roots", ())]
        roots = [x509.load_pem_x509_certificate(text.encode("ascii")) for text in texts]
        if self._anchors.root not in roots:
            raise NotVerified("trust", "the server speaks for another root than the pinned one")
        intermediates = [
            each
            for pem in answer["intermediates"]
            for each in x509.load_pem_x509_certificates(pem.encode("ascii"))
        ]
        crls = tuple(from_base64(crl, max_bytes=64 << 20) for crl in answer["crls"])
        return TrustStore([self._anchors.root], tuple(intermediates), crls)


def _require_about(content: dict[str, Any], asked: str) -> None:
    """What is said of bytes is about a record of just these bytes, and what is said of an identifier about its own."""
    found = content["registration"]
    if found is None or content["verdict"] == "altered" or content["alterations"]:
        return
    told = found.get("record", found)
    if asked not in (told["identifier"], told.get("digest")):
        raise NotVerified("answer", "the server answers about another document")
