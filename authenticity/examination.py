"""A file that somebody handed in, held against the register: authentic, altered (and how), out of force, or unknown.

Its own bytes decide. Only where they are not registered is it looked into: whether it begins with registered bytes, to
which something was added, and which identifier it bears. A scan bears one too and proves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from authenticity.answers import Alteration, Answer, Verdict
from authenticity.claims import claimed_identifiers
from authenticity.pdf_pictures import Seen, seen_in, seen_in_picture
from authenticity.record import Registration
from authenticity.signatories import signer_of
from authenticity.standing import verdict_on_bytes
from kernel.errors import LimitExceeded, NotFound, Unavailable
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from signing.pdf.revision_ends import revision_ends
from signing.validation.report import Indication, SignatureReport, ValidationReport

_UNREADABLE = (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex)
_UNDRAWABLE = (*_UNREADABLE, LimitExceeded, NotFound, Unavailable)
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"RIFF")
# What keeps a signature provable and says nothing new (ETSI EN 319 142-1 §5.5).
_UPKEEP = frozenset({"long-term-data-added", "timestamp-added"})
_MAX_ALTERATIONS = 50


class Register(Protocol):
    """What is registered; ``file_of`` gives the registered bytes, None where they are not kept."""

    def by_digest(self, digest: str) -> Registration | None: ...

    def by_identifier(self, identifier: str) -> Registration | None: ...

    def file_of(self, registration: Registration) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Looking:
    """The ways of looking into a file; each may raise the refusals of unreadable documents."""

    judge: Callable[[bytes], ValidationReport]
    pdf: Callable[[bytes], Seen] = seen_in
    picture: Callable[[bytes], Seen] = seen_in_picture


def examine(content: bytes, *, register: Register, looking: Looking, at: str) -> Answer:
    """The answer for a whole file, without ``proof``. Refuses nothing: what cannot be read is unknown."""
    digest = sha256(content).hexdigest()
    found = register.by_digest(digest)
    if found is not None:
        return Answer("file", digest, verdict_on_bytes(found, at), at, found)
    report = _judged(content, looking)
    grown = _grown_from(content, register)
    if grown is not None:
        return _grown(content, digest, grown, report, at, looking)
    seen = _seen(content, looking)
    claims = claimed_identifiers(seen) if seen is not None else ()
    unknown = Answer("file", digest, "unknown", at, claimed=claims[0] if claims else None)
    # Without text there is only a picture of a document, and nothing that could have been altered.
    if seen is None or not any(each.strip() for each in seen.texts):
        return unknown
    for claim in claims:
        claimed = register.by_identifier(claim)
        if claimed is not None:
            alterations = tuple(_compared(content, report, seen, claimed, register.file_of(claimed), looking))
            return Answer("file", digest, "altered", at, claimed, None, alterations[:_MAX_ALTERATIONS], claim)
    return unknown


@dataclass(frozen=True, slots=True)
class _Grown:
    """A registered file to whose end something was added; ``length`` of the registered bytes."""

    registration: Registration
    length: int


def _grown_from(content: bytes, register: Register) -> _Grown | None:
    if b"%PDF-" not in content[:1024]:
        return None
    try:
        ends = revision_ends(content)
    except _UNREADABLE:
        # What was added need not be readable for what stands before it to be known.
        ends = []
    running, at, digests = sha256(), 0, {}
    for end in sorted(ends):
        running.update(memoryview(content)[at:end])
        at, digests[end] = end, running.copy().hexdigest()
    for end in ends:
        found = register.by_digest(digests[end])
        if found is not None:
            return _Grown(found, end)
    return None


def _grown(
    content: bytes,
    digest: str,
    grown: _Grown,
    report: ValidationReport | None,
    at: str,
    looking: Looking,
) -> Answer:
    before = _judged(content[: grown.length], looking)
    # All of them are judged; only so many are listed.
    alterations = tuple(_added(content, grown.length, before, report))
    kept_up = report is not None and report.passed and all(each.code in _UPKEEP for each in alterations)
    verdict: Verdict = verdict_on_bytes(grown.registration, at) if kept_up else "altered"
    return Answer("file", digest, verdict, at, grown.registration, alterations=alterations[:_MAX_ALTERATIONS])


def _added(
    content: bytes, length: int, before: ValidationReport | None, report: ValidationReport | None
) -> Iterator[Alteration]:
    """What came after the registered bytes, by the signature that stood there; else that there are more bytes."""
    named = False
    earlier = {each.identifier: each for each in (before.signatures if before else ())}
    for signature in report.signatures if report is not None else ():
        old = earlier.get(signature.identifier)
        if old is None:
            named = True
            yield Alteration("signature-added", None, {"signer": signer_of(signature)})
            continue
        known = Counter((each.code, each.place) for each in old.changes)
        for change in signature.changes:
            if change.code == "signature-added":
                continue
            if known[change.code, change.place] > 0:
                known[change.code, change.place] -= 1
                continue
            named = True
            fields = {"place": change.place, "detail": change.detail, "allowed": change.allowed}
            yield Alteration(change.code, signer_of(signature), fields)
        if signature.indication is Indication.TOTAL_FAILED:
            named = True
            yield _broken(signature)
    if not named:
        yield Alteration("bytes-appended", None, {"bytes": len(content) - length})


def _compared(
    content: bytes,
    report: ValidationReport | None,
    seen: Seen | None,
    claimed: Registration,
    registered: bytes | None,
    looking: Looking,
) -> Iterator[Alteration]:
    """How a file differs from what is registered under its identifier; of withheld ones nothing but that it does."""
    if claimed.record.disclosure == "withheld":
        yield Alteration("other-bytes", None, {})
        return
    if registered is not None and registered.startswith(content):
        yield Alteration("cut-off", None, {"missing_bytes": len(registered) - len(content)})
    was, now = _signers(None if registered is None else _judged(registered, looking)), _signers(report)
    for _, name in (was - now).elements():
        yield Alteration("signature-removed", None, {"signer": name})
    for _, name in (now - was).elements():
        yield Alteration("signature-of-another", None, {"signer": name})
    for signature in report.signatures if report is not None else ():
        if signature.indication is Indication.TOTAL_FAILED:
            yield _broken(signature)
        for change in signature.changes:
            if not change.allowed:
                fields = {"place": change.place, "detail": change.detail, "allowed": False}
                yield Alteration(change.code, signer_of(signature), fields)
    if registered is not None and seen is not None:
        yield from _pages(seen, registered)
    yield Alteration("other-bytes", None, {"bytes": len(content), "registered_bytes": claimed.record.size})


def _pages(seen: Seen, registered: bytes) -> Iterator[Alteration]:
    try:
        pages = seen_in(registered).pages
    except _UNDRAWABLE:
        return
    if pages != seen.pages:
        yield Alteration("page-count", None, {"pages": seen.pages, "registered_pages": pages})


def _signers(report: ValidationReport | None) -> Counter[tuple[str, str]]:
    """By certificate, because anybody can have a certificate of any name made somewhere."""
    signatures = () if report is None else report.signatures
    return Counter((each.path[0].fingerprint if each.path else "", signer_of(each)) for each in signatures)


def _broken(signature: SignatureReport) -> Alteration:
    why = str(signature.sub_indication or "")
    return Alteration("signature-broken", signer_of(signature), {"indication": why})


def _judged(content: bytes, looking: Looking) -> ValidationReport | None:
    try:
        return looking.judge(content)
    except _UNREADABLE:
        return None


def _seen(content: bytes, looking: Looking) -> Seen | None:
    try:
        if content.startswith(_PICTURES):
            return looking.picture(content)
        return looking.pdf(content) if b"%PDF-" in content[:1024] else None
    except _UNDRAWABLE:
        return None
