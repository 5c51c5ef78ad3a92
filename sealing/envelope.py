"""Sealing: one content under one fresh pair of secrets, a share of them for each member, the rest for the custodian.

``frame_envelope`` makes all of it but the ciphertext and takes no randomness of its own, so the same function
rebuilds an opened envelope (sealing/opening.py). Content may be held or come as a stream; the bytes are the same.
"""

from __future__ import annotations

import secrets as system_random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from kernel.canonical import canonical_bytes, sha256_hex
from sealing import cms, shamir
from sealing.coins import SECRET_BYTES, Secrets
from sealing.context import EnvelopeContext, is_digest
from sealing.errors import EnvelopeInvalid
from sealing.key_set import MAX_MEMBERS, KeySet
from sealing.padding import padme
from sealing.shares import Share, commitment_of, kek_commitment_of, share_plaintext
from signing.documents import parse_document

TYPE = "mohr/envelope-header/v1"
SUITE = "mohr-envelope-1"
CUSTODIAN_INDEX = 0
_FIELDS = ("suite", "context", "content", "shares", "kek_commitment")
# What OpenSSL takes in one call of AES-GCM, the tag included.
_MAX_LENGTH = (1 << 31) - 1 - 16


@dataclass(frozen=True, slots=True)
class ShareEntry:
    """What the header says of one share blob; ``digest`` and ``commitment`` are SHA-256 in hex."""

    index: int
    length: int
    digest: str
    commitment: str


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """The public face of an envelope; ``length`` and ``digest`` are of the detached ciphertext, in bytes."""

    context: EnvelopeContext
    length: int
    digest: str
    cms_length: int
    cms_digest: str
    shares: tuple[ShareEntry, ...]
    kek_commitment: str
    document: bytes = field(repr=False)

    @classmethod
    def parse(cls, document: bytes) -> EnvelopeHeader:
        """Read ``mohr/envelope-header/v1``; raises EnvelopeInvalid, MalformedInput or LimitExceeded."""
        value = parse_document(document, type_=TYPE, fields=_FIELDS)
        try:
            content = value["content"]
            header = cls(
                context=EnvelopeContext.from_json(value["context"]),
                length=_length(content["length"]),
                digest=_digest(content["digest"]),
                cms_length=_length(content["cms_length"]),
                cms_digest=_digest(content["cms_digest"]),
                shares=tuple(_share_entry(entry) for entry in value["shares"]),
                kek_commitment=_digest(value["kek_commitment"]),
                document=document,
            )
        except (KeyError, TypeError) as error:
            raise EnvelopeInvalid("the header lacks a field or holds a wrong one") from error
        _check(header, value)
        return header

    def share(self, index: int) -> ShareEntry:
        """The entry of a share; raises EnvelopeInvalid if there is none."""
        if not 0 <= index < len(self.shares):
            raise EnvelopeInvalid("the header has no share of that index", index=index)
        return self.shares[index]

    def expected_blobs(self) -> dict[str, tuple[int, str]]:
        """Length and digest of each blob by its name."""
        kind = self.context.kind
        blobs = {
            content_name(kind): (self.length, self.digest),
            cms_name(kind): (self.cms_length, self.cms_digest),
        }
        for entry in self.shares:
            blobs[share_name(kind, entry.index)] = (entry.length, entry.digest)
        return blobs


@dataclass(frozen=True, slots=True)
class SealedEnvelope:
    """A header's canonical bytes and the blobs that it names; a ciphertext that was streamed away is not among them."""

    header: bytes
    blobs: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """What the header says of the detached ciphertext, and the CMS structure beside it."""

    length: int
    digest: str
    structure: bytes = field(repr=False)


class SizedContent(Protocol):
    """Content whose length is known before it is read, such as a ``sealing.payload.ComposedPayload``."""

    @property
    def length(self) -> int: ...
    def pieces(self) -> Iterator[bytes]: ...


def seal_envelope(payload: bytes, context: EnvelopeContext, key_set: KeySet) -> SealedEnvelope:
    """Seal with fresh secrets; they live only inside this call.

    Raises EnvelopeInvalid on a foreign key set, or a payload that was not brought to its bucket
    (``sealing.padding.padme``): then its size would tell.
    """
    secrets, values = _fresh(len(payload), context, key_set)
    return write_envelope(payload, context, key_set, secrets, values)


def seal_to(
    payload: SizedContent, context: EnvelopeContext, key_set: KeySet, target: IO[bytes]
) -> SealedEnvelope:
    """As ``seal_envelope``, with the ciphertext written to ``target`` piece by piece; the other blobs are held."""
    secrets, values = _fresh(payload.length, context, key_set)
    return write_envelope_to(payload, context, key_set, secrets, values, target)


def write_envelope(
    payload: bytes, context: EnvelopeContext, key_set: KeySet, secrets: Secrets, values: Mapping[int, bytes]
) -> SealedEnvelope:
    """The envelope that follows from payload, context, key set, secrets and the members' share values."""
    kek = secrets.kek(context.digest())
    structure, data = cms.write_content(kek, secrets.key("content"), secrets.nonce("content"), payload)
    ciphertext = Ciphertext(len(data), sha256_hex(data), structure)
    framed = frame_envelope(ciphertext, context, key_set, secrets, values)
    return SealedEnvelope(framed.header, {content_name(context.kind): data, **framed.blobs})


