"""What each revision of a PDF changed in the one before, in words; whether that was permitted is judged elsewhere.

A revision may leave the objects that a page shows as they are and still show something else: by fonts, by what stands
over a page, by objects that were there all along and are named only now (shadow attacks). So whatever a revision writes
is told by what it is, and what is told by nothing else is told as an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from pyhanko.pdf_utils import generic

from signing.pdf.colours import says_srgb
from signing.pdf.form_changes import changes_of_form
from signing.pdf.named_changes import Named, identical
from signing.pdf.opening import Reader, Resolver, held
from signing.pdf.signature_fields import Walked, fields_in

_SEEN_BY_OTHERS = frozenset(
    {"/AcroForm", "/DSS", "/Metadata", "/Pages", "/Extensions", "/Version", "/MarkInfo"}
)
_STAMP = "/ETSI.RFC3161"
_MOST_NAMED = 200


class History:
    """The revisions of one file, each looked at once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._named: dict[int, tuple[Named, ...]] = {}
        self._fields: dict[int, dict[str, list[Walked]]] = {}

    @cached_property
    def last(self) -> int:
        """The number of the last revision, counted from 0."""
        return int(self.reader.xrefs.total_revisions) - 1

    def named(self, revision: int) -> tuple[Named, ...]:
        """What that revision changed in the one before; where it is too much to name, what shows something else first,
        so that no crowd of harmless changes hides another.
        """
        if revision not in self._named:
            found = list(dict.fromkeys(_Step(self, revision).changes()))
            if len(found) > _MOST_NAMED:
                found.sort(key=lambda each: not each.shows)
            self._named[revision] = tuple(found[:_MOST_NAMED])
        return self._named[revision]

    def fields(self, revision: int) -> dict[str, list[Walked]]:
        """The form fields of that revision by their full names, each before its widgets."""
        if revision not in self._fields:
            found: dict[str, list[Walked]] = {}
            for each in fields_in(self.reader.get_historical_resolver(revision).root):
                found.setdefault(each.name, []).append(each)
            self._fields[revision] = found
        return self._fields[revision]


