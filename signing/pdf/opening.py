"""A PDF file of anybody opened for reading, within limits; the library's reader behind one door.

Read strictly: a file whose cross-references contradict each other shows different people different things. Hybrid
ones may do so by design, so whoever reads says where they are (``Reader.hybrid_revisions``). Encrypted files are
refused. Whatever goes wrong below becomes one of DocumentUnreadable, DocumentEncrypted and DocumentTooComplex.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader, RawPdfPath

from kernel.errors import DomainError
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable
from signing.pdf.cross_references import check_cross_references
from signing.pdf.limits import (
    DECODE_LIMITS,
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_LOOKUPS,
    MAX_PDF_BYTES,
    MAX_READS,
    MAX_SECTIONS,
    MAX_TOKENS,
)
from signing.pdf.plain_objects import Reach, number_of, read_plain, reference_of, ways_in_plain
from signing.pdf.tokens import NotADictionary, Value, is_short, read_dictionary
from signing.pdf.usages import Graph, Usages, graph_of, references_in

ALWAYS_SHORT = 4 << 20
# The library tells of every oddity it meets; what counts of them becomes a finding here.
logging.getLogger("pyhanko").addHandler(logging.NullHandler())


class Reader(PdfFileReader):
    """The library's reader, which reads every object stream once and counts what it reads."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._reads = 0
        self._places: dict[int, tuple[bytes, int, dict[int, tuple[int, int]]]] = {}
        super().__init__(BytesIO(data), strict=True, decode_limits=DECODE_LIMITS)

    @property
    def hybrid_revisions(self) -> frozenset[int]:
        """Those, counted from 0, that a reader may see otherwise: one that knows no cross-reference streams."""
        xrefs = self.xrefs
        return frozenset(each for each in range(xrefs.total_revisions) if xrefs.get_xref_data(each).hybrid)

    def place_of(self, reference: generic.Reference, revision: int | None = None) -> int | None:
        """Where the object stands in the file; None where it is not there or inside an object stream."""
        last = self.xrefs.total_revisions - 1 if revision is None else revision
        found = self.xrefs.get_historical_ref(reference, last)
        return found if isinstance(found, int) else None

    def signature_dictionary(self, reference: generic.Reference) -> Value | None:
        """The tokens of a signature dictionary; None where there are none at a place of the file.

        The library then takes the object as read here: it reads a long hexadecimal string digit by digit.
        """
        place = self.place_of(reference)
        if place is None or not 0 <= place < len(self.data):
            return None
        try:
            found = read_dictionary(self.data, place, reference.idnum, reference.generation)
        except NotADictionary:
            return None
        self._keep(reference, found)
        return found

    def _keep(self, reference: generic.Reference, found: Value) -> None:
        contents = [value for key, value in found.entries if key == "/Contents" and value.kind == "hex"]
        if len(contents) != 1:
            return
        held = contents[0]
        short = self.data[found.begin : held.begin] + b"<>" + self.data[held.end : found.end]
        try:
            kept = generic.read_object(
                BytesIO(short), generic.Reference(reference.idnum, reference.generation, self)
            )
        except misc.PdfError:
            return
        if not isinstance(kept, generic.DictionaryObject):
            return
        kept[generic.pdf_name("/Contents")] = generic.ByteStringObject(held.data)
        self.cache_indirect_object(reference.generation, reference.idnum, kept)

    def get_historical_resolver(self, revision: int) -> Resolver:
        """That revision, counted from 0."""
        known = self._historical_resolver_cache
        if revision not in known:
            known[revision] = Resolver(self, revision)
        return cast(Resolver, known[revision])

    def _read_object(
        self,
        ref: generic.Reference,
        marker: Any,
        never_decrypt: bool = False,
        as_metadata_stream: bool = False,
    ) -> Any:
        self._count()
        if isinstance(marker, int):
            self._check_length(marker)
            here = generic.Reference(ref.idnum, ref.generation, self)
            plain = None if as_metadata_stream else read_plain(self.data, marker, here)
            if plain is not None:
                return plain
        return super()._read_object(
            ref, marker, never_decrypt=never_decrypt, as_metadata_stream=as_metadata_stream
        )

    def ways_at(self, place: int, reference: generic.Reference) -> tuple[Reach, ...] | None:
        """The references in a plain object at that place and the ways to them; None where it has to be read."""
        self._count()
        self._check_length(place)
        return ways_in_plain(self.data, place, reference)

    def _count(self) -> None:
        self._reads += 1
        if self._reads > MAX_READS:
            raise DocumentTooComplex("the document needs more objects to be read than is done", limit="reads")

    def _check_length(self, place: int) -> None:
        """An object is a hundred times as long in memory as in the file, so of a long file each is measured first."""
        if len(self.data) > ALWAYS_SHORT and not is_short(self.data, place, MAX_TOKENS, MAX_DEPTH):
            raise DocumentTooComplex("an object of the document is longer than is read", limit="object")

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> object:
        stream, first, places = self._object_stream(stmnum)
        place, number = places.get(idx, (0, -1))
        if number != idnum:
            raise misc.PdfStrictReadError("an object is not in its object stream")
        inside = BytesIO(stream)
        inside.seek(first + place)
        found = generic.read_object(inside, generic.Reference(idnum, 0, self))
        if isinstance(found, generic.StreamObject | generic.IndirectObject):
            raise misc.PdfStrictReadError("an object of a kind that has no place in an object stream")
        return found

    def _object_stream(self, number: int) -> tuple[bytes, int, dict[int, tuple[int, int]]]:
        """Decoded, with the offset of its first object, and by index where an object stands and its number."""
        if number not in self._places:
            stream = generic.Reference(number, 0, self).get_object()
            if not isinstance(stream, generic.StreamObject) or stream["/Type"] != "/ObjStm":
                raise misc.PdfStrictReadError("no object stream is there")
            data = stream.read_data(DecodePurpose.OBJECT_STREAM)
            first, count = int(stream["/First"]), int(stream["/N"])
            numbers = [int(each) for each in data[:first].split()]
            if len(numbers) != 2 * count:
                raise misc.PdfStrictReadError("an object stream holds more or less than it says")
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            self._places[number] = data, first, {at: (off, num) for at, (num, off) in enumerate(pairs)}
        return self._places[number]


