"""Whether a PDF says that it is PDF/A (ISO 19005), and whether anything in it rules that out.

This is no validator of the standard: what it refuses is surely no PDF/A, what it accepts claims to be and
holds nothing of
what a reader in twenty years could not show or would have to execute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree
from pyhanko.pdf_utils import generic

from signing.errors import DocumentTooComplex
from signing.pdf.limits import MAX_PAGES
from signing.pdf.opening import Reader, held, open_pdf, refusing_what_cannot_be_read

_PDFA = "http://www.aiim.org/pdfa/ns/id/"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
_MAX_METADATA = 1 << 20
_MAX_FONTS = 5_000
_EXECUTED = frozenset(
    {
        "/JavaScript",
        "/Launch",
        "/Sound",
        "/Movie",
        "/ResetForm",
        "/ImportData",
        "/Hide",
        "/Rendition",
        "/Trans",
    }
)


@dataclass(frozen=True, slots=True)
class Archival:
    """``claim``: ``PDF/A-2b`` or None; ``obstacles``: what PDF/A forbids and this file holds."""

    claim: str | None
    obstacles: tuple[str, ...]


def archival_of(source: bytes | Path) -> Archival:
    """Raises DocumentUnreadable, DocumentEncrypted and DocumentTooComplex."""
    reader = open_pdf(source)
    with refusing_what_cannot_be_read():
        claim = _claim(reader)
        return Archival(claim, () if claim is None else tuple(dict.fromkeys(_obstacles(reader))))


def _claim(reader: Reader) -> str | None:
    stream = held(reader.root, "/Metadata")
    if not isinstance(stream, generic.StreamObject):
        return None
    data = stream.data
    if len(data) > _MAX_METADATA:
        raise DocumentTooComplex("the metadata is longer than is read", limit="metadata")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    try:
        described = list(etree.fromstring(data, parser).iter(_RDF))
    except etree.XMLSyntaxError:
        return None
    parts = {value for each in described if (value := _value(each, "part"))}
    levels = {value for each in described if (value := _value(each, "conformance"))}
    # Of two claims none counts.
    if len(parts) != 1 or len(levels) > 1 or not parts <= {"1", "2", "3", "4"}:
        return None
    return f"PDF/A-{parts.pop()}{levels.pop().lower() if levels else ''}"


def _value(described: Any, name: str) -> str | None:
    """As an attribute or as an element (XMP allows both)."""
    value = described.get(f"{{{_PDFA}}}{name}")
    if value is None:
        value = described.findtext(f"{{{_PDFA}}}{name}")
    return value.strip() if value and len(value) < 8 else None


def _obstacles(reader: Reader) -> Iterator[str]:
    root = reader.root
    if held(held(root, "/Names"), "/JavaScript") is not None:
        yield "it holds JavaScript"
    if held(root, "/AA") is not None:
        yield "it acts by itself"
    yield from _action(held(root, "/OpenAction"))
    fonts: dict[int, Any] = {}
    for page in _pages(reader):
        if held(page, "/AA") is not None:
            yield "a page acts by itself"
        for each in _list(held(page, "/Annots")):
            yield from _action(held(each, "/A"))
            if held(each, "/AA") is not None:
                yield "an annotation acts by itself"
        _take_fonts(_inherited(page, "/Resources"), fonts)
    for font in fonts.values():
        if not _is_embedded(font):
            yield f"the font {str(held(font, '/BaseFont') or '')[:60]} is not embedded"


def _action(action: Any) -> Iterator[str]:
    kind = held(action, "/S")
    if str(kind) in _EXECUTED:
        yield f"it has an action {str(kind)[1:]}"


def _pages(reader: Reader) -> Iterator[generic.DictionaryObject]:
    waiting, seen = [held(reader.root, "/Pages")], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > MAX_PAGES * 2:
            raise DocumentTooComplex("the document has more pages than are read", limit="pages")
        if not isinstance(node, generic.DictionaryObject):
            continue
        if "/Kids" in node:
            waiting += _list(held(node, "/Kids"))
        else:
            yield node


def _inherited(page: generic.DictionaryObject, name: str) -> Any:
    node: Any = page
    for _ in range(64):
        found = held(node, name)
        if found is not None or node is None:
            return found
        node = held(node, "/Parent")
    return None


def _take_fonts(resources: Any, fonts: dict[int, Any]) -> None:
    """Of a page, and of what it draws in turn."""
    waiting, seen = [resources], 0
    while waiting:
        held_here = waiting.pop()
        seen += 1
        if seen > 200 or len(fonts) > _MAX_FONTS:
            raise DocumentTooComplex("the document has more fonts than are read", limit="fonts")
        for font in _values(held(held_here, "/Font")):
            fonts[id(font)] = font
        waiting += [held(each, "/Resources") for each in _values(held(held_here, "/XObject"))]


def _is_embedded(font: Any) -> bool:
    if str(held(font, "/Subtype")) == "/Type3":
        return True
    if str(held(font, "/Subtype")) == "/Type0":
        descendants = _list(held(font, "/DescendantFonts"))
        return bool(descendants) and all(_is_embedded(each) for each in descendants)
    descriptor = held(font, "/FontDescriptor")
    return any(held(descriptor, name) is not None for name in ("/FontFile", "/FontFile2", "/FontFile3"))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, generic.ArrayObject):
        return []
    return [each.get_object() for each in value]


def _values(value: Any) -> list[Any]:
    if not isinstance(value, generic.DictionaryObject):
        return []
    return [held(value, name) for name in value]