class _Step:
    """One revision beside the one before it."""

    def __init__(self, history: History, revision: int) -> None:
        self._history, self._revision = history, revision
        reader = history.reader
        self._old: Resolver = reader.get_historical_resolver(revision - 1)
        self._new: Resolver = reader.get_historical_resolver(revision)
        self._written = set(self._new.explicit_refs_in_revision())
        self._told: set[generic.Reference] = set()

    def changes(self) -> Iterator[Named]:
        if self._revision in self._history.reader.hybrid_revisions:
            detail = "hybrid cross-references were added, by which others may see something else"
            yield Named("hybrid-references-added", detail, None, True)
        yield from self._of_catalog()
        yield from self._of_fields()
        yield from self._of_pages()
        yield from self._of_revealed()
        yield from self._of_objects()

    def _of_catalog(self) -> Iterator[Named]:
        old, new = self._old.root, self._new.root
        self._told |= {self._new.root_ref}
        if self._old.root_ref != self._new.root_ref:
            yield Named("catalog-replaced", "another catalog takes the place of the document's", None, True)
        for key in sorted({*old, *new} - _SEEN_BY_OTHERS):
            if key == "/OutputIntents" and key not in old and says_srgb(held(new, key)):
                yield Named("colours-named", "the document's colours were said to be sRGB", key, False)
            elif not self._same(old, new, key):
                yield Named("catalog-changed", f"the document's entry {key} was changed", key, True)
        for key, code, what in (
            ("/DSS", "long-term-data-added", "certificates and revocation data were added"),
            ("/Metadata", "metadata-changed", "the document's metadata were changed"),
        ):
            written = self._new.graph.below(self._new.root_ref, key) & self._written
            if written or not self._same(old, new, key):
                self._told |= written
                yield Named(code, what, None, False)
        information = self._below(self._new.trailer_view, "/Info")
        if information & self._written:
            self._told |= information
            yield Named("metadata-changed", "the document's information was changed", None, False)

    def _of_fields(self) -> Iterator[Named]:
        old, new = self._history.fields(self._revision - 1), self._history.fields(self._revision)
        self._told |= self._below(self._new.root, "/AcroForm", depth=2)
        forms = held(self._old.root, "/AcroForm"), held(self._new.root, "/AcroForm")
        yield from changes_of_form(*forms, [each for nodes in old.values() for each in nodes])
        for name in sorted({*old, *new}):
            before, now = old.get(name), new.get(name)
            if now is None:
                yield Named("form-field-removed", f"the form field {name} was removed", name, True)
            elif before is None:
                yield self._new_field(name, now)
            elif any(self._touched(each) for each in now):
                yield from self._same_field(name, before, now)

    def _new_field(self, name: str, now: list[Walked]) -> Named:
        self._tell(now)
        if any(each.kind != "/Sig" for each in now):
            return Named("form-field-added", f"the form field {name} was added", name, True)
        signed = next((found for each in now if (found := held(each.field, "/V")) is not None), None)
        if signed is not None:
            return self._signed(name, now, signed)
        if _is_seen(now):
            detail = f"the empty signature field {name} was put over the page"
            return Named("annotation-added", detail, name, True)
        return Named("signature-field-added", f"the signature field {name} was added", name, False)

    def _same_field(self, name: str, before: list[Walked], now: list[Walked]) -> Iterator[Named]:
        pairs = [(one.field, other.field) for one, other in zip(before, now, strict=False)]
        filled = any(not self._same(*each, "/V") for each in pairs)
        looks = any(not self._same(*each, "/AP") for each in pairs) or any(map(self._looks, now))
        self._tell(now)
        value = next((each for each in now if "/V" in each.field), None)
        was_signed = any(held(each.field, "/V") is not None for each in before)
        if now[0].kind == "/Sig" and filled and value is not None and not was_signed:
            yield self._signed(name, now, held(value.field, "/V"))
        elif now[0].kind == "/Sig" and (filled or (value is not None and self._below(value.field, "/V"))):
            yield Named("signature-changed", f"the signature in {name} was changed", name, True)
        elif filled or any(not self._same(*each, "/AS") for each in pairs):
            yield Named("form-field-filled", f"the form field {name} was filled", name, False)
        elif looks:
            detail = f"the form field {name} looks otherwise with the same value"
            yield Named("form-appearance-changed", detail, name, True)
        for key in ("/Rect", "/F", "/DA", "/MK", "/FT", "/Ff", "/T", "/Opt", "/Kids"):
            if len(before) != len(now) or any(not self._same(*each, key) for each in pairs):
                yield Named("form-field-changed", f"the form field {name} has another {key}", name, True)

    def _signed(self, name: str, now: list[Walked], signature: generic.PdfObject | None) -> Named:
        stamp = held(signature, "/Type") == "/DocTimeStamp" or held(signature, "/SubFilter") == _STAMP
        if stamp and _is_seen(now):
            # Nobody's word stands behind what a stamp shows: whoever asks gets one.
            detail = f"the document time stamp {name} was put over the page"
            return Named("annotation-added", detail, name, True)
        if stamp:
            return Named("timestamp-added", f"the document time stamp {name} was added", name, False)
        return Named("signature-added", f"the signature {name} was added", name, False)

    def _of_pages(self) -> Iterator[Named]:
        old, new = self._old.graph.pages, self._new.graph.pages
        shown = {way: node for node, way in new.items()}
        if set(old) != set(new) or shown != {way: node for node, way in old.items()}:
            yield from self._moved(list(old), list(new))
        for node in self._written & set(new) & set(old):
            self._told.add(node)
            yield from self._of_page(node, new[node])

    def _moved(self, old: list[generic.Reference], new: list[generic.Reference]) -> Iterator[Named]:
        for node in new:
            if node not in old:
                self._told.add(node)
                yield Named("page-added", "a page was added", _place(node), True)
        for node in old:
            if node not in new:
                yield Named("page-removed", "a page was removed", _place(node), True)
        if set(old) == set(new):
            yield Named("page-moved", "pages were put in another order", None, True)

    def _of_page(self, node: generic.Reference, way: object) -> Iterator[Named]:
        old, new = self._old(node), self._new(node)
        if not isinstance(old, generic.DictionaryObject) or not isinstance(new, generic.DictionaryObject):
            yield Named("page-content-changed", "a page was replaced", _place(node), True)
            return
        for key in sorted({*old, *new} - {"/Annots"}):
            if not self._same(old, new, key):
                yield Named("page-content-changed", f"a page has another {key}", _place(node), True)
        yield from self._of_annotations(node, held(old, "/Annots"), held(new, "/Annots"))

    def _of_annotations(
        self, node: generic.Reference, old: generic.PdfObject | None, new: generic.PdfObject | None
    ) -> Iterator[Named]:
        named = self._history.fields(self._revision).values()
        fields = {each for nodes in named for field in nodes for each in _widgets(field)}
        before, now = _listed(old), _listed(new)
        for each in now - before - fields:
            if each is not None:
                self._told.add(each)
            yield Named("annotation-added", "an annotation was put over a page", _place(each or node), True)
        for each in before - now:
            yield Named(
                "annotation-removed", "an annotation was removed from a page", _place(each or node), True
            )

    def _of_revealed(self) -> Iterator[Named]:
        """Objects of earlier bytes that are named only now, and references that had led nowhere."""
        reader = self._history.reader
        end = reader.xrefs.get_xref_container_info(self._revision - 1).end_location
        for reference in self._written:
            place = reader.place_of(reference, self._revision)
            before = reader.place_of(reference, self._revision - 1)
            hidden = place is not None and place < end and place != before
            dangling = reference in self._old.graph and not self._old_has(reference)
            if hidden or (dangling and self._new.object_or_none(reference) is not None):
                detail = "an object that stood hidden in the signed bytes takes effect"
                yield Named("object-revealed", detail, _place(reference), True)

    def _of_objects(self) -> Iterator[Named]:
        for reference in sorted(self._written - self._told, key=lambda each: each.idnum):
            if not self._old_has(reference):
                continue
            now = self._new.object_or_none(reference)
            if now is None:
                yield Named("object-freed", "an object was taken away", _place(reference), True)
            elif not identical(self._old(reference), now):
                yield _described(now, reference)

    def _old_has(self, reference: generic.Reference) -> bool:
        return self._history.reader.xrefs.get_historical_ref(reference, self._revision - 1) is not None

    def _touched(self, field: Walked) -> bool:
        """Whether this revision wrote the field, one of its widgets, or how one of them looks."""
        near = _widgets(field) | self._looks(field)
        value = field.field.raw_get("/V") if "/V" in field.field else None
        near |= {value.reference} if isinstance(value, generic.IndirectObject) else set()
        return bool(near & self._written)

    def _tell(self, nodes: list[Walked]) -> None:
        for field in nodes:
            self._told |= _widgets(field) | self._looks(field)
            for key in ("/V", "/Lock", "/SV", "/Kids"):
                self._told |= self._below(field.field, key, depth=3)

    def _looks(self, field: Walked) -> set[generic.Reference]:
        """What this revision wrote of how the field looks, though what leads there stayed as it was."""
        found = self._below(field.field, "/AP", depth=3)
        if field.reference is not None:
            found |= self._new.graph.looks_of(field.reference) & self._written
        return found

    def _below(self, holder: generic.DictionaryObject, key: str, depth: int = 4) -> set[generic.Reference]:
        """What this revision wrote of what stands under that key."""
        if key not in holder:
            return set()
        found: set[generic.Reference] = set()
        waiting: list[tuple[generic.PdfObject, int]] = [(holder.raw_get(key), 0)]
        while waiting:
            item, level = waiting.pop()
            if isinstance(item, generic.IndirectObject):
                if item.reference in found or level > depth or item.reference not in self._written:
                    continue
                found.add(item.reference)
                item = self._new(item.reference)
            if isinstance(item, generic.DictionaryObject):
                waiting += [(item.raw_get(each), level + 1) for each in item if each not in ("/P", "/Parent")]
            elif isinstance(item, generic.ArrayObject):
                waiting += [(item.raw_get(index), level + 1) for index in range(len(item))]
        return found

    def _same(self, old: generic.DictionaryObject, new: generic.DictionaryObject, key: str) -> bool:
        before = old.raw_get(key) if key in old else None
        now = new.raw_get(key) if key in new else None
        return identical(before, now)