def write_envelope_to(
    payload: SizedContent,
    context: EnvelopeContext,
    key_set: KeySet,
    secrets: Secrets,
    values: Mapping[int, bytes],
    target: IO[bytes],
) -> SealedEnvelope:
    """As ``write_envelope``, with the ciphertext written to ``target``. Raises EnvelopeInvalid on another length."""
    key, nonce = secrets.key("content"), secrets.nonce("content")
    writer, digest, length = cms.ContentWriter(key, nonce), sha256(), 0
    for piece in payload.pieces():
        encrypted = writer.update(piece)
        digest.update(encrypted)
        length += len(encrypted)
        target.write(encrypted)
    if length != payload.length:
        raise EnvelopeInvalid("the content is not as long as it said", length=length)
    structure = cms.content_structure(secrets.kek(context.digest()), key, nonce, writer.tag())
    return frame_envelope(
        Ciphertext(length, digest.hexdigest(), structure), context, key_set, secrets, values
    )


def frame_envelope(
    ciphertext: Ciphertext,
    context: EnvelopeContext,
    key_set: KeySet,
    secrets: Secrets,
    values: Mapping[int, bytes],
) -> SealedEnvelope:
    """Header, CMS structure and share blobs around a ciphertext."""
    kind, context_digest = context.kind, context.digest()
    blobs = {cms_name(kind): ciphertext.structure}
    entries = []
    for index, recipient, identifier in _recipients(key_set, kind):
        label = f"share-{index}"
        value = secrets.custodian if index == CUSTODIAN_INDEX else values[index]
        share = Share(index, value, secrets.blinding(label))
        blob = cms.write_share(
            recipient,
            identifier,
            secrets.ephemeral(label),
            secrets.key(label),
            secrets.nonce(label),
            share_plaintext(share, context_digest, ciphertext.digest),
        )
        blobs[share_name(kind, index)] = blob
        entries.append(
            {
                "index": index,
                "length": len(blob),
                "digest": sha256_hex(blob),
                "commitment": commitment_of(context_digest, share),
            }
        )
    header = {
        "type": TYPE,
        "suite": SUITE,
        "context": context.to_json(),
        "content": {
            "length": ciphertext.length,
            "digest": ciphertext.digest,
            "cms_length": len(ciphertext.structure),
            "cms_digest": sha256_hex(ciphertext.structure),
        },
        "shares": entries,
        "kek_commitment": kek_commitment_of(context_digest, secrets.kek(context_digest)),
    }
    return SealedEnvelope(canonical_bytes(header), blobs)


def content_name(kind: str) -> str:
    return f"{kind}.content.bin"


def cms_name(kind: str) -> str:
    return f"{kind}.content.der"


def share_name(kind: str, index: int) -> str:
    return f"{kind}.share-{index}.der"


def _fresh(length: int, context: EnvelopeContext, key_set: KeySet) -> tuple[Secrets, Mapping[int, bytes]]:
    """Fresh secrets and the members' share values, if context, key set and length go together."""
    if (context.tender, context.key_set_digest) != (key_set.tender, key_set.digest):
        raise EnvelopeInvalid("the context names another key set")
    _check_bucket(length)
    secrets = Secrets(shamir.new_secret(), system_random.token_bytes(SECRET_BYTES))
    return secrets, shamir.split(secrets.member, threshold=key_set.threshold, count=len(key_set.members))


def _recipients(key_set: KeySet, kind: str) -> list[tuple[int, ec.EllipticCurvePublicKey, bytes]]:
    """Index, key and key identifier of each holder of a share, the custodian first."""
    custodian = key_set.custodian
    members = [(member.index, member.public_key, member.key_identifier) for member in key_set.members]
    return [(CUSTODIAN_INDEX, custodian.public_key(kind), custodian.key_identifier(kind)), *members]


def _check(header: EnvelopeHeader, value: dict[str, Any]) -> None:
    if value["suite"] != SUITE:
        raise EnvelopeInvalid("an unknown suite", suite=str(value["suite"])[:64])
    if set(value["content"]) != {"length", "digest", "cms_length", "cms_digest"}:
        raise EnvelopeInvalid("the content has exactly its four fields")
    if not 3 <= len(header.shares) <= MAX_MEMBERS + 1:
        raise EnvelopeInvalid("too few or too many shares")
    if [entry.index for entry in header.shares] != list(range(len(header.shares))):
        raise EnvelopeInvalid("shares are numbered from 0, the custodian's, without a gap")
    too_long = header.cms_length > cms.MAX_CMS_BYTES or any(
        entry.length > cms.MAX_CMS_BYTES for entry in header.shares
    )
    if too_long:
        raise EnvelopeInvalid("a CMS structure is longer than its one form can be")
    _check_bucket(header.length)


def _check_bucket(length: int) -> None:
    if not 0 < length <= _MAX_LENGTH or padme(length) != length:
        raise EnvelopeInvalid("the length of the content is not that of a bucket", length=length)


def _share_entry(entry: Any) -> ShareEntry:
    if set(entry) != {"index", "length", "digest", "commitment"} or type(entry["index"]) is not int:
        raise EnvelopeInvalid("a share has exactly its four fields")
    return ShareEntry(
        entry["index"], _length(entry["length"]), _digest(entry["digest"]), _digest(entry["commitment"])
    )


def _length(value: Any) -> int:
    if type(value) is not int or not 0 < value <= _MAX_LENGTH:
        raise EnvelopeInvalid("a length is a positive number of bytes")
    return value


def _digest(value: Any) -> str:
    if not is_digest(value):
        raise EnvelopeInvalid("a digest is 64 lower-case hexadecimal digits")
    return str(value)