class Resolver(HistoricalResolver):
    """One revision as the library sees it; finds the ways to objects in bounded time, and counts its look-ups."""

    def __init__(self, reader: Reader, revision: int) -> None:
        super().__init__(reader, revision)
        self._lookups = 0
        self._graph: Graph | None = None
        self._usages: Usages | None = None

    @property
    def graph(self) -> Graph:
        """What every object of this revision holds."""
        if self._graph is None:
            self._graph = graph_of(self.trailer_view, self._reaches, self._unchanged())
        return self._graph

    def _unchanged(self) -> dict[int, tuple[Reach, ...]]:
        """What the objects hold that this revision left as they were; little is changed by most revisions."""
        if not self.revision:
            return {}
        before = cast(Resolver, self.reader.get_historical_resolver(self.revision - 1))
        unchanged = dict(before.graph.held)
        for each in self.explicit_refs_in_revision():
            unchanged.pop(number_of(each), None)
        return unchanged

    def _reaches(self, number: int) -> tuple[Reach, ...]:
        """What the object of this revision holds; most objects are read for nothing else, and are not made for it."""
        reference = reference_of(number, self.reader)
        found = self.reader.xrefs.get_historical_ref(reference, self.revision)
        plain = cast(Reader, self.reader).ways_at(found, reference) if isinstance(found, int) else None
        return tuple(references_in(self._raw_or_none(reference))) if plain is None else plain

    def _raw_or_none(self, reference: generic.Reference) -> Any:
        """The object, whose references are not this revision's own."""
        if self.reader.xrefs.get_historical_ref(reference, self.revision) is None:
            return None
        last = self.reader.xrefs.get_last_change(reference)
        return self.reader.get_object(reference, None if last <= self.revision else self.revision)

    def object_or_none(self, reference: generic.Reference) -> Any:
        """The object in this revision; None where there is none."""
        if self.reader.xrefs.get_historical_ref(reference, self.revision) is None:
            return None
        return self.get_object(reference)

    @property
    def usages(self) -> Usages:
        """The ways to what later revisions write."""
        if self._usages is None:
            later = range(self.revision + 1, self.reader.xrefs.total_revisions)
            written = [self.reader.xrefs.explicit_refs_in_revision(each) for each in later]
            self._usages = Usages(self.graph, set().union(*written))
        return self._usages

    def get_object(self, ref: generic.Reference, as_metadata_stream: bool = False) -> Any:
        self._lookups += 1
        if self._lookups > MAX_LOOKUPS:
            raise DocumentTooComplex("the document needs more look-ups than are made", limit="lookups")
        return super().get_object(ref, as_metadata_stream)

    def _load_reverse_xref_cache(self) -> None:
        """The library's own walk, which this one replaces."""

    def _get_usages_of_ref(self, ref: generic.Reference) -> set[RawPdfPath]:
        return self.usages.of(ref)


def open_pdf(
    source: bytes | Path, *, max_sections: int = MAX_SECTIONS, max_entries: int = MAX_ENTRIES
) -> Reader:
    """The file, read whole; raises DocumentUnreadable, DocumentEncrypted and DocumentTooComplex."""
    data = _bytes_of(source)
    with refusing_what_cannot_be_read():
        check_cross_references(data, max_sections, max_entries)
        reader = Reader(data)
        if "/Encrypt" in reader.trailer:
            raise DocumentEncrypted("the document is encrypted", kind="pdf")
        if not isinstance(reader.root, generic.DictionaryObject):
            raise DocumentUnreadable("the document has no catalog", kind="pdf")
        return reader


def held(holder: object, name: str) -> Any:
    """What a dictionary holds under that name, references followed; None where it is no dictionary or has none."""
    if not isinstance(holder, generic.DictionaryObject) or name not in holder:
        return None
    found = holder.raw_get(name)
    return found.get_object() if isinstance(found, generic.IndirectObject) else found


@contextmanager
def refusing_what_cannot_be_read() -> Iterator[None]:
    """The library tells what it cannot read by errors of every kind; here they become a refusal."""
    try:
        yield
    except DomainError:
        raise
    except misc.PdfDecodeLimitError as error:
        raise DocumentTooComplex("the document unpacks to more than is read", limit="unpacked") from error
    except (RecursionError, MemoryError) as error:
        raise DocumentTooComplex("the document nests deeper than is read", limit="depth") from error
    except Exception as error:
        raise DocumentUnreadable("the document is damaged or no PDF", kind="pdf") from error


def _bytes_of(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        data = source
    else:
        with source.open("rb") as file:
            data = file.read(MAX_PDF_BYTES + 1)
    if len(data) > MAX_PDF_BYTES:
        raise DocumentTooComplex("the document is longer than is read", limit="bytes")
    return data