def _described(now: generic.PdfObject, reference: generic.Reference) -> Named:
    kind, place = held(now, "/Type"), _place(reference)
    if kind == "/Font" or kind == "/FontDescriptor":
        return Named("font-changed", "a font was changed", place, True)
    if kind == "/Annot" or held(now, "/Rect") is not None:
        return Named("annotation-changed", "an annotation was changed", place, True)
    if isinstance(now, generic.StreamObject):
        return Named("page-content-changed", "a stream that pages may show was changed", place, True)
    return Named("object-changed", "an object was changed", place, True)


def _widgets(field: Walked) -> set[generic.Reference]:
    found = {field.reference} if field.reference is not None else set()
    return found | {each for each in _listed(held(field.field, "/Kids")) if each is not None}


def _listed(array: generic.PdfObject | None) -> set[generic.Reference | None]:
    items = (
        [array.raw_get(index) for index in range(len(array))]
        if isinstance(array, generic.ArrayObject)
        else []
    )
    return {each.reference if isinstance(each, generic.IndirectObject) else None for each in items}


def _is_seen(nodes: list[Walked]) -> bool:
    return any(held(each.field, "/AP") is not None and _is_visible(each.field) for each in nodes)


def _is_visible(field: generic.DictionaryObject) -> bool:
    corners = held(field, "/Rect")
    try:
        left, bottom, right, top = (float(each) for each in corners) if corners is not None else (0.0,) * 4
    except (TypeError, ValueError):
        return True
    return left != right and bottom != top


def _place(reference: generic.Reference) -> str:
    return f"object {reference.idnum} {reference.generation}"
