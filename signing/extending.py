"""Extending and refreshing whatever is signed: PDF, container or CMS, told apart by its first bytes."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Literal

from signing.ades import asice, cades
from signing.ades.services import Level, Services
from signing.errors import DocumentUnreadable
from signing.validation.contents import DigestOf

Kind = Literal["pdf", "asice", "cms"]
_PDF_HEADER_WITHIN = 1024


def kind_of(data: bytes) -> Kind:
    """By what its first bytes promise; whether it keeps that promise is found out by its reader."""
    # A PDF last: containers and enveloping signatures may hold one near their beginning.
    if data[:4] == b"PK\x03\x04":
        return "asice"
    return "pdf" if data[:1] != b"0" and b"%PDF-" in data[:_PDF_HEADER_WITHIN] else "cms"


def extend_signed(
    data: bytes, level: Level | None, services: Services, *, at: datetime, content: DigestOf | None = None
) -> bytes:
    """Every signature raised to that level; None: what is archived gets a fresh archive time stamp.

    ``content`` gives digests of a detached file. Raises DocumentUnreadable and its kin, SignatureInvalid,
    SigningForbidden, LevelUnreachable, TimestampUnavailable, EvidenceUnavailable.
    """
    kind = kind_of(data)
    if kind == "cms":
        if data[:1] != b"0":
            raise DocumentUnreadable(
                "the file is no signed PDF, container or CMS signature in DER; what is detached lies beside its file",
                kind="signed document",
            )
        if level is None:
            return cades.refresh(data, services, content, at=at)
        return cades.extend(data, level, services, content, at=at)
    if kind == "asice":
        target = BytesIO()
        if level is None:
            asice.refresh_container(BytesIO(data), target, services, at=at)
        else:
            asice.extend_container(BytesIO(data), target, level, services, at=at)
        return target.getvalue()
    # The library for PDF documents takes a moment to import, which the other kinds do without.
    from signing.pdf.long_term import extend_pdf, refresh_pdf

    if level is None:
        return refresh_pdf(data, services, at=at)
    return extend_pdf(data, level, services, at=at)
