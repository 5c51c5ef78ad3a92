"""What a revision changed in how the whole form draws its values, and whether any value may look otherwise by it.

Programs draw a value anew where the form says so or the field has no look of its own, and then by what the form holds
now: its resources, and its defaults for fields that have none. A writer of signatures adds to both what its own look
needs, which touches nothing as long as no field that was there is drawn by it (decision 0109).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pyhanko.pdf_utils import generic

from signing.pdf.named_changes import Named, identical
from signing.pdf.opening import held
from signing.pdf.signature_fields import Walked

_RESOURCES = 2
_TEXT_FONTS = frozenset(
    {
        *(f"/Helvetica{each}" for each in ("", "-Bold", "-Oblique", "-BoldOblique")),
        *(f"/Courier{each}" for each in ("", "-Bold", "-Oblique", "-BoldOblique")),
        *(f"/Times-{each}" for each in ("Roman", "Bold", "Italic", "BoldItalic")),
    }
)
_FONT_ENTRIES = frozenset({"/Type", "/Subtype", "/BaseFont", "/Encoding", "/Name"})


def changes_of_form(old: object, new: object, fields: Iterable[Walked]) -> Iterator[Named]:
    """``old`` and ``new`` are the interactive forms (ISO 32000-2 §12.7.3), ``fields`` those of the old one."""
    shown = [each for each in fields if each.kind not in ("/Sig", "") and _is_shown(each)]
    if not shown or not isinstance(old, generic.DictionaryObject):
        return
    now = new if isinstance(new, generic.DictionaryObject) else generic.DictionaryObject()
    if _is_true(old) != _is_true(now):
        yield _changed("/NeedAppearances")
    if not identical(old.get("/XFA"), now.get("/XFA")):
        yield _changed("/XFA")
    anew = _is_true(old) or _is_true(now)
    for key in ("/DA", "/Q"):
        if not identical(held(old, key), held(now, key)):
            by_it = any(key not in each.has and not _is_picture(each, anew) for each in shown)
            yield _changed(key) if by_it else _extended(key)
    values = any((anew or _is_bare(each)) and (each.kind == "/Btn" or "/V" in each.has) for each in shown)
    yield from _of_resources(held(old, "/DR"), held(now, "/DR"), values)


def _of_resources(before: object, after: object, values: bool) -> Iterator[Named]:
    """``values``: whether some are drawn anew, by any font among the resources that a program takes for theirs."""
    if not _kept(before, after, _RESOURCES):
        yield _changed("/DR")
        return
    fonts_before, fonts = _plain(held(before, "/Font")), _plain(held(after, "/Font"))
    added = [key for key in fonts if key not in fonts_before]
    if values and not all(_is_standard(key, held(fonts, key)) for key in added):
        yield _changed("/DR")
    elif added or not identical(before, after):
        yield _extended("/DR")


def _kept(old: object, new: object, depth: int) -> bool:
    """Whether everything of the old resources is among the new ones, as it was."""
    if old is None:
        return new is None or isinstance(new, generic.DictionaryObject) or depth < _RESOURCES
    is_plain = isinstance(old, generic.DictionaryObject) and not isinstance(old, generic.StreamObject)
    if not depth or not is_plain or not isinstance(new, generic.DictionaryObject):
        return identical(old, new)
    assert isinstance(old, generic.DictionaryObject)
    return all(_kept(held(old, key), held(new, key), depth - 1) for key in old)


def _is_standard(key: str, font: object) -> bool:
    """A font that a program without any takes as well, so that each character stays what it is (§9.6.2.2)."""
    if not isinstance(font, generic.DictionaryObject) or not _FONT_ENTRIES.issuperset(font):
        return False
    base, encoding = str(held(font, "/BaseFont")), held(font, "/Encoding")
    if held(font, "/Subtype") != "/Type1":
        return False
    marks = key == "/ZaDb" and base == "/ZapfDingbats" and encoding is None
    return marks or (base in _TEXT_FONTS and encoding == "/WinAnsiEncoding")


def _is_shown(field: Walked) -> bool:
    return "/Kids" not in field.field or "/Rect" in field.field


def _is_bare(field: Walked) -> bool:
    return held(held(field.field, "/AP"), "/N") is None


def _is_picture(field: Walked, anew: bool) -> bool:
    """A button that shows the looks that it has."""
    return field.kind == "/Btn" and not anew and not _is_bare(field)


def _is_true(form: generic.DictionaryObject) -> bool:
    found = held(form, "/NeedAppearances")
    return isinstance(found, generic.BooleanObject) and bool(found.value)


def _plain(resources: object) -> Mapping[str, object]:
    return resources if isinstance(resources, generic.DictionaryObject) else generic.DictionaryObject()


def _changed(key: str) -> Named:
    return Named("form-changed", f"the form has another {key}, by which values may be drawn", key, True)


def _extended(key: str) -> Named:
    return Named("form-extended", f"the form has more in its {key}, by which no value is drawn", key, False)
