"""A PDF of anybody as a FoundDocument: its signatures, document time stamps, evidence, and what changed after each.

What one signature's form breaks is a finding of that signature, and the others are read all the same; only a file that
cannot be read at all is refused. ISO 32000-2 §12.8, ETSI EN 319 142-1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from pyhanko.pdf_utils import generic, misc

from signing.ades.services import Evidence
from signing.errors import DocumentTooComplex, DocumentUnreadable
from signing.pdf.byte_ranges import digest_over
from signing.pdf.changes import Changes
from signing.pdf.history import History
from signing.pdf.opening import Reader, held, open_pdf, refusing_what_cannot_be_read
from signing.pdf.signature_fields import PlacedSignature, signatures_in
from signing.pdf.stored_evidence import evidence_in
from signing.validation.cms_evidence import read_certificate
from signing.validation.cms_stamps import evidence_digests, token_evidence
from signing.validation.contents import (
    Covered,
    Finding,
    Form,
    FoundDocument,
    FoundSignature,
    FoundTimestamp,
)
from signing.validation.reading_cades import Cover, found_signatures

_FORMS: dict[str, Form] = {"/ETSI.CAdES.detached": "PAdES", "/adbe.pkcs7.detached": "PKCS7"}
_STAMP = "/ETSI.RFC3161"
_LATER = frozenset(
    {"signature-added", "timestamp-added", "long-term-data-added", "form-extended", "colours-named"}
)
_MOST_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What is found so far, as a document time stamp further on covers it."""

    end: int
    covered: Covered


def read_pdf(source: bytes | Path, *, name: str = "document.pdf") -> FoundDocument:
    """Raises DocumentUnreadable, DocumentEncrypted and DocumentTooComplex; within bounds of time and memory."""
    reader = open_pdf(source)
    with refusing_what_cannot_be_read():
        placed = signatures_in(reader)
        stored = evidence_in(reader, reader.xrefs.total_revisions - 1)
        signatures, timestamps, findings = _found(reader, placed, stored)
    findings += _not_in_fields(reader, placed)
    return FoundDocument(
        kind="pdf",
        name=name,
        length=len(reader.data),
        sha256=hashlib.sha256(reader.data).hexdigest(),
        signatures=tuple(signatures),
        timestamps=tuple(timestamps),
        evidence=stored,
        findings=tuple(findings),
    )


def _found(
    reader: Reader, placed: Sequence[PlacedSignature], stored: Evidence
) -> tuple[list[FoundSignature], list[FoundTimestamp], list[Finding]]:
    signatures: list[FoundSignature] = []
    timestamps: list[FoundTimestamp] = []
    findings: list[Finding] = []
    earlier: list[_Earlier] = []
    history = Changes(History(reader))
    first = placed[0].revision if placed else 0
    certificates = [each for each in map(read_certificate, stored.certificates) if each is not None]
    for each in placed:
        if is_document_timestamp(each):
            number = f"document-timestamp-{len(timestamps) + 1}"
            stamp, about = _timestamp(reader, each, number, earlier, stored)
            timestamps += [] if stamp is None else [stamp]
            findings += about
            if stamp is not None:
                held = evidence_digests(token_evidence(stamp.token))
                earlier.append(
                    _Earlier(each.covering.end, Covered(timestamps=frozenset({number}), evidence=held))
                )
        else:
            for found in _signature(reader, each, len(signatures) + 1, certificates, history, first):
                earlier.append(_Earlier(each.covering.end, _held_by(found)))
                signatures.append(replace(found, evidence=found.evidence | stored))
    return signatures, timestamps, findings


def is_document_timestamp(placed: PlacedSignature) -> bool:
    """By its type or its encoding: one that says either is no signature of anybody."""
    return bool(held(placed.dictionary, "/Type") == "/DocTimeStamp") or _encoding(placed) == _STAMP


def _signature(
    reader: Reader,
    placed: PlacedSignature,
    number: int,
    certificates: Sequence[x509.Certificate],
    history: Changes,
    first: int,
) -> tuple[FoundSignature, ...]:
    form = _FORMS.get(_encoding(placed))
    findings = list(placed.covering.findings)
    if form is None:
        findings.append(
            Finding("subfilter-not-read", f"a signature of the encoding {_encoding(placed) or '-'}")
        )
    if placed.removed:
        findings.append(
            Finding("signature-removed", "a later revision took the signature out of the document")
        )
    changes, about = history.after(placed)
    findings += [*about, *_hybrid(reader, placed, first)]
    content = digest_over(reader.data, placed.covering)
    cover = Cover(form or "PKCS7", content, _scope(reader, placed), False, placed.name)
    found = _read(placed, cover, number, certificates, findings if form is not None else None)
    whole = placed.complete and all(each.code in _LATER for each in changes)
    return tuple(
        replace(
            each,
            whole=whole,
            claimed_time=_claimed_time(placed) or each.claimed_time,
            reason=_text(placed, "/Reason"),
            location=_text(placed, "/Location"),
            changes=changes,
            findings=(*findings, *each.findings),
        )
        for each in found
    )


