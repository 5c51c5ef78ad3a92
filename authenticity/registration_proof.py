"""A file that proves a registration for decades: ``mohr/registration-proof/v1`` inside a CAdES signature, B-LTA.

The content is canonical JSON: the record with the salt that opens its commitment, the log entry with its inclusion
proof, and what the officer signed with the evidence for his certificate. The archive time stamp around it proves that
all of this existed while its algorithms and certificates still held; refreshed in time, it does so for as long as
anybody likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from authenticity.record import Change, Registration
from kernel.canonical import canonical_bytes, sha256_hex, to_base64
from kernel.clock import format_utc
from pki.signed_data import Signer
from signing.ades.cades import extend, file_digest, sign_file
from signing.ades.cms_edit import read_parts
from signing.ades.services import Level, Services
from signing.errors import DocumentUnreadable

PROOF = "mohr/registration-proof/v1"
MIME_TYPE = "application/vnd.mohr.registration-proof+json"
MAX_PROOF_BYTES = 8 << 20
MAX_CONTENT_BYTES = 4 << 20
_ANNOUNCED = b'"type":"' + PROOF.encode("ascii") + b'"'


@dataclass(frozen=True, slots=True)
class Logged:
    """A log entry and its ``mohr/proof/v1``."""

    entry: bytes
    proof: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignedPaper:
    """What an officer signed, as it came (DER)."""

    document: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ProvenChange:
    """A change of state with its place in the log and its paper, None where that can no longer be judged."""

    change: Change
    logged: Logged
    paper: SignedPaper | None


@dataclass(frozen=True, slots=True)
class ProofParts:
    """What a proof is made of. ``paper`` is None where it names other documents that are withheld, or can no longer be
    judged: its digest stands in the log entry, and the seal says for it that it was signed.
    """

    registration: Registration
    logged: Logged
    paper: SignedPaper | None
    changes: Sequence[ProvenChange] = ()


def make_registration_proof(parts: ProofParts, seal: Signer, services: Services, *, at: datetime) -> bytes:
    """The proof (DER), archived; the officer's signature in it has its evidence beside it (B-LT).

    Raises TimestampUnavailable, EvidenceUnavailable, LevelUnreachable and SignatureInvalid.
    """
    content = canonical_bytes(_content(parts, services, at))
    return sign_file(
        BytesIO(content), seal, Level.B_LTA, services, at=at, enveloping=True, mime_type=MIME_TYPE
    )


def claimed_content(data: bytes) -> bytes | None:
    """The content of a file that claims to be such a proof, nothing of it verified; None for any other file."""
    if len(data) > MAX_PROOF_BYTES or data[:1] != b"0" or _ANNOUNCED not in data:
        return None
    try:
        content = read_parts(data).content
    except DocumentUnreadable:
        return None
    return content if content is not None and _ANNOUNCED in content else None


def _content(parts: ProofParts, services: Services, at: datetime) -> dict[str, Any]:
    registration = parts.registration
    return {
        "type": PROOF,
        "made_at": format_utc(at),
        "record": registration.record.to_json(),
        "salt": registration.salt,
        "state": registration.state,
        "registered_at": registration.registered_at,
        "signatories": [asdict(each) for each in registration.signatories],
        "logged": _logged(parts.logged),
        "paper": _paper(parts.paper, services, at),
        "changes": [_change(each, services, at) for each in parts.changes],
    }


def _change(proven: ProvenChange, services: Services, at: datetime) -> dict[str, Any]:
    change = proven.change
    told = {"act": change.act, "at": change.at, "reason": change.reason, "successor": change.successor}
    return {
        **told,
        "salt": change.salt,
        "logged": _logged(proven.logged),
        "paper": _paper(proven.paper, services, at),
    }


def _logged(logged: Logged) -> dict[str, Any]:
    return {"entry": to_base64(logged.entry), "proof": logged.proof}


def _paper(paper: SignedPaper | None, services: Services, at: datetime) -> dict[str, str] | None:
    """With time stamp and evidence: later nobody may be left to ask about the officer's certificate."""
    if paper is None:
        return None
    digest = file_digest(BytesIO(paper.document))
    signature = extend(paper.signature, Level.B_LT, services, digest, at=at)
    return {
        "digest": sha256_hex(paper.document),
        "document": to_base64(paper.document),
        "signature": to_base64(signature),
    }
