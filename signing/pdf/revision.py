"""One more revision of a PDF: an incremental update (ISO 32000-2 §7.5.6) that leaves every earlier byte as it is.

The bytes of a revision follow from the document and from what is put in: nothing random and no clock, and what the
document says of itself (its information dictionary, its XMP, its version) stays as it was.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import Any, Self

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfError, PdfStrictReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.signers.pdf_byterange import PdfSignedData

from kernel.errors import DomainError
from signing.errors import DocumentTooComplex, DocumentUnreadable, SignatureTooLong
from signing.pdf.limits import MAX_ENTRIES_TO_SIGN, MAX_PAGES, MAX_PDF_BYTES, MAX_SECTIONS_TO_SIGN
from signing.pdf.opening import Reader, open_pdf

_TAIL = 4096
_MALFORMED = (
    PdfError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    EOFError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A document with room for a signature: ``start`` and ``end`` bound its Contents, angle brackets included."""

    pdf: bytes
    start: int
    end: int

    def digest(self, algorithm: str) -> bytes:
        """Of what the signature covers: everything but its Contents."""
        view = memoryview(self.pdf)
        digest = hashlib.new(algorithm, view[: self.start])
        digest.update(view[self.end :])
        return digest.digest()

    @property
    def room(self) -> int:
        """Bytes of DER that fit."""
        return (self.end - self.start - 2) // 2

    def value_of(self, der: bytes) -> bytes:
        """The Contents as they will be read: the signature, and zeros behind it."""
        return der.ljust(self.room, b"\0")

    def filled(self, der: bytes) -> bytes:
        """The document with the signature; raises SignatureTooLong."""
        if len(der) > self.room:
            raise SignatureTooLong(
                "the signature is longer than the room kept for it", needed=len(der), kept=self.room
            )
        place = self.start + 1
        return b"".join((self.pdf[:place], der.hex().encode("ascii"), self.pdf[place + 2 * len(der) :]))


class Revision(IncrementalPdfFileWriter):
    """The update that is being written."""

    prev: Reader

    @classmethod
    def of(cls, source: bytes) -> Self:
        """Raises DocumentUnreadable, DocumentEncrypted, DocumentTooComplex."""
        with reading():
            return cls(BytesIO(source), prev=_opened(source))

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> generic.ArrayObject:
        """The first identifier stays; the second follows from the document (ISO 32000-2 §14.4)."""
        stream = prev.stream
        end = stream.seek(0, SEEK_END)
        stream.seek(max(0, end - _TAIL))
        fresh = hashlib.sha256(b"%d " % end + stream.read()).digest()[:16]
        try:
            first = prev.trailer["/ID"][0]
        except (LookupError, TypeError):
            return generic.ArrayObject([generic.ByteStringObject(fresh), generic.ByteStringObject(fresh)])
        if isinstance(first, generic.TextStringObject):
            first = generic.ByteStringObject(first.original_bytes)
        return generic.ArrayObject([first, generic.ByteStringObject(fresh)])

    def ensure_output_version(self, version: tuple[int, int]) -> None:
        """The version stays; extensions say what goes beyond it."""

    def _update_meta(self) -> None:
        """What the document says of itself stays."""

    def finished(self) -> bytes:
        """The whole document with this revision."""
        with reading():
            return self._written().getvalue()

    def finished_with_room(self, signature: PdfSignedData) -> Placed:
        """The whole document; ``signature`` is among its objects and gets the offsets of what it covers."""
        with reading():
            stream = self._written()
            start, end = signature.contents.offsets
            signature.byte_range.fill_offsets(stream, start, end, len(stream.getbuffer()))
            return Placed(stream.getvalue(), start, end)

    def follow(self, pdf: bytes) -> Self:
        """The revision after this one, which is finished and with which ``pdf`` ends: nothing is read again."""
        with reading():
            for (generation, number), written in self.objects.items():
                _belongs(written, generic.Reference(number, generation, self))
            prev = self.prev
            prev.stream = BytesIO(pdf)
            place = pdf.rindex(b"startxref\n") + len(b"startxref\n")
            prev.last_startxref = int(pdf[place : pdf.index(b"\n", place)])
            made = type(self)(prev.stream, prev=prev)
            # A stream of cross-references is an object that the writer does not count.
            made._lastobj_id = self._lastobj_id + 1
            made._resolves_objs_from = (made, *self._resolves_objs_from)
            return made

    def _written(self) -> BytesIO:
        source = self.prev.stream.getvalue()
        stream = BytesIO(source)
        stream.seek(0, SEEK_END)
        if not source.endswith((b"\r", b"\n")):
            stream.write(b"\n")
        self._write_updated_section(stream)
        _within("bytes", len(stream.getbuffer()), MAX_PDF_BYTES)
        return stream


def _belongs(written: generic.PdfObject, reference: generic.Reference) -> None:
    """An object that was written is part of the document: whoever changes it again writes it again."""
    if isinstance(written, generic.DictionaryObject | generic.ArrayObject):
        written.container_ref = reference
        for part in written.values() if isinstance(written, dict) else written:
            _belongs(part, reference)


def _opened(source: bytes) -> Reader:
    """A reader of what is read again when it is signed; raises as ``Revision.of``."""
    reader = open_pdf(source, max_sections=MAX_SECTIONS_TO_SIGN, max_entries=MAX_ENTRIES_TO_SIGN)
    _within("pages", int(reader.root["/Pages"]["/Count"]), MAX_PAGES)
    return reader


def entry(dictionary: generic.DictionaryObject, key: str) -> Any:
    """The object under that key, itself and not a reference to it; None when there is none."""
    try:
        return dictionary[key]
    except KeyError:
        return None


def dictionary_in(dictionary: generic.DictionaryObject, key: str) -> generic.DictionaryObject | None:
    """The dictionary under that key; None when there is none, or something else."""
    found = entry(dictionary, key)
    return found if isinstance(found, generic.DictionaryObject) else None


def elements(dictionary: generic.DictionaryObject, key: str) -> list[Any]:
    """The objects of the array under that key; none when there is none."""
    return [each.get_object() for each in entry(dictionary, key) or ()]


@contextmanager
def reading() -> Iterator[None]:
    """What the PDF library raises for a document becomes DocumentUnreadable or DocumentTooComplex."""
    try:
        yield
    except DomainError:
        raise
    except PdfDecodeLimitError as error:
        raise DocumentTooComplex("the PDF unpacks to more than is read", limit="unpacked bytes") from error
    except RecursionError as error:
        raise DocumentTooComplex("the PDF is nested too deeply", limit="depth") from error
    except _MALFORMED as error:
        raise DocumentUnreadable(f"the PDF is damaged: {_said(error)}", kind="pdf") from error


def _said(error: Exception) -> str:
    return str(error)[:200] if isinstance(error, PdfError | PdfStrictReadError) else type(error).__name__


def _within(limit: str, found: int, most: int) -> None:
    if found > most:
        raise DocumentTooComplex(f"the PDF has more {limit} than is read", limit=limit, most=most)
