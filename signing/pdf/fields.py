"""Signature fields: the one to be signed found or made, and what the document permits (ISO 32000-2 §12.7.5.5, §12.8.2).

A signature obeys what stands before it: a certification without changes (DocMDP), fields locked by earlier
signatures (FieldMDP), and what an empty field wants of its signature (its seed value and its lock). What is demanded
there and not known here is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Literal

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.rw_common import PdfHandler, find_inherited_value_in_tree
from pyhanko.sign import fields as library
from pyhanko.sign.signers.cms_embedder import docmdp_reference_dictionary, fieldmdp_reference_dictionary

from signing.errors import DocumentTooComplex, DocumentUnreadable, SigningForbidden
from signing.pdf.limits import MAX_FIELDS_TO_SIGN, MAX_LOCKED, MAX_SIGNATURES_TO_SIGN, MAX_TEXT
from signing.pdf.opening import held
from signing.pdf.permissions import permissions_of
from signing.pdf.revision import Revision, dictionary_in, elements, entry
from signing.pdf.signature_fields import Walked, fields_in

Rectangle = tuple[float, float, float, float]
# Points that a rectangle may reach beyond its page: what is drawn on the edge is seen.
_SLACK = 1.0


class Permission(IntEnum):
    """What a certified document still permits (DocMDP, ISO 32000-2 table 257)."""

    NO_CHANGES = 1
    FILL_FORMS = 2
    ANNOTATE = 3


@dataclass(frozen=True, slots=True)
class Lock:
    """Fields that may not change after the signature: all, those named, or all but those named."""

    action: Literal["All", "Include", "Exclude"]
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.action == "All") == bool(self.fields):
            raise SigningForbidden("a lock of all fields names none, any other names some", lock=self.action)
        if len(self.fields) > MAX_LOCKED or any(len(each) > MAX_TEXT for each in self.fields):
            raise SigningForbidden(
                "a lock names too many fields, or one at too great length", most=MAX_LOCKED
            )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a visible signature stands: page (from 0) and rectangle in points from the lower left corner."""

    page: int
    rectangle: Rectangle

    def __post_init__(self) -> None:
        left, bottom, right, top = self.rectangle
        finite = all(math.isfinite(each) and abs(each) <= 14400 for each in self.rectangle)
        if self.page < 0 or not finite or right - left < 1 or top - bottom < 1:
            raise SigningForbidden("the rectangle has no area on a page", page=self.page + 1)


@dataclass(frozen=True, slots=True)
class SignatureField:
    """A signature field of the document; ``signed`` when it has its value."""

    name: str
    reference: generic.IndirectObject
    signed: bool

    @property
    def dictionary(self) -> generic.DictionaryObject:
        found = self.reference.get_object()
        if not isinstance(found, generic.DictionaryObject):
            raise DocumentUnreadable("a signature field is no dictionary", kind="pdf")
        return found

    @property
    def value(self) -> generic.DictionaryObject:
        """The signature dictionary of a field that is signed."""
        found = self.dictionary["/V"]
        if not isinstance(found, generic.DictionaryObject):
            raise DocumentUnreadable("a signature is no dictionary", kind="pdf")
        return found


def signature_fields(revision: Revision) -> list[SignatureField]:
    """All of them in the order of the form; raises DocumentUnreadable and DocumentTooComplex."""
    walked = fields_in(revision.root)
    found = [
        _signature_field(revision, each) for each in walked if each.kind == "/Sig" and "/T" in each.field
    ]
    if len(walked) > MAX_FIELDS_TO_SIGN:
        raise DocumentTooComplex("the PDF has more form fields than are read", limit="fields")
    if sum(each.signed for each in found) > MAX_SIGNATURES_TO_SIGN:
        raise DocumentTooComplex("the PDF has more signatures than are read", limit="signatures")
    return found


def _signature_field(revision: Revision, walked: Walked) -> SignatureField:
    if walked.reference is None:
        raise DocumentUnreadable("a signature field is no object of its own", kind="pdf")
    value = walked.field.raw_get("/V") if "/V" in walked.field else None
    if isinstance(value, generic.IndirectObject) and value.get_pdf_handler() is revision.prev:
        # Read ahead: the library takes a long hexadecimal string digit by digit.
        revision.prev.signature_dictionary(value.reference)
    reference = generic.IndirectObject(walked.reference.idnum, walked.reference.generation, revision)
    return SignatureField(walked.name, reference, held(walked.field, "/V") is not None)


