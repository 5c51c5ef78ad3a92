"""The manifest binds the three headers of a submission; the seal is the bidder's time-stamped signature over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509

from kernel.canonical import canonical_bytes, sha256_hex
from pki.trust import TrustStore
from sealing.context import KINDS, EnvelopeContext, is_digest
from sealing.envelope import EnvelopeHeader
from sealing.errors import EnvelopeInvalid, HeadersMismatch
from signing.cms import Signer, sign_detached, verify_detached
from signing.documents import parse_document

TYPE = "mohr/manifest/v1"
_FIELDS = (
    "notice_digest",
    "tender",
    "lot",
    "bidder",
    "submission_number",
    "key_set_digest",
    "headers",
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """``headers`` are the SHA-256 (hex) of the header documents by kind."""

    notice_digest: str
    tender: str
    lot: str
    bidder: str
    submission_number: int
    key_set_digest: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, document: bytes) -> Manifest:
        """Read ``mohr/manifest/v1``; raises EnvelopeInvalid, MalformedInput or LimitExceeded."""
        value = parse_document(document, type_=TYPE, fields=_FIELDS)
        del value["type"]
        manifest = cls(**value)
        headers = manifest.headers
        if not isinstance(headers, dict) or set(headers) != set(KINDS):
            raise EnvelopeInvalid("a manifest binds exactly the headers A, B and C")
        if not all(is_digest(digest) for digest in headers.values()):
            raise EnvelopeInvalid("a digest is 64 lower-case hexadecimal digits")
        manifest.context(KINDS[0])
        return manifest

    @classmethod
    def of(cls, context: EnvelopeContext, headers: Mapping[str, bytes]) -> Manifest:
        """The manifest for the header documents; ``context`` may be of any of its kinds."""
        values = context.to_json()
        del values["kind"]
        return cls(**values, headers={kind: sha256_hex(header) for kind, header in headers.items()})

    def context(self, kind: str) -> EnvelopeContext:
        """The context that the envelope of this kind must have."""
        return EnvelopeContext(
            self.notice_digest,
            self.tender,
            self.lot,
            self.bidder,
            kind,
            self.submission_number,
            self.key_set_digest,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "type": TYPE,
            **{name: getattr(self, name) for name in _FIELDS},
            "headers": dict(self.headers),
        }

    def document(self) -> bytes:
        """The canonical bytes that are sealed."""
        return canonical_bytes(self.to_json())


@dataclass(frozen=True, slots=True)
class SealReport:
    """A verified seal; ``sealed_at`` is the time of its RFC 3161 stamp: the time that counts."""

    manifest: Manifest
    headers: Mapping[str, EnvelopeHeader]
    sealed_at: datetime
    timestamp_token: bytes = field(repr=False)
    certificate: x509.Certificate


def seal_manifest(
    manifest: bytes, signer: Signer, *, at: datetime, timestamp: Callable[[bytes], bytes]
) -> bytes:
    """The seal (CAdES B-T, DER). ``timestamp`` maps the signature value to a time-stamp token."""
    return sign_detached(manifest, signer, at=at, timestamp=timestamp)


def verify_seal(
    manifest: bytes,
    seal: bytes,
    headers: Mapping[str, bytes],
    trust: TrustStore,
    *,
    now: datetime,
    party: str,
) -> SealReport:
    """Check seal, stamp and that manifest and headers bind each other; ``party`` is who must have sealed.

    Raises what ``signing.cms.verify_detached`` raises, HeadersMismatch, or EnvelopeInvalid.
    """
    parsed = Manifest.parse(manifest)
    report = verify_detached(manifest, seal, trust, now=now, party=party, require_timestamp=True)
    assert report.timestamp is not None
    assert report.timestamp_token is not None
    assert report.certificate is not None
    if parsed.bidder != party:
        raise HeadersMismatch("the manifest names another bidder than the one who sealed it")
    if set(headers) != set(KINDS):
        raise HeadersMismatch("a submission has exactly the headers A, B and C")
    read = {}
    for kind in KINDS:
        if sha256_hex(headers[kind]) != parsed.headers[kind]:
            raise HeadersMismatch("a header is not the one that the manifest binds", kind=kind)
        read[kind] = EnvelopeHeader.parse(headers[kind])
        if read[kind].context != parsed.context(kind):
            raise HeadersMismatch("a header has another context than the manifest", kind=kind)
    return SealReport(parsed, read, report.timestamp.time, report.timestamp_token, report.certificate)
