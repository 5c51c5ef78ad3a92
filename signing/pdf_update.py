"""The bytes of a PDF that grows by signatures: each one is an incremental update of exactly one form.

An update (ISO 32000-1 §7.5.6) adds one signature dictionary and its invisible field, and nothing else. Its bytes follow
from what stands before it, the party and the time it names, so whoever checks writes it again and compares: there is
no room in it for anything beside a signature. Only documents of our own renderer are read (one table of
cross-references, every object in clear); all else is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from signing.errors import SignatureInvalid

RESERVED_BYTES = 12 * 1024
MAX_PDF_BYTES = 64 << 20
MOST_SIGNATURES = 20
_HEX = 2 * RESERVED_BYTES
_PARTY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_END = re.compile(rb"startxref\n([0-9]{1,10})\n%%EOF\Z")
_TRAILER = re.compile(
    rb"trailer\n<</Size ([0-9]{1,7})/Root ([0-9]{1,7}) 0 R/Info ([0-9]{1,7}) 0 R"
    rb"/ID\[(\([A-Za-z0-9+/=]{1,64}\))(?:\([A-Za-z0-9+/=]{1,64}\)|<[0-9a-f]{32}>)\](?:/Prev ([0-9]{1,10}))?>>\n\Z"
)
_MADE = re.compile(
    rb"<</Type/Sig/Filter/Adobe\.PPKLite/SubFilter/ETSI\.CAdES\.detached/Name\(([A-Za-z0-9._-]{1,64})\)"
    rb"/M\(D:([0-9]{14})Z\)/ByteRange\[0 [0-9 ]{32}\]/Contents<([0-9a-f]{%d})>>>" % _HEX
)
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Update:
    """One signature's update: who signs, the time it claims (whole seconds), and the CMS, empty while prepared."""

    party: str
    signed_at: datetime
    cms: bytes


@dataclass(frozen=True, slots=True)
class Revision:
    """The document up to and with one update; ``gap`` is where its Contents begin, which no signature covers."""

    pdf: bytes
    gap: int
    update: Update

    @property
    def covered(self) -> bytes:
        """The bytes of the ByteRange: everything but the Contents."""
        return self.pdf[: self.gap] + self.pdf[self.gap + _HEX + 2 :]


@dataclass(frozen=True, slots=True)
class _Base:
    """What an update needs of the document that our renderer wrote."""

    size: int
    root: int
    info: int
    page: int
    identifier: bytes
    catalog: bytes
    page_body: bytes


def append_update(base: bytes, before: bytes, number: int, update: Update) -> Revision:
    """The revision that follows ``before``, whose ``number`` counts the signatures from 1.

    Raises SignatureInvalid when the document is not of our renderer, or a value has no place in it.
    """
    if _PARTY.fullmatch(update.party) is None or not 1 <= number <= MOST_SIGNATURES:
        _refuse("no place for that signature")
    if len(update.cms) > RESERVED_BYTES:
        _refuse("the signature is longer than the room kept for it")
    parts = _read_base(base)
    signature, field = parts.size + 2 * number - 2, parts.size + 2 * number - 1
    fields = b" ".join(b"%d 0 R" % (parts.size + 2 * each - 1) for each in range(1, number + 1))
    bodies = {
        parts.page: parts.page_body[:-2] + b"/Annots[%b]>>" % fields,
        parts.root: parts.catalog[:-2] + b"/AcroForm<</Fields[%b]/SigFlags 3>>>>" % fields,
        signature: _signature_dictionary(update),
        field: b"<</Type/Annot/Subtype/Widget/FT/Sig/T(signature-%d)/F 132/Rect[0 0 0 0]/P %d 0 R/V %d 0 R>>"
        % (number, parts.page, signature),
    }
    return _compose(before, bodies, signature, parts, update)


def read_revisions(pdf: bytes) -> tuple[bytes, tuple[Revision, ...]]:
    """The document as it was rendered, and its revisions in order; each was written again and is the same bytes.

    Raises SignatureInvalid when anything but signatures was added, or one was added in another form.
    """
    if len(pdf) > MAX_PDF_BYTES:
        _refuse("the document is too long")
    ends = [len(pdf)]
    while (earlier := _end_of_the_one_before(pdf[: ends[0]])) is not None:
        ends.insert(0, earlier)
        if len(ends) > MOST_SIGNATURES + 1:
            _refuse("more signatures than a document can have")
    base, before = pdf[: ends[0]], pdf[: ends[0]]
    revisions = []
    for number, end in enumerate(ends[1:], start=1):
        found = _MADE.findall(pdf, len(before), end)
        if len(found) != 1:
            _refuse("an update is not one signature")
        revision = append_update(base, before, number, _update_of(*found[0]))
        if revision.pdf != pdf[:end]:
            _refuse("an update does something else than to add a signature")
        revisions.append(revision)
        before = revision.pdf
    return base, tuple(revisions)


