"""Request and answer bodies of the signing routes; binary travels as base64."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from cryptography import x509
from pydantic import BaseModel, Field

from app.api.bodies import Strict
from app.settings import SigningSettings
from documents.prepared import GivenFile, Waiting
from kernel.canonical import from_base64, to_base64
from kernel.errors import LimitExceeded, MalformedInput
from signing.ades.services import Level
from signing.pdf_wishes import INVISIBLE, PdfWishes
from signing.two_step import MAX_SIGNATURE_BYTES, GivenDocument
from signing.two_step_making import Wish

MAX_DOCUMENTS = 100
_MAX_BASE64 = (64 << 20) * 4 // 3 + 4
Content = Annotated[str, Field(max_length=_MAX_BASE64, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
LevelName = Literal["B-B", "B-T", "B-LT", "B-LTA"]
Pem = Annotated[str, Field(max_length=16 << 10)]
Words = Annotated[str, Field(min_length=1, max_length=200)]
Points = Annotated[float, Field(ge=-14_400, le=14_400)]


class DocumentPart(Strict):
    """A document by its name, without a folder."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    content: Content


class LockPart(Strict):
    """Form fields that may not change afterwards: all, those named, or all but those named."""

    action: Literal["All", "Include", "Exclude"]
    fields: Annotated[tuple[Words, ...], Field(max_length=100)] = ()


class VisiblePart(Strict):
    """A page counted from 1, and left, bottom, right and top in points from its lower left corner."""

    page: Annotated[int, Field(ge=1, le=100_000)]
    rectangle: tuple[Points, Points, Points, Points]
    qr: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class PdfPart(Strict):
    """How a signature in a PDF looks and what it forbids; ``certify``: 1 no changes, 2 filling forms, 3 annotations."""

    field: Words | None = None
    visible: VisiblePart | None = None
    lock: LockPart | None = None
    certify: Annotated[int, Field(ge=1, le=3)] | None = None
    reason: Words | None = None
    location: Words | None = None

    def wishes(self) -> PdfWishes:
        seen = self.visible
        return PdfWishes(
            field=self.field,
            visible=None if seen is None else (seen.page, *seen.rectangle),
            qr=None if seen is None else seen.qr,
            lock=None if self.lock is None else (self.lock.action, self.lock.fields),
            certify=self.certify,
            reason=self.reason,
            location=self.location,
        )


class WishBody(Strict):
    """What is to be signed and how. ``asice`` takes several documents, the others one; ``enveloping`` is for files."""

    format: Literal["pdf", "file", "asice"]
    level: LevelName = "B-B"
    documents: Annotated[list[DocumentPart], Field(min_length=1, max_length=MAX_DOCUMENTS)]
    enveloping: bool = False
    pdf: PdfPart | None = None

    def wish(self, settings: SigningSettings) -> Wish:
        life = timedelta(seconds=settings.prepared_life_seconds)
        wishes = INVISIBLE if self.pdf is None else self.pdf.wishes()
        return Wish(self.format, Level(self.level), life, self.enveloping, wishes)

    def files(self, settings: SigningSettings) -> list[GivenFile]:
        """Raises LimitExceeded when they are longer together than one document may be, MalformedInput."""
        limit = settings.max_document_bytes
        found = [GivenFile(each.name, from_base64(each.content, max_bytes=limit)) for each in self.documents]
        if sum(len(each.content) for each in found) > limit:
            raise LimitExceeded("the documents are too long", limit_bytes=limit)
        return found


class PreparedBody(WishBody):
    """``certificate`` and ``chain`` in PEM: the signer's own, and the authorities above it without the root."""

    certificate: Pem
    chain: Annotated[tuple[Pem, ...], Field(max_length=8)] = ()

    def signer(self) -> tuple[x509.Certificate, list[x509.Certificate]]:
        own, *above = (_certificate(each) for each in (self.certificate, *self.chain))
        return own, above


class SignatureValueBody(Strict):
    """Base64 of the signature value: PKCS #1 v1.5, Ed25519, or ECDSA as DER or as r and s side by side."""

    signature: Annotated[str, Field(max_length=MAX_SIGNATURE_BYTES * 4 // 3 + 4)]


class ExtensionBody(Strict):
    """``level`` None: a fresh archive time stamp. ``content``: the file beside a detached signature."""

    document: Content
    content: Content | None = None
    level: LevelName | None = None


class VerificationBody(Strict):
    """A signed document with the file beside it, where the signature is detached."""

    document: Content
    content: Content | None = None
    name: Annotated[str, Field(max_length=255)] | None = None


class ShownDocument(BaseModel):
    """What is being signed, as it was given."""

    name: str
    size: int
    sha256: str


class PreparedAnswer(BaseModel):
    """``digest`` (hex) is what the key signs, by ``algorithm``; Ed25519 signs ``to_be_signed`` itself, and this is its
    digest. ``state``: prepared, completed or expired; only the first has what is to be signed.
    """

    id: str
    state: str
    certificate: str
    digest: str
    expires_at: str
    format: str | None
    level: str | None
    documents: list[ShownDocument]
    digest_algorithm: str | None
    algorithm: str | None
    to_be_signed: str | None


def prepared_answer(waiting: Waiting) -> PreparedAnswer:
    """As its signer sees it."""
    known = waiting.prepared
    return PreparedAnswer(
        id=waiting.id,
        state=waiting.state,
        certificate=waiting.certificate,
        digest=waiting.digest,
        expires_at=waiting.expires_at,
        format=None if known is None else known.format,
        level=None if known is None else str(known.level),
        documents=_shown(() if known is None else known.documents),
        digest_algorithm=None if known is None else known.digest_name,
        algorithm=None if known is None else known.algorithm,
        to_be_signed=None if known is None else to_base64(known.attributes),
    )


def _shown(documents: Sequence[GivenDocument]) -> list[ShownDocument]:
    return [ShownDocument(name=each.name, size=each.length, sha256=each.sha256) for each in documents]


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode("utf-8"))
    except ValueError as error:
        raise MalformedInput("not a certificate in PEM") from error
