"""The signature fields of a PDF form and the signatures in them (ISO 32000-2 §12.7.4, §12.8.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyhanko.pdf_utils import generic, misc

from signing.errors import DocumentTooComplex
from signing.pdf.byte_ranges import Covering, covering_of
from signing.pdf.limits import MAX_FIELD_DEPTH, MAX_FIELDS, MAX_SIGNATURES
from signing.pdf.opening import Reader, held
from signing.pdf.tokens import Value
from signing.validation.contents import Finding


@dataclass(frozen=True, slots=True)
class PlacedSignature:
    """A filled signature field; ``written`` are the tokens of its dictionary, None where those have no place.

    ``revision`` is the one that last wrote the dictionary, counted from 0; ``complete`` whether the covered bytes
    end where that revision ends, ``removed`` whether a later form lacks the field.
    """

    name: str
    field: generic.DictionaryObject
    reference: generic.Reference
    dictionary: generic.DictionaryObject
    written: Value | None
    covering: Covering
    revision: int
    complete: bool
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Walked:
    """A field or widget; ``has``: which of /DA, /Q and /V it or a field above it has."""

    name: str
    kind: str
    field: generic.DictionaryObject
    reference: generic.Reference | None
    has: frozenset[str]


def signatures_in(reader: Reader) -> list[PlacedSignature]:
    """Every filled signature field, in the order of what they cover; each signature once.

    Where the file holds more of them than its form names, the forms of earlier revisions are searched too: who takes
    a signature out of a document has changed it.
    """
    found: dict[generic.Reference, PlacedSignature] = {}
    _gather(reader, reader.root, found, removed=False)
    for revision in reversed(range(reader.xrefs.total_revisions - 1)):
        if reader.data.count(b"/ByteRange") <= len(found):
            break
        _gather(reader, reader.get_historical_resolver(revision).root, found, removed=True)
    return sorted(found.values(), key=lambda each: (each.revision, each.covering.end))


def _gather(
    reader: Reader,
    root: generic.DictionaryObject,
    found: dict[generic.Reference, PlacedSignature],
    *,
    removed: bool,
) -> None:
    for walked in fields_in(root):
        if walked.kind != "/Sig" or "/V" not in walked.field:
            continue
        reference = _reference_of(walked)
        if reference is None or reference in found:
            continue
        placed = _placed(reader, walked, reference)
        if placed is not None:
            found[reference] = replace(placed, removed=removed)
        if len(found) > MAX_SIGNATURES:
            raise DocumentTooComplex("the document has more signatures than are read", limit="signatures")


def ends_revision(reader: Reader, revision: int, end: int) -> bool:
    """Whether the bytes up to ``end`` hold that revision and all before it, and nothing behind their end mark."""
    sections = [reader.xrefs.get_xref_container_info(each) for each in range(revision + 1)]
    if not end or any(each.end_location > end for each in sections):
        return False
    tail = reader.data[max(0, end - 64) : end].rstrip(b"\r\n")
    if not tail.endswith(b"%%EOF"):
        return False
    start = tail.rfind(b"startxref")
    number = tail[start + len(b"startxref") : -len(b"%%EOF")].strip()
    return start >= 0 and number.isdigit() and int(number) == sections[-1].declared_startxref


def _placed(reader: Reader, walked: Walked, reference: generic.Reference) -> PlacedSignature | None:
    written = reader.signature_dictionary(reference)
    try:
        dictionary = held(walked.field, "/V")
    except misc.PdfError:
        # The tokens still tell what is wrong with it: a repeated key, for one.
        dictionary = generic.DictionaryObject()
    if dictionary is None or isinstance(dictionary, generic.NullObject):
        return None
    if not isinstance(dictionary, generic.DictionaryObject):
        dictionary, written = generic.DictionaryObject(), None
    covering = _not_placed() if written is None else covering_of(reader.data, written)
    revision = reader.xrefs.get_last_change(reference)
    complete = ends_revision(reader, revision, covering.end)
    return PlacedSignature(
        walked.name, walked.field, reference, dictionary, written, covering, revision, complete
    )


def _not_placed() -> Covering:
    detail = "the signature's dictionary does not stand in the file by itself"
    return Covering((0, 0), 0, None, (Finding("signature-unlocated", detail),))


def _reference_of(walked: Walked) -> generic.Reference | None:
    value = walked.field.raw_get("/V")
    return value.reference if isinstance(value, generic.IndirectObject) else walked.reference


def fields_in(root: generic.DictionaryObject) -> list[Walked]:
    """Every field with its full name and inherited kind; each object once, however often it is named."""
    form = held(root, "/AcroForm")
    top = held(form, "/Fields")
    waiting = [(each, "", "", frozenset[str](), 0) for each in reversed(_list(top))]
    found: list[Walked] = []
    seen = set()
    while waiting:
        item, above, kind, has, depth = waiting.pop()
        reference = item.reference if isinstance(item, generic.IndirectObject) else None
        if reference is not None and reference in seen:
            continue
        seen.add(reference)
        field = item.get_object()
        if not isinstance(field, generic.DictionaryObject) or depth > MAX_FIELD_DEPTH:
            continue
        name = _joined(above, held(field, "/T"))
        kind = str(held(field, "/FT") or kind)
        has = has | _entries(field)
        found.append(Walked(name, kind, field, reference, has))
        if len(found) > MAX_FIELDS:
            raise DocumentTooComplex("the document has more form fields than are read", limit="fields")
        waiting += [(each, name, kind, has, depth + 1) for each in reversed(_list(held(field, "/Kids")))]
    return found


def _entries(field: generic.DictionaryObject) -> set[str]:
    """Those that a widget takes from a field above it; a value counts unread, as it may be a signature."""
    drawn_by = {key for key in ("/DA", "/Q") if not isinstance(held(field, key), generic.NullObject | None)}
    return drawn_by | ({"/V"} & set(field))


def _joined(above: str, part: object) -> str:
    if not isinstance(part, generic.TextStringObject):
        return above
    return f"{above}.{part}" if above else str(part)


def _list(value: object) -> list[generic.PdfObject]:
    return list(value) if isinstance(value, generic.ArrayObject) else []
