"""Both steps for each format: what is to be signed from a document and a certificate, and the signed document.

Nothing here knows a database or a network; time stamps and evidence come from the services of the caller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import IO

from cryptography import x509

from kernel.errors import MalformedInput
from pki.algorithms import AlgorithmRefused
from signing.ades import signed_data
from signing.ades.services import Level, Services
from signing.errors import LevelUnreachable, SignatureInvalid
from signing.two_step import Format, PreparedDocument, check_signature, checked_name

PIECE_BYTES = 1 << 20
ENVELOPING = "enveloping"


@dataclass(frozen=True, slots=True)
class Document:
    """A document by its name, to be read once from where the source stands."""

    name: str
    source: IO[bytes]


@dataclass(frozen=True, slots=True)
class Digests:
    """Length, SHA-256 and the digest of the signature's algorithm, of one reading."""

    length: int
    sha256: str
    content_digest: bytes


@dataclass(frozen=True, slots=True)
class PdfWishes:
    """How a signature in a PDF looks and what it forbids.

    ``visible``: a page counted from 1, and left, bottom, right and top in points. ``lock``: ``All``, ``Include`` or
    ``Exclude`` with names of fields. ``certify``: 1 no changes, 2 filling forms, 3 annotations as well.
    """

    field: str | None = None
    visible: tuple[int, float, float, float, float] | None = None
    qr: str | None = None
    lock: tuple[str, tuple[str, ...]] | None = None
    certify: int | None = None
    reason: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How a document shall be signed; ``life`` is how long it may wait for the signature value."""

    format: Format
    level: Level
    life: timedelta
    enveloping: bool = False
    pdf: PdfWishes = PdfWishes()


def prepare_document(
    documents: Sequence[Document],
    wish: Wish,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    services: Services,
    *,
    at: datetime,
) -> PreparedDocument:
    """The first step. Raises SignatureInvalid for a key that signs no documents, LevelUnreachable, MalformedInput."""
    check_level(wish.level, services)
    try:
        signed_data.digest_for(certificate)
    except AlgorithmRefused as error:
        raise SignatureInvalid("no documents are signed with this kind of key") from error
    if wish.format != "asice" and len(documents) != 1:
        raise MalformedInput(
            "one document is signed at a time; a container takes several", format=wish.format
        )
    if wish.format == "file":
        return _prepare_file(documents[0], wish, certificate, chain, at)
    raise MalformedInput("this format is not made in two steps", format=wish.format)


def complete_document(
    prepared: PreparedDocument, signature: bytes, services: Services, *, at: datetime
) -> bytes:
    """The second step: the signed document.

    Raises SignatureInvalid, TimestampUnavailable or EvidenceUnavailable; nothing is half done, and it may be tried
    again with the same signature value.
    """
    check_level(prepared.level, services)
    value = check_signature(prepared, signature)
    return _complete_file(prepared, value, services, at)


def check_level(level: Level, services: Services) -> None:
    """Raises LevelUnreachable when the level needs a service that is not there."""
    if level.rank >= Level.B_T.rank and services.stamps is None:
        raise LevelUnreachable("this level needs a time-stamping service", level=str(level))
    if level.rank >= Level.B_LT.rank and services.evidence is None:
        raise LevelUnreachable("this level needs a source of certificates and revocation", level=str(level))


def digests_of(source: IO[bytes], digest_name: str) -> Digests:
    """Read to the end, in pieces."""
    shown, own = hashlib.sha256(), hashlib.new(digest_name)
    length = 0
    while piece := source.read(PIECE_BYTES):
        length += len(piece)
        shown.update(piece)
        if digest_name != "sha256":
            own.update(piece)
    content = shown if digest_name == "sha256" else own
    return Digests(length, shown.hexdigest(), content.digest())


def _prepare_file(
    document: Document,
    wish: Wish,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    at: datetime,
) -> PreparedDocument:
    name = signed_data.digest_for(certificate)
    content = document.source.read() if wish.enveloping else b""
    digests = digests_of(BytesIO(content) if wish.enveloping else document.source, name)
    prepared = signed_data.prepare(digests.content_digest, certificate, chain, signing_time=at)
    return PreparedDocument(
        format="file",
        level=wish.level,
        name=checked_name(document.name),
        length=digests.length,
        sha256=digests.sha256,
        content_digest=digests.content_digest,
        certificate=certificate,
        chain=tuple(chain),
        attributes=prepared.signed_bytes,
        prepared_at=at,
        expires_at=at + wish.life,
        details={ENVELOPING: "yes"} if wish.enveloping else {},
        content=content,
    )


def _complete_file(prepared: PreparedDocument, value: bytes, services: Services, at: datetime) -> bytes:
    waiting, token = prepared.signed_data(), None
    if prepared.level.rank >= Level.B_T.rank and services.stamps is not None:
        token = services.stamps.stamp("sha256", hashlib.sha256(value).digest())
    content = prepared.content if ENVELOPING in prepared.details else None
    der = signed_data.assemble(waiting, value, content=content, token=token)
    if prepared.level.rank < Level.B_LT.rank:
        return der
    from signing.ades import cades

    return cades.extend(der, prepared.level, services, content_digest=prepared.content_digest, at=at)