def _update_of(party: bytes, moment: bytes, contents: bytes) -> Update:
    try:
        signed_at = datetime.strptime(moment.decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        _refuse("a signature claims a time that there is not")
    return Update(party.decode("ascii"), signed_at, _der_in(bytes.fromhex(contents.decode("ascii"))))


def _der_in(room: bytes) -> bytes:
    """The one DER value at the beginning of the room kept for it, or nothing while the room is empty."""
    if not any(room):
        return b""
    if room[0] != 0x30 or room[1] != 0x82:
        _refuse("the Contents hold no signature")
    return room[: 4 + int.from_bytes(room[2:4], "big")]


def _signature_dictionary(update: Update) -> bytes:
    return b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/Name(%b)/M(D:%bZ)" % (
        update.party.encode("ascii"),
        update.signed_at.astimezone(UTC).strftime("%Y%m%d%H%M%S").encode("ascii"),
    ) + b"/ByteRange[0 %b]/Contents<%b>>>" % (b" " * 32, update.cms.hex().encode("ascii").ljust(_HEX, b"0"))


def _compose(
    before: bytes, bodies: dict[int, bytes], signature: int, parts: _Base, update: Update
) -> Revision:
    """Objects, table and trailer behind ``before``; the ByteRange is filled in last, in its fixed width."""
    out, offsets = bytearray(before), {}
    out += b"\n"
    for number in sorted(bodies):
        offsets[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, bodies[number])
    table = len(out)
    out += b"xref\n"
    for number in sorted(offsets):
        out += b"%d 1\n%010d 00000 n\r\n" % (number, offsets[number])
    out += b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[%b<%b>]/Prev %d>>\nstartxref\n%d\n%%%%EOF" % (
        max(bodies) + 1,
        parts.root,
        parts.info,
        parts.identifier,
        hashlib.sha256(before).hexdigest()[:32].encode("ascii"),
        _table_offset(before),
        table,
    )
    gap = out.index(b"/Contents<", offsets[signature]) + len(b"/Contents")
    place = out.index(b"/ByteRange[0 ", offsets[signature]) + len(b"/ByteRange[0 ")
    after = gap + _HEX + 2
    out[place : place + 32] = (b"%d %d %d" % (gap, after, len(out) - after)).ljust(32)
    return Revision(bytes(out), gap, update)


def _read_base(base: bytes) -> _Base:
    offset = _table_offset(base)
    trailer = _TRAILER.search(base, base.rfind(b"trailer\n", offset), base.rfind(b"startxref\n"))
    if trailer is None or trailer[5] is not None:
        _refuse("the document is not of our renderer")
    size, root, info = (int(trailer[group]) for group in (1, 2, 3))
    catalog = _object(base, offset, size, root)
    number = _reference(catalog, rb"/Pages ([0-9]{1,7}) 0 R")
    for _ in range(_DEEPEST):
        body = _object(base, offset, size, number)
        if body.startswith(b"<</Type/Page/"):
            break
        number = _reference(body, rb"/Kids\[([0-9]{1,7}) 0 R")
    else:
        _refuse("the document has no first page")
    if b"/AcroForm" in catalog or b"/Annots" in body:
        _refuse("the document holds a form or an annotation of its own")
    return _Base(size, root, info, number, trailer[4], catalog, body)


def _table_offset(pdf: bytes) -> int:
    found = _END.search(pdf, max(0, len(pdf) - 64))
    offset = int(found[1]) if found else 0
    if not 0 < offset < len(pdf) or not pdf.startswith(b"xref\n", offset):
        _refuse("the document does not end in a table of cross-references")
    return offset


def _end_of_the_one_before(pdf: bytes) -> int | None:
    """Where the revision before ended; None for the document as it was rendered."""
    trailer = _TRAILER.search(pdf, pdf.rfind(b"trailer\n"), pdf.rfind(b"startxref\n"))
    if trailer is None:
        _refuse("the document is not of our renderer")
    if trailer[5] is None:
        return None
    mark = b"startxref\n%b\n%%%%EOF" % trailer[5]
    place = pdf.find(mark, int(trailer[5]), len(pdf) - len(mark))
    if place < 0:
        _refuse("a revision points to none before it")
    return place + len(mark)


def _object(pdf: bytes, table: int, size: int, number: int) -> bytes:
    """The body of a dictionary object by the document's first table, which has entries of 20 bytes."""
    head = b"xref\n0 %d\n" % size
    if not pdf.startswith(head, table) or not 0 < number < size:
        _refuse("the table of cross-references has another form")
    entry = pdf[table + len(head) + 20 * number :][:20]
    start = int(entry[:10]) if entry[:10].isdigit() else 0
    begin = b"%d 0 obj\n<<" % number
    end = pdf.find(b">>\nendobj", start)
    if not pdf.startswith(begin, start) or end < 0:
        _refuse("an object is not where the table says")
    return pdf[start + len(begin) - 2 : end + 2]


def _reference(body: bytes, pattern: bytes) -> int:
    found = re.search(pattern, body)
    if found is None:
        _refuse("an object lacks what it must name")
    return int(found[1])


def _refuse(detail: str) -> NoReturn:
    raise SignatureInvalid(f"{detail} (PDF)")