def _hybrid(reader: Reader, placed: PlacedSignature, first: int) -> list[Finding]:
    """Many programs write hybrid cross-references; they break what was signed when they come after it was signed."""
    covered = [each for each in reader.hybrid_revisions if each <= placed.revision]
    late = any(each > first for each in covered)
    detail = "the document has hybrid cross-references" + (
        ", added after its first signature"
        if late
        else ": a reader that does not know cross-reference streams may show something else"
    )
    return [Finding("hybrid-references", detail, fatal=late)] if covered else []


def _read(
    placed: PlacedSignature,
    cover: Cover,
    number: int,
    certificates: Sequence[x509.Certificate],
    findings: list[Finding] | None,
) -> tuple[FoundSignature, ...]:
    """The CMS; without one a signature that says nothing, whose ``findings`` say why."""
    if findings is not None and placed.covering.contents is not None:
        try:
            found = found_signatures(placed.covering.contents, cover, first=number, others=certificates)
            if len(found) > 1:
                findings.append(Finding("several-signers", "a signature in a PDF has one signer"))
            return found
        except DocumentTooComplex as error:
            findings.append(Finding("cms-too-complex", error.detail))
        except DocumentUnreadable as error:
            findings.append(Finding("cms-unreadable", error.detail))
    return (
        FoundSignature(
            f"signature-{number}", cover.form, None, cover.content, cover.scope, False, placed.name
        ),
    )


def _timestamp(
    reader: Reader, placed: PlacedSignature, number: str, earlier: Sequence[_Earlier], stored: Evidence
) -> tuple[FoundTimestamp | None, list[Finding]]:
    findings = [
        Finding(each.code, f"{each.detail} (in {number})", each.fatal) for each in placed.covering.findings
    ]
    if placed.covering.contents is None:
        return None, findings
    token = placed.covering.contents
    if not placed.complete:
        detail = f"what {number} covers does not end with a revision"
        findings.append(Finding("timestamp-not-of-a-revision", detail, fatal=False))
    stamp = FoundTimestamp(
        identifier=number,
        kind="document",
        token=token,
        imprint=digest_over(reader.data, placed.covering),
        covered=_covered(reader, placed, earlier),
        evidence=token_evidence(token) | stored,
        name=placed.name,
    )
    return stamp, findings


def _covered(reader: Reader, placed: PlacedSignature, earlier: Sequence[_Earlier]) -> Covered:
    """Earlier signatures and stamps whose bytes lie within, and the evidence stored by then."""
    within = [each.covered for each in earlier if 0 < each.end <= placed.covering.gap[0]]
    evidence: frozenset[bytes] = frozenset().union(*(each.evidence for each in within))
    if placed.complete:
        evidence |= evidence_digests(evidence_in(reader, placed.revision))
    return Covered(
        signatures=frozenset().union(*(each.signatures for each in within)),
        timestamps=frozenset().union(*(each.timestamps for each in within)),
        evidence=evidence,
    )


def _held_by(found: FoundSignature) -> Covered:
    """What stands inside a signature, and so is covered with it."""
    inside = found.evidence
    for stamp in found.timestamps:
        inside |= stamp.evidence
    return Covered(
        signatures=frozenset({found.identifier}),
        timestamps=frozenset(each.identifier for each in found.timestamps),
        evidence=evidence_digests(inside),
    )


def _scope(reader: Reader, placed: PlacedSignature) -> str:
    if not placed.covering.end:
        return "nothing that is known"
    if placed.covering.end == len(reader.data):
        return "the whole document"
    return (
        f"revision {placed.revision + 1} of {reader.xrefs.total_revisions} of the document, "
        f"its first {placed.covering.end} bytes"
    )


def _encoding(placed: PlacedSignature) -> str:
    found = held(placed.dictionary, "/SubFilter")
    return str(found) if isinstance(found, generic.NameObject) else ""


def _claimed_time(placed: PlacedSignature) -> datetime | None:
    written = _text(placed, "/M")
    try:
        found = None if written is None else generic.parse_pdf_date(written, strict=False)
    except (misc.PdfError, ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if isinstance(found, datetime) and found.tzinfo is not None else None


def _text(placed: PlacedSignature, key: str) -> str | None:
    found = held(placed.dictionary, key)
    return str(found)[:_MOST_TEXT] if isinstance(found, generic.TextStringObject) else None


def _not_in_fields(reader: Reader, placed: Sequence[PlacedSignature]) -> list[Finding]:
    """Signatures that stand in the file and in no field: removed after signing, or never shown."""
    named = sum(1 for each in placed if each.written is not None)
    if reader.data.count(b"/ByteRange") <= named:
        return []
    detail = "the file holds a signature that belongs to no field of its form"
    return [Finding("signature-unreferenced", detail, fatal=False)]