def free_name(handler: PdfHandler, stem: str) -> str:
    """The first of ``stem`` with a number that no field has."""
    taken = _names(handler)
    return next(name for number in count(1) if (name := f"{stem}{number}") not in taken)


def _names(handler: PdfHandler) -> set[str]:
    """Of the fields on top, whatever their kind."""
    form = dictionary_in(handler.root, "/AcroForm")
    listed = [] if form is None else elements(form, "/Fields")
    return {str(entry(each, "/T")) for each in listed}


def field_to_sign(
    revision: Revision, known: list[SignatureField], name: str, place: Place | None
) -> tuple[generic.IndirectObject, bool]:
    """The empty field of that name, or a new one, and whether it is new.

    Raises SigningForbidden when it is signed already, and when another place is asked for than the field has.
    """
    if not name or len(name) > MAX_TEXT or any(not part for part in name.split(".")):
        raise SigningForbidden("a field needs a name", field=name[:MAX_TEXT])
    for each in known:
        if each.name == name:
            if each.signed:
                raise SigningForbidden("the field is signed already", field=name)
            if place is not None:
                raise SigningForbidden("the field has a place of its own", field=name)
            return each.reference, False
    if "." in name or name in _names(revision):
        raise SigningForbidden("a new field has a name of its own, without periods", field=name)
    if place is not None and place.page >= int(revision.root["/Pages"]["/Count"]):
        raise SigningForbidden("the document has no such page", page=place.page + 1)
    return _new_field(revision, name, place), True


def _new_field(revision: Revision, name: str, place: Place | None) -> generic.IndirectObject:
    """A field with its annotation in one, last in the form and on its page."""
    page = revision.find_page_for_modification(0 if place is None else place.page)[0]
    if place is not None:
        _check_seen(page, place)
    field = library.SignatureFormField(
        name, box=None if place is None else place.rectangle, include_on_page=page
    )
    reference = revision.add_object(field)
    listed = _fields(revision)
    listed.append(reference)
    revision.update_container(listed)
    field.register_widget_annotation(revision, reference)
    return reference


def _check_seen(page: generic.IndirectObject, place: Place) -> None:
    """Raises SigningForbidden for a place beside the page, where nobody would see the signature."""
    shown = page.get_object()
    box = _inherited(shown, "/CropBox") or _inherited(shown, "/MediaBox")
    if box is None:
        return
    x, y, other_x, other_y = (float(each.get_object()) for each in box)
    left, bottom, right, top = place.rectangle
    across = min(x, other_x) - _SLACK <= left and right <= max(x, other_x) + _SLACK
    along = min(y, other_y) - _SLACK <= bottom and top <= max(y, other_y) + _SLACK
    if not (across and along):
        edges = f"{x:g},{y:g} to {other_x:g},{other_y:g}"
        raise SigningForbidden("the rectangle is not all on the page", page=place.page + 1, page_box=edges)


def _inherited(page: generic.DictionaryObject, key: str) -> generic.ArrayObject | None:
    """A box of the page, its own or of a node above; None where there is none of four numbers."""
    found = find_inherited_value_in_tree(page, key, "/Parent")
    return found if isinstance(found, generic.ArrayObject) and len(found) == 4 else None


def mark_signed(revision: Revision) -> None:
    """The document holds signatures and grows by updates only (SigFlags, table 225)."""
    form = revision.root["/AcroForm"]
    flags = int(entry(form, "/SigFlags") or 0)
    if flags & 3 != 3:
        form[pdf_name("/SigFlags")] = generic.NumberObject(flags | 3)
        revision.update_container(form)


def certify(revision: Revision, signature: generic.IndirectObject, permission: Permission) -> None:
    """Make the signature a certification; it has to be the first of the document."""
    perms = dictionary_in(revision.root, "/Perms")
    if perms is None:
        perms = generic.DictionaryObject()
        revision.root[pdf_name("/Perms")] = perms
        revision.update_root()
    perms[pdf_name("/DocMDP")] = signature
    revision.update_container(perms)
    _refer(signature, docmdp_reference_dictionary(library.MDPPerm(int(permission))))


def lock(revision: Revision, signature: generic.IndirectObject, chosen: Lock) -> None:
    """Write the lock into the signature."""
    _refer(signature, fieldmdp_reference_dictionary(_spec(chosen), revision.root_ref))


