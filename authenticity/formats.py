"""In which format a document is, told by its bytes and never by its name."""

from __future__ import annotations

from dataclasses import dataclass

from authenticity.rule import Format
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from signing.pdf.archival import archival_of
from signing.validation.reading import read_document

MEDIA_TYPES: dict[Format, str] = {
    "pdf": "application/pdf",
    "pdf-a": "application/pdf",
    "asic-e": "application/vnd.etsi.asic-e+zip",
    "cms": "application/pkcs7-mime",
    "other": "application/octet-stream",
}


@dataclass(frozen=True, slots=True)
class FoundFormat:
    """``detail``: as it names itself (``PDF/A-2b``); ``reasons``: why it is no more than that."""

    format: Format
    detail: str
    reasons: tuple[str, ...] = ()


def format_of(content: bytes) -> FoundFormat:
    """``other`` for whatever is no readable PDF, CMS signature or container."""
    if content.startswith(b"%PDF-") or (
        b"%PDF-" in content[:1024] and not content.startswith((b"PK\x03\x04", b"0"))
    ):
        return _pdf(content)
    try:
        kind = read_document(content).kind
    except (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex) as refusal:
        return FoundFormat("other", "", (refusal.detail,))
    return FoundFormat("asic-e", "ASiC-E") if kind == "asice" else FoundFormat("cms", "CMS")


def _pdf(content: bytes) -> FoundFormat:
    try:
        found = archival_of(content)
    except (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex) as refusal:
        return FoundFormat("other", "PDF", (refusal.detail,))
    if found.claim is None:
        return FoundFormat("pdf", "PDF", ("it does not say that it is PDF/A",))
    if found.obstacles:
        return FoundFormat("pdf", "PDF", found.obstacles)
    return FoundFormat("pdf-a", found.claim)
