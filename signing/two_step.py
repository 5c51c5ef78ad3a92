"""Signing in two steps with a key that is elsewhere: what waits for its signature value, its states and its checks.

States: ``prepared`` -> ``completed`` | ``expired``; nothing leads back. As bytes a prepared document is one line of
canonical JSON (``mohr/prepared/v1``), a line feed, and the content that its maker goes on from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kernel.canonical import canonical_bytes, from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc, parse_utc
from kernel.errors import LimitExceeded, MalformedInput
from pki import algorithms, asn1
from pki.asn1 import NotDer, ades
from signing.ades import signed_data
from signing.ades.services import Level
from signing.errors import PreparedCompleted, PreparedExpired, SignatureInvalid

Format = Literal["pdf", "file", "asice"]
State = Literal["prepared", "completed", "expired"]
FORMATS: tuple[Format, ...] = ("pdf", "file", "asice")
VERSION = "mohr/prepared/v1"
MAX_HEADER_BYTES = 256 << 10
MAX_SIGNATURE_BYTES = 2 << 10
MAX_NAME = 255
_MAX_CERTIFICATES = 10
_FIELDS = frozenset(
    {
        "v",
        "format",
        "level",
        "documents",
        "content_digest",
        "certificate",
        "chain",
        "attributes",
        "prepared_at",
        "expires_at",
        "details",
        "content_length",
        "content_sha256",
    }
)
# What the maker of each format goes on from.
_DETAILS: dict[str, tuple[set[str], ...]] = {
    "pdf": ({"start", "end", "field", "at"},),
    "file": (set(), {"enveloping"}),
    "asice": ({"manifest", "manifest_name", "signature_name"},),
}
_SHOWN_ALGORITHMS = {
    "P-256": "ECDSA with SHA-256",
    "P-384": "ECDSA with SHA-256",
    "RSA": "RSA PKCS #1 v1.5 with SHA-256",
    "Ed25519": "Ed25519 over the attributes themselves",
}


@dataclass(frozen=True, slots=True)
class GivenDocument:
    """A document as it was given: its name, length in bytes and SHA-256 (hex)."""

    name: str
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """``content_digest`` is what the message-digest attribute says, ``attributes`` the DER that the key signs, and
    ``details`` what belongs to the format.
    """

    format: Format
    level: Level
    documents: tuple[GivenDocument, ...]
    content_digest: bytes
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    attributes: bytes
    prepared_at: datetime
    expires_at: datetime
    details: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def digest_name(self) -> str:
        return signed_data.digest_for(self.certificate)

    @property
    def digest(self) -> bytes:
        """What the key signs; Ed25519 signs ``attributes`` themselves, and this is only shown."""
        return hashlib.new(self.digest_name, self.attributes).digest()

    @property
    def algorithm(self) -> str:
        """How the signature value is to be made, in words."""
        return _SHOWN_ALGORITHMS[algorithms.key_kind(algorithms.public_key_of(self.certificate))]

    def signed_data(self) -> signed_data.Prepared:
        """As the assembling of the SignedData takes it; raises MalformedInput where the attributes say otherwise."""
        try:
            found = ades.attributes_of(self.attributes)
        except NotDer as error:
            raise MalformedInput("the attributes to be signed are not DER") from error
        wanted = (
            signed_data.attribute(ades.ID_MESSAGE_DIGEST, self.content_digest),
            signed_data.signing_certificate(self.certificate),
        )
        there = [asn1.encode(each) for each in found.as_list()]
        if not all(asn1.encode(each) in there for each in wanted):
            raise MalformedInput("the attributes to be signed name another content or certificate")
        return signed_data.Prepared(self.certificate, self.chain, self.digest_name, found, self.attributes)

    def certificates_base64(self) -> list[str]:
        """The signer's and those above it."""
        return [to_base64(algorithms.der_of(each)) for each in (self.certificate, *self.chain)]

    def to_bytes(self) -> bytes:
        """The line that describes it, and the content."""
        own, *chain = self.certificates_base64()
        header = {
            "v": VERSION,
            "format": self.format,
            "level": str(self.level),
            "documents": [
                {"name": each.name, "length": each.length, "sha256": each.sha256} for each in self.documents
            ],
            "content_digest": self.content_digest.hex(),
            "certificate": own,
            "chain": chain,
            "attributes": to_base64(self.attributes),
            "prepared_at": format_utc(self.prepared_at),
            "expires_at": format_utc(self.expires_at),
            "details": dict(self.details),
            "content_length": len(self.content),
            "content_sha256": sha256_hex(self.content),
        }
        return canonical_bytes(header) + b"\n" + self.content

    @classmethod
    def from_bytes(cls, data: bytes) -> PreparedDocument:
        """Raises MalformedInput or LimitExceeded on anything that ``to_bytes`` does not write."""
        end = data.find(b"\n", 0, MAX_HEADER_BYTES + 1)
        if end < 0 or not data.startswith(b"{"):
            raise MalformedInput("this is no prepared document")
        header, content = parse_canonical(data[:end], max_bytes=MAX_HEADER_BYTES), data[end + 1 :]
        if set(header) != _FIELDS or header["v"] != VERSION or header["format"] not in FORMATS:
            raise MalformedInput("not a prepared document of this version")
        if (header["content_length"], header["content_sha256"]) != (len(content), sha256_hex(content)):
            raise MalformedInput("the content of the prepared document was changed")
        try:
            return _read(header, content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise MalformedInput("the description of the prepared document cannot be read") from error


def check_open(state: str, expires_at: datetime, now: datetime) -> None:
    """Raises PreparedCompleted or PreparedExpired unless the document still waits for its signature."""
    if state == "completed":
        raise PreparedCompleted("the document has its signature already")
    if state != "prepared" or now >= expires_at:
        raise PreparedExpired("the prepared document is over", expires_at=format_utc(expires_at))


def check_signature(prepared: PreparedDocument, signature: bytes) -> bytes:
    """The signature value as CMS takes it, once the key of the certificate is known to have made it.

    ECDSA values may also come as r and s side by side, as tokens give them (PKCS #11 §2.3.1). Raises
    SignatureInvalid, LimitExceeded.
    """
    if len(signature) > MAX_SIGNATURE_BYTES:
        raise LimitExceeded("the signature value is too long", limit_bytes=MAX_SIGNATURE_BYTES)
    key = algorithms.public_key_of(prepared.certificate)
    suite = algorithms.suite_for_public(key)
    for candidate in _written_ways(key, signature):
        try:
            algorithms.verify(key, suite.identifier, suite.digest, candidate, prepared.attributes)
        except ValueError:
            continue
        return candidate
    raise SignatureInvalid(
        "the key of the certificate did not make this signature value over the digest",
        certificate=algorithms.fingerprint_of(prepared.certificate),
        digest=prepared.digest.hex(),
    )


def checked_name(name: str) -> str:
    """The name of a document: one readable line without a folder; raises MalformedInput."""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or "/" in name or "\\" in name:
        raise MalformedInput("the name of a document is one line of 1 to 255 characters without a folder")
    return name


def _written_ways(key: algorithms.PublicKey, signature: bytes) -> list[bytes]:
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) != 2 * (
        half := (key.key_size + 7) // 8
    ):
        return [signature]
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    return [encode_dss_signature(r, s), signature]


def _read(header: dict[str, Any], content: bytes) -> PreparedDocument:
    chain, details = header["chain"], header["details"]
    if set(details) not in _DETAILS[header["format"]]:
        raise ValueError("details of another format")
    if len(chain) > _MAX_CERTIFICATES or not all(isinstance(each, str) for each in details.values()):
        raise ValueError("beyond the form")
    return PreparedDocument(
        format=cast(Format, header["format"]),
        level=Level(header["level"]),
        documents=tuple(_given(each) for each in header["documents"]),
        content_digest=bytes.fromhex(header["content_digest"]),
        certificate=_certificate(header["certificate"]),
        chain=tuple(_certificate(each) for each in chain),
        attributes=from_base64(header["attributes"]),
        prepared_at=parse_utc(header["prepared_at"]),
        expires_at=parse_utc(header["expires_at"]),
        details=dict(details),
        content=content,
    )


def _given(value: dict[str, Any]) -> GivenDocument:
    name, length, digest = (value[key] for key in ("name", "length", "sha256"))
    if not isinstance(length, int) or length < 0 or len(bytes.fromhex(digest)) != 32:
        raise ValueError("beyond the form")
    return GivenDocument(checked_name(name), length, digest)


def _certificate(text: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(from_base64(text))
