"""Request and answer bodies of the tender routes; binary travels as base64, documents byte for byte."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kernel.errors import DomainError
from procurement.rules.fields import Fields

Base64 = Annotated[str, Field(max_length=8 << 20, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignedDocumentBody(Strict):
    """A canonical document and one detached CAdES signature over it."""

    document: Base64
    signature: Base64


class SignatureBody(Strict):
    signature: Base64


class ManySigned(BaseModel):
    """A canonical document with its signatures by party."""

    document: str
    signatures: dict[str, str]


class WithProof(BaseModel):
    """A document, the public event that names its digest, and that event's inclusion proof once cosigned."""

    document: str
    signature: str
    event: str | None
    proof: dict[str, Any] | None


class KeySetAnswer(ManySigned):
    event: str | None
    proof: dict[str, Any] | None


class DocumentAnswer(BaseModel):
    document: str


class DraftBody(BaseModel):
    """The terms of the call: the fields of ``mohr/notice/v1`` that the server does not assign."""

    model_config = ConfigDict(extra="allow")

    title: Annotated[str, Field(max_length=300)]


def _readable(text: str) -> str:
    """Refuse a public text that reads otherwise than it is: blank, or with hidden characters."""
    try:
        return Fields({"reason": text}, "body", ("reason",)).text("reason", 2000, shortest=3, lines=True)
    except DomainError as refusal:
        raise ValueError(refusal.detail) from refusal


class ReasonBody(Strict):
    reason: Annotated[str, Field(min_length=3, max_length=2000), AfterValidator(_readable)]


class EndingBody(ReasonBody):
    """Why a call ends: a word of the rule for grounds, and the reason for everybody to read."""

    ground: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z-]+$")]


class ExtensionBody(ReasonBody):
    """Until when the price opening is put off (RFC 3339)."""

    until: Annotated[str, Field(max_length=40)]


class TenderAnswer(BaseModel):
    """The public status of a call; what is not public yet is null."""

    id: str
    ocid: str
    state: str
    title: str
    nature: str
    method: str
    stages: int
    regime: str
    notice_digest: str | None
    key_set_digest: str | None
    submission_deadline: str | None
    closes_at: str | None
    price_opening_at: str | None
    demo: bool


class DraftAnswer(TenderAnswer):
    """A call before its publication, with the terms that are to be approved."""

    terms: dict[str, Any]


class TenderList(BaseModel):
    tenders: list[TenderAnswer]


class MissingParties(BaseModel):
    missing: list[str]


class SubmissionNumber(BaseModel):
    submission_number: int


class SubmissionBody(Strict):
    """Manifest, seal and the three headers; they fix the time, the blobs follow."""

    manifest: Base64
    seal: Base64
    headers: Annotated[dict[str, Base64], Field(max_length=3)]


class SubmissionAnswer(BaseModel):
    id: str
    receipt: SignedDocumentBody
    missing: list[str]


class OwnSubmission(BaseModel):
    id: str
    lot: str
    submission_number: int
    manifest_digest: str
    state: str
    missing: list[str]


class OwnSubmissions(BaseModel):
    submissions: list[OwnSubmission]


class MissingBlobs(BaseModel):
    missing: list[str]


class BlobStateAnswer(BaseModel):
    """``staged`` of ``length`` bytes are kept of an upload that broke; ``missing`` names what is not received."""

    length: int
    staged: int
    received: bool
    missing: list[str]


class ReceiptAnswer(BaseModel):
    receipt: SignedDocumentBody


class BatchesAnswer(BaseModel):
    batches: int
    needed: int


class RecordAnswer(BaseModel):
    record: ManySigned


class OpenedFileEntry(BaseModel):
    name: str
    length: int
    digest: str


class OpenedFiles(BaseModel):
    files: list[OpenedFileEntry]


class OpenedBid(BaseModel):
    manifest_digest: str
    bidder: str
    lot: str
    bid: dict[str, Any]


class OpenedBids(BaseModel):
    bids: list[OpenedBid]


class InForce(BaseModel):
    in_force: bool


class PreparedMinutesAnswer(BaseModel):
    """The next revision of the minutes (PDF) with room for the asking member's signature."""

    pdf: str
    revision: int
    signed_at: str
    decided: ManySigned | None


class MinutesSignatureBody(Strict):
    """The CMS over the prepared revision, and what that revision was."""

    revision: Annotated[int, Field(ge=1, le=100, strict=True)]
    signed_at: Annotated[str, Field(max_length=40)]
    signature: Annotated[Base64, Field(max_length=64 << 10)]


class MinutesAnswer(BaseModel):
    """How far the minutes are signed; ``digest`` is that of the newest revision."""

    digest: str
    signed: list[str]
    missing: list[str]


class ReturnsAnswer(BaseModel):
    returns: list[SignedDocumentBody]
