"""What each revision of a PDF changed in the one before, in words; whether that was permitted is judged elsewhere.

A revision may leave the objects that a page shows as they are and still show something else: by fonts, by what stands
over a page, by objects that were there all along and are named only now (shadow attacks). So whatever a revision writes
is told by what it is, and what is told by nothing else is told as an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pyhanko.pdf_utils import generic

from signing.pdf.opening import Reader, Resolver, held
from signing.pdf.signature_fields import Walked, fields_in

_SEEN_BY_OTHERS = frozenset(
    {"/AcroForm", "/DSS", "/Metadata", "/Pages", "/Extensions", "/Version", "/MarkInfo"}
)
_DRAWS_VALUES = ("/NeedAppearances", "/DA", "/Q", "/XFA")
_STAMP = "/ETSI.RFC3161"
_MOST_NAMED = 200


@dataclass(frozen=True, slots=True)
class Named:
    """One change; ``shows`` whether it may show something else than was signed."""

    code: str
    detail: str
    place: str | None
    shows: bool


class History:
    """The revisions of one file, each looked at once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._named: dict[int, tuple[Named, ...]] = {}
        self._fields: dict[int, dict[str, Walked]] = {}

    @cached_property
    def last(self) -> int:
        """The number of the last revision, counted from 0."""
        return int(self.reader.xrefs.total_revisions) - 1

    def named(self, revision: int) -> tuple[Named, ...]:
        """What that revision changed in the one before."""
        if revision not in self._named:
            found = dict.fromkeys(_Step(self, revision).changes())
            self._named[revision] = tuple(found)[:_MOST_NAMED]
        return self._named[revision]

    def fields(self, revision: int) -> dict[str, Walked]:
        """The form fields of that revision by their full names."""
        if revision not in self._fields:
            root = self.reader.get_historical_resolver(revision).root
            self._fields[revision] = {each.name: each for each in fields_in(root)}
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
            if not self._same(old, new, key):
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
        yield from self._of_form(held(self._old.root, "/AcroForm"), held(self._new.root, "/AcroForm"))
        for name in sorted({*old, *new}):
            before, now = old.get(name), new.get(name)
            if now is None:
                yield Named("form-field-removed", f"the form field {name} was removed", name, True)
            elif before is None:
                yield self._new_field(now)
            else:
                yield from self._same_field(before, now)

    def _of_form(self, old: object, new: object) -> Iterator[Named]:
        """What the whole form says of how its values are drawn: programs then draw them anew, whatever was signed."""
        fields = self._history.fields(self._revision - 1).values()
        drawn = [each for each in fields if each.kind not in ("/Sig", "")]
        if not drawn or not isinstance(old, generic.DictionaryObject):
            return
        now = new if isinstance(new, generic.DictionaryObject) else generic.DictionaryObject()
        for key in _DRAWS_VALUES:
            if not self._same(old, now, key):
                yield Named("form-changed", f"the form has another {key}", key, True)
        before, after = held(old, "/DR"), held(now, "/DR")
        bare = _is_true(now) or any(held(each.field, "/AP") is None for each in drawn)
        if not (_identical(before, after) if bare and before is None else self._kept(before, after, 2)):
            yield Named("form-changed", "the form has other resources", "/DR", True)

    def _kept(self, old: object, new: object, depth: int) -> bool:
        """Whether everything of the old resources is among the new ones, as it was."""
        if old is None:
            return True
        is_plain = isinstance(old, generic.DictionaryObject) and not isinstance(old, generic.StreamObject)
        if not depth or not is_plain or not isinstance(new, generic.DictionaryObject):
            return _identical(old, new)
        assert isinstance(old, generic.DictionaryObject)
        return all(self._kept(held(old, key), held(new, key), depth - 1) for key in old)

    def _new_field(self, now: Walked) -> Named:
        self._tell(now)
        if now.kind != "/Sig":
            return Named("form-field-added", f"the form field {now.name} was added", now.name, True)
        signed = held(now.field, "/V")
        if signed is not None:
            return self._signed(now, signed)
        if held(now.field, "/AP") is not None and _is_visible(now.field):
            detail = f"the empty signature field {now.name} was put over the page"
            return Named("annotation-added", detail, now.name, True)
        return Named("signature-field-added", f"the signature field {now.name} was added", now.name, False)

    def _same_field(self, before: Walked, now: Walked) -> Iterator[Named]:
        if not self._touched(now):
            return
        filled = not self._same(before.field, now.field, "/V")
        looks = not self._same(before.field, now.field, "/AP") or bool(self._below(now.field, "/AP", depth=3))
        self._tell(now)
        if now.kind == "/Sig" and filled and held(before.field, "/V") is None:
            yield self._signed(now, held(now.field, "/V"))
        elif now.kind == "/Sig" and (filled or self._below(now.field, "/V")):
            yield Named("signature-changed", f"the signature in {now.name} was changed", now.name, True)
        elif filled or not self._same(before.field, now.field, "/AS"):
            yield Named("form-field-filled", f"the form field {now.name} was filled", now.name, False)
        elif looks:
            detail = f"the form field {now.name} looks otherwise with the same value"
            yield Named("form-appearance-changed", detail, now.name, True)
        for key in ("/Rect", "/F", "/DA", "/MK", "/FT", "/Ff", "/T", "/Opt", "/Kids"):
            if not self._same(before.field, now.field, key):
                yield Named(
                    "form-field-changed", f"the form field {now.name} has another {key}", now.name, True
                )

    def _signed(self, now: Walked, signature: generic.PdfObject | None) -> Named:
        stamp = held(signature, "/Type") == "/DocTimeStamp" or held(signature, "/SubFilter") == _STAMP
        if stamp and held(now.field, "/AP") is not None and _is_visible(now.field):
            # Nobody's word stands behind what a stamp shows: whoever asks gets one.
            detail = f"the document time stamp {now.name} was put over the page"
            return Named("annotation-added", detail, now.name, True)
        if stamp:
            return Named("timestamp-added", f"the document time stamp {now.name} was added", now.name, False)
        return Named("signature-added", f"the signature {now.name} was added", now.name, False)

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
        fields = {each for field in self._history.fields(self._revision).values() for each in _widgets(field)}
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
            elif not _identical(self._old(reference), now):
                yield _described(now, reference)

    def _old_has(self, reference: generic.Reference) -> bool:
        return self._history.reader.xrefs.get_historical_ref(reference, self._revision - 1) is not None

    def _touched(self, field: Walked) -> bool:
        """Whether this revision wrote the field, one of its widgets, or how one of them looks."""
        near = {field.reference, *_widgets(field), *self._below(field.field, "/AP", depth=3)}
        value = field.field.raw_get("/V") if "/V" in field.field else None
        near |= {value.reference} if isinstance(value, generic.IndirectObject) else set()
        return bool(near & self._written)

    def _tell(self, field: Walked) -> None:
        self._told |= {each for each in (field.reference, *_widgets(field)) if each is not None}
        for key in ("/V", "/AP", "/Lock", "/SV", "/Kids"):
            self._told |= self._below(field.field, key, depth=3)

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
        return _identical(before, now)


def _identical(old: object, new: object) -> bool:
    """Equal as written; references are equal when they name the same object."""
    if isinstance(old, generic.StreamObject) or isinstance(new, generic.StreamObject):
        if not isinstance(old, generic.StreamObject) or not isinstance(new, generic.StreamObject):
            return False
        return dict(old) == dict(new) and bool(old.encoded_data == new.encoded_data)
    return type(old) is type(new) and bool(old == new)


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


def _is_true(form: generic.DictionaryObject) -> bool:
    found = held(form, "/NeedAppearances")
    return isinstance(found, generic.BooleanObject) and bool(found.value)


def _is_visible(field: generic.DictionaryObject) -> bool:
    corners = held(field, "/Rect")
    try:
        left, bottom, right, top = (float(each) for each in corners) if corners is not None else (0.0,) * 4
    except (TypeError, ValueError):
        return True
    return left != right and bottom != top


def _place(reference: generic.Reference) -> str:
    return f"object {reference.idnum} {reference.generation}"
