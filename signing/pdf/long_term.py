"""Levels above B-T: evidence in the document security store, and document time stamps over it (EN 319 142-1 §5.4).

The store (DSS) holds certificates, lists and answers once each, and names under VRI, by the SHA-1 of its Contents, what
belongs to each signature and time stamp. Each step is a revision of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.sign.signers import constants
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp

from signing.ades.services import Evidence, Level, Services
from signing.errors import LevelUnreachable, SigningForbidden
from signing.pdf import fields
from signing.pdf.cms_view import CmsView, view_of
from signing.pdf.fields import SignatureField
from signing.pdf.revision import Revision, dictionary_in, entry, reading

_STAMP_DIGEST = "sha256"
_KINDS = (
    ("/Certs", "/Cert", DecodePurpose.CERTIFICATE),
    ("/CRLs", "/CRL", DecodePurpose.CRL),
    ("/OCSPs", "/OCSP", DecodePurpose.OCSP_RESPONSE),
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A signature or document time stamp of the file: its Contents with padding, and the CMS in them."""

    contents: bytes
    cms: CmsView
    is_stamp: bool

    @property
    def key(self) -> str:
        """By which VRI names it."""
        return "/" + hashlib.sha1(self.contents, usedforsecurity=False).hexdigest().upper()


def extend_pdf(source: bytes, level: Level, services: Services, *, at: datetime) -> bytes:
    """Bring every signature of the document to that level, whoever made it.

    A signature without a time stamp gets one by a document time stamp, since its own bytes stay (EN 319 142-1 §6.3).
    Raises DocumentUnreadable and its kin, SigningForbidden when nothing is signed, LevelUnreachable,
    TimestampUnavailable, EvidenceUnavailable.
    """
    with reading():
        found = _signatures(Revision.of(source))
        if all(each.is_stamp for each in found):
            raise SigningForbidden("the document holds no signature")
        unstamped = level.rank >= Level.B_T.rank and not _all_stamped(found)
    if unstamped:
        source = stamp_pdf(source, services)
    return reach(source, level, services, at=at)


def refresh_pdf(source: bytes, services: Services, *, at: datetime) -> bytes:
    """Evidence for all that is there, the last document time stamp among it, and a new document time stamp over it.

    Raises what ``extend_pdf`` raises.
    """
    with reading():
        if not any(each.is_stamp for each in _signatures(Revision.of(source))):
            raise LevelUnreachable("the document has no document time stamp to refresh", level=Level.B_LTA)
    return reach(source, Level.B_LTA, services, at=at)


def reach(source: bytes, level: Level, services: Services, *, at: datetime) -> bytes:
    """Add what a stamped document needs for that level."""
    if level.rank >= Level.B_LT.rank:
        source = _with_evidence(source, services, at)
    if level.rank >= Level.B_LTA.rank:
        source = stamp_pdf(source, services)
    return source


def stamp_pdf(source: bytes, services: Services) -> bytes:
    """A document time stamp over all that is there (EN 319 142-1 §5.4.3); raises TimestampUnavailable."""
    if services.stamps is None:
        raise LevelUnreachable("there is no time-stamping authority")
    revision = Revision.of(source)
    with reading():
        known = fields.signature_fields(revision)
        stamp = DocumentTimestamp(bytes_reserved=2 * services.stamps.room)
        name = fields.free_name(known, "Timestamp")
        field, _ = fields.field_to_sign(revision, known, name, None)
        field.get_object()[pdf_name("/V")] = revision.add_object(stamp)
        fields.mark_signed(revision)
        placed = revision.finished_with_room(stamp)
    return placed.filled(services.stamps.stamp(_STAMP_DIGEST, placed.digest(_STAMP_DIGEST)))