def lock_dictionary(chosen: Lock) -> generic.DictionaryObject:
    """The same lock as a new field announces it."""
    return _spec(chosen).as_sig_field_lock()


def check_permitted(revision: Revision, known: list[SignatureField], name: str, *, adds_look: bool) -> None:
    """Raises SigningForbidden when a signature in the document forbids to sign a field of that name.

    ``adds_look``: the field is new and visible, which is no filling of a form (ISO 32000-2 §12.8.2.2).
    """
    for signature, field, by in _signed(revision, known):
        permissions, unreadable = permissions_of(signature, field)
        if unreadable:
            raise SigningForbidden("what a signature permits cannot be read", field=name, by=by)
        if permissions.level == Permission.NO_CHANGES:
            raise SigningForbidden("the document is certified without changes", field=name, by=by)
        if permissions.level is not None and adds_look:
            raise SigningForbidden("a certified document gets no new field that is seen", field=name, by=by)
        if permissions.locked is not None and permissions.locked.is_locked(name):
            raise SigningForbidden("the field is locked by a signature", field=name, by=by)


def _signed(
    revision: Revision, known: list[SignatureField]
) -> Iterator[tuple[generic.DictionaryObject, generic.DictionaryObject, str]]:
    """Every signature with its field and the field's name; a certification also where no field has it."""
    found = [(each.value, each.dictionary, each.name) for each in known if each.signed]
    yield from found
    perms = dictionary_in(revision.root, "/Perms")
    certification = None if perms is None else dictionary_in(perms, "/DocMDP")
    if certification is not None and not any(certification == each for each, _, _ in found):
        yield certification, generic.DictionaryObject(), ""


def check_references(revision: Revision, known: list[SignatureField]) -> None:
    """Raises SigningForbidden when hybrid cross-references came after the first signature."""
    reader = revision.prev
    values = [each.dictionary.raw_get("/V") for each in known if each.signed]
    named = [each.reference for each in values if isinstance(each, generic.IndirectObject)]
    first = min((reader.xrefs.get_last_change(each) for each in named), default=None)
    if first is not None and any(each > first for each in reader.hybrid_revisions):
        raise SigningForbidden("hybrid cross-references were added after a signature")


def demanded_lock(field: generic.DictionaryObject) -> Lock | None:
    """The lock that an empty field demands of its signature; raises SigningForbidden for one that is not known."""
    demanded = dictionary_in(field, "/Lock")
    if demanded is None:
        return None
    if "/P" in demanded:
        raise SigningForbidden("the field demands a lock of the whole document", entry="/P")
    return _lock_of(demanded)


def _lock_of(parameters: generic.DictionaryObject) -> Lock:
    action = str(parameters["/Action"]).lstrip("/")
    if action not in ("All", "Include", "Exclude"):
        raise SigningForbidden("a lock of fields is of an unknown kind", action=action[:MAX_TEXT])
    names = tuple(str(each) for each in elements(parameters, "/Fields"))
    if action == "All" or not names:  # Exclude of nothing is all; Include of nothing is none
        return Lock("All") if action != "Include" else Lock("Include", ("",))
    return Lock("Include" if action == "Include" else "Exclude", names)


def _refer(signature: generic.IndirectObject, reference: generic.DictionaryObject) -> None:
    value = signature.get_object()
    value.setdefault(pdf_name("/Reference"), generic.ArrayObject()).append(reference)


def _spec(chosen: Lock) -> library.FieldMDPSpec:
    action = library.FieldMDPAction(pdf_name(f"/{chosen.action}"))
    return library.FieldMDPSpec(action, list(chosen.fields) or None)


def _fields(revision: Revision) -> generic.ArrayObject:
    """The list of fields of the form; both are made where there are none."""
    form = dictionary_in(revision.root, "/AcroForm")
    if form is None:
        form = generic.DictionaryObject()
        revision.root[pdf_name("/AcroForm")] = revision.add_object(form)
        revision.update_root()
    listed = entry(form, "/Fields")
    if not isinstance(listed, generic.ArrayObject):
        listed = form[pdf_name("/Fields")] = generic.ArrayObject()
        revision.update_container(form)
    return listed


def text(value: str) -> generic.PdfObject:
    """A text string of the document; raises SigningForbidden beyond the limit."""
    if len(value) > MAX_TEXT:
        raise SigningForbidden("a text is too long for a signature", most=MAX_TEXT)
    return pdf_string(value)
