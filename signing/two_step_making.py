"""Both steps for each format: what is to be signed from documents and a certificate, and the signed document.

Nothing here knows a database or a network; time stamps and evidence come from the services of the caller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import BinaryIO

from cryptography import x509

from kernel.errors import MalformedInput
from pki.algorithms import AlgorithmRefused
from signing.ades import asice, cades, signed_data
from signing.ades.asice_inside import ContainerFile
from signing.ades.levels import require_services
from signing.ades.services import Level, Services
from signing.errors import DocumentTooComplex, SignatureInvalid
from signing.pdf_wishes import INVISIBLE, PdfWishes
from signing.two_step import Format, GivenDocument, PreparedDocument, check_signature, checked_name

MAX_WHOLE_BYTES = 256 << 20
MAX_DOCUMENTS = 1000
_PIECE_BYTES = 1 << 20
_INSIDE = "enveloping"


@dataclass(frozen=True, slots=True)
class Document:
    """A document by its name, to be read once from where the source stands."""

    name: str
    source: BinaryIO


@dataclass(frozen=True, slots=True)
class Wish:
    """How documents shall be signed; ``life`` is how long they may wait for the signature value."""

    format: Format
    level: Level
    life: timedelta
    enveloping: bool = False
    pdf: PdfWishes = INVISIBLE


@dataclass(frozen=True, slots=True)
class _Ready:
    """What the maker of a format has made in the first step."""

    documents: tuple[GivenDocument, ...]
    content_digest: bytes
    attributes: bytes
    details: dict[str, str]
    content: bytes


def prepare_document(
    documents: Sequence[Document],
    wish: Wish,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    services: Services,
    *,
    at: datetime,
) -> PreparedDocument:
    """The first step. Raises SignatureInvalid for a key that signs no documents, LevelUnreachable, MalformedInput,
    DocumentUnreadable and its kin, SigningForbidden.
    """
    require_services(wish.level, services)
    if not 0 < len(documents) <= (MAX_DOCUMENTS if wish.format == "asice" else 1):
        raise MalformedInput(
            "one document is signed at a time; a container takes several", format=wish.format
        )
    if (wish.enveloping and wish.format != "file") or (wish.pdf != INVISIBLE and wish.format != "pdf"):
        raise MalformedInput("what is wished for belongs to another format", format=wish.format)
    for each in documents:
        checked_name(each.name)
    try:
        signed_data.digest_for(certificate)
    except AlgorithmRefused as error:
        raise SignatureInvalid("no documents are signed with this kind of key") from error
    made = _FIRST_STEPS[wish.format](documents, wish, certificate, tuple(chain), services, at)
    return PreparedDocument(
        format=wish.format,
        level=wish.level,
        documents=made.documents,
        content_digest=made.content_digest,
        certificate=certificate,
        chain=tuple(chain),
        attributes=made.attributes,
        prepared_at=at,
        expires_at=at + wish.life,
        details=made.details,
        content=made.content,
    )


def complete_document(
    prepared: PreparedDocument, signature: bytes, services: Services, *, at: datetime
) -> bytes:
    """The second step: the signed document.

    Raises SignatureInvalid, TimestampUnavailable or EvidenceUnavailable; nothing is half done, and it may be tried
    again with the same signature value.
    """
    require_services(prepared.level, services)
    value = check_signature(prepared, signature)
    return _SECOND_STEPS[prepared.format](prepared, value, services, at)


def _prepare_file(
    documents: Sequence[Document],
    wish: Wish,
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...],
    services: Services,
    at: datetime,
) -> _Ready:
    (document,), name = documents, signed_data.digest_for(certificate)
    if wish.enveloping:
        prepared, inside = cades.prepare_file(document.source, certificate, chain, at=at, enveloping=True)
        content = inside or b""
        digest = hashlib.new(name, content).digest()
        given = _given(document.name, content)
    else:
        given, digest = _read_through(document, name)
        content = b""
        prepared = signed_data.prepare(digest, certificate, chain, signing_time=at)
    details = {_INSIDE: "yes"} if wish.enveloping else {}
    return _Ready((given,), digest, prepared.signed_bytes, details, content)


def _complete_file(prepared: PreparedDocument, value: bytes, services: Services, at: datetime) -> bytes:
    content = prepared.content if _INSIDE in prepared.details else None
    waiting = prepared.signed_data()
    return cades.complete_file(waiting, value, prepared.level, services, at=at, content=content)


def _prepare_asice(
    documents: Sequence[Document],
    wish: Wish,
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...],
    services: Services,
    at: datetime,
) -> _Ready:
    contents = [_whole(each) for each in documents]
    packed = BytesIO()
    files = [
        ContainerFile.of_bytes(each.name, content) for each, content in zip(documents, contents, strict=True)
    ]
    asice.pack(files, packed)
    made = asice.prepare_container(packed, certificate, chain, at=at)
    digest = hashlib.new(made.prepared.digest_name, made.manifest).digest()
    details = {
        "manifest": made.manifest.decode("utf-8"),
        "manifest_name": made.manifest_name,
        "signature_name": made.signature_name,
    }
    given = tuple(_given(each.name, content) for each, content in zip(documents, contents, strict=True))
    return _Ready(given, digest, made.prepared.signed_bytes, details, packed.getvalue())


def _complete_asice(prepared: PreparedDocument, value: bytes, services: Services, at: datetime) -> bytes:
    details, target = prepared.details, BytesIO()
    container = asice.PreparedContainer(
        manifest_name=details["manifest_name"],
        manifest=details["manifest"].encode("utf-8"),
        signature_name=details["signature_name"],
        prepared=prepared.signed_data(),
    )
    asice.complete_container(
        BytesIO(prepared.content), target, container, value, prepared.level, services, at=at
    )
    return target.getvalue()


def _prepare_pdf(
    documents: Sequence[Document],
    wish: Wish,
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...],
    services: Services,
    at: datetime,
) -> _Ready:
    # The library for PDF documents takes a moment to import, which the other formats do without.
    from signing.pdf.signing import prepare_pdf

    content = _whole(documents[0])
    made = prepare_pdf(content, certificate, chain, wish.level, services, at=at, **wish.pdf.as_keywords())
    details = {
        "start": str(made.placed.start),
        "end": str(made.placed.end),
        "field": made.field,
        "at": made.at.isoformat(),
    }
    given = (_given(documents[0].name, content),)
    return _Ready(given, made.document_digest, made.signed_bytes, details, made.pdf)


def _complete_pdf(prepared: PreparedDocument, value: bytes, services: Services, at: datetime) -> bytes:
    from signing.pdf.signing import PreparedPdf, complete_pdf

    details = prepared.details
    state = {
        "start": details["start"],
        "end": details["end"],
        "field": details["field"],
        "at": details["at"],
        "level": str(prepared.level),
        "document_digest": prepared.content_digest.hex(),
        "certificates": prepared.certificates_base64(),
    }
    # Making the attributes anew from the document must give those that were signed.
    return complete_pdf(
        PreparedPdf.from_state(state, prepared.content), value, prepared.level, services, at=at
    )


def _read_through(document: Document, digest_name: str) -> tuple[GivenDocument, bytes]:
    """Length and digests of one reading, in pieces."""
    shown, own = hashlib.sha256(), hashlib.new(digest_name)
    length = 0
    while piece := document.source.read(_PIECE_BYTES):
        length += len(piece)
        shown.update(piece)
        if digest_name != "sha256":
            own.update(piece)
    digest = shown.digest() if digest_name == "sha256" else own.digest()
    return GivenDocument(document.name, length, shown.hexdigest()), digest


def _whole(document: Document) -> bytes:
    content = document.source.read(MAX_WHOLE_BYTES + 1)
    if len(content) > MAX_WHOLE_BYTES:
        raise DocumentTooComplex("the document is too long", limit="bytes", limit_bytes=MAX_WHOLE_BYTES)
    return content


def _given(name: str, content: bytes) -> GivenDocument:
    return GivenDocument(name, len(content), hashlib.sha256(content).hexdigest())


_FIRST_STEPS: dict[Format, Callable[..., _Ready]] = {
    "file": _prepare_file,
    "asice": _prepare_asice,
    "pdf": _prepare_pdf,
}
_SECOND_STEPS: dict[Format, Callable[[PreparedDocument, bytes, Services, datetime], bytes]] = {
    "file": _complete_file,
    "asice": _complete_asice,
    "pdf": _complete_pdf,
}