def _with_evidence(source: bytes, services: Services, at: datetime) -> bytes:
    if services.evidence is None:
        raise LevelUnreachable("there is no source of revocation evidence")
    revision = Revision.of(source)
    with reading():
        found = _signatures(revision)
    gathered: dict[str, Evidence] = {}
    known: dict[bytes, Evidence] = {}
    for each in found:
        evidence = Evidence()
        for view in (each.cms, *each.cms.tokens):
            evidence |= _evidence_for(view, services, at, known)
        gathered[each.key] = evidence
    with reading():
        _Store.of(revision).add(gathered)
        return revision.finished()


def _evidence_for(view: CmsView, services: Services, at: datetime, known: dict[bytes, Evidence]) -> Evidence:
    """For the chain of one CMS; the same certificate is asked for once."""
    assert services.evidence is not None
    key = view.certificate_der
    if key not in known:
        known[key] = services.evidence.collect(view.certificate, view.others, at)
    return known[key]


class _Store:
    """The document security store of a revision that is being written."""

    def __init__(self, revision: Revision, dictionary: generic.DictionaryObject) -> None:
        self._revision = revision
        self._dictionary = dictionary
        self._known = [
            {_bytes_of(each, purpose): each for each in entry(dictionary, name) or ()}
            for name, _, purpose in _KINDS
        ]

    @classmethod
    def of(cls, revision: Revision) -> _Store:
        """The one that is there, or a new one."""
        found = dictionary_in(revision.root, "/DSS")
        if found is None:
            found = generic.DictionaryObject({pdf_name("/Type"): pdf_name("/DSS")})
            revision.root[pdf_name("/DSS")] = revision.add_object(found)
            revision.update_root()
        else:
            revision.update_container(found)
        if revision.prev.input_version < (2, 0):
            revision.register_extension(constants.ESIC_EXTENSION_1)
        return cls(revision, found)

    def add(self, gathered: dict[str, Evidence]) -> None:
        """Put in what is not there yet, and name it for each signature; what is there already stays as it is.

        An entry of VRI is written once: evidence that comes later stands in the lists of the document only.
        """
        related = dictionary_in(self._dictionary, "/VRI")
        if related is None:
            related = self._dictionary[pdf_name("/VRI")] = generic.DictionaryObject()
        for key, evidence in gathered.items():
            named = self._related(evidence)
            if key not in related:
                related[pdf_name(key)] = self._revision.add_object(named)
        self._revision.update_container(related)
        for (name, _, _), known in zip(_KINDS, self._known, strict=True):
            if known:
                self._dictionary[pdf_name(name)] = generic.ArrayObject(known.values())

    def _related(self, evidence: Evidence) -> generic.DictionaryObject:
        """An entry of VRI over the streams of that evidence."""
        found = generic.DictionaryObject({pdf_name("/Type"): pdf_name("/VRI")})
        parts = (evidence.certificates, evidence.crls, evidence.ocsps)
        for place, ((_, name, _), values) in enumerate(zip(_KINDS, parts, strict=True)):
            if values:
                found[pdf_name(name)] = generic.ArrayObject(self._stream(place, each) for each in values)
        return found

    def _stream(self, place: int, der: bytes) -> generic.IndirectObject:
        known = self._known[place]
        if der not in known:
            known[der] = self._revision.add_object(generic.StreamObject(stream_data=der))
        return known[der]


def _signatures(revision: Revision) -> list[_Found]:
    return [_found(each) for each in fields.signature_fields(revision) if each.signed]


def _found(field: SignatureField) -> _Found:
    value = field.value
    contents = value.raw_get("/Contents")
    raw = bytes(contents) if isinstance(contents, bytes) else contents.original_bytes
    return _Found(raw, view_of(raw), entry(value, "/Type") == "/DocTimeStamp")


def _all_stamped(found: Sequence[_Found]) -> bool:
    """Whether each signature has a time stamp in it, or one of the document behind it."""
    behind = False
    for each in reversed(found):
        if each.is_stamp:
            behind = True
        elif not behind and not each.cms.tokens:
            return False
    return True


def _bytes_of(stream: generic.PdfObject, purpose: DecodePurpose) -> bytes:
    found = stream.get_object()
    return bytes(found.read_data(purpose))
