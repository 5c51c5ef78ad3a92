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
from signing.ades.tokens import stamped_digest
from signing.errors import EVIDENCE, TIME_STAMPS, LevelUnreachable, SigningForbidden
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
    is_stamp: bool

    @property
    def cms(self) -> CmsView:
        return view_of(self.contents)


def extend_pdf(source: bytes, level: Level, services: Services, *, at: datetime) -> bytes:
    """Bring every signature of the document to that level, whoever made it.

    A signature without a time stamp gets one by a document time stamp, since its own bytes stay (EN 319 142-1 §6.3).
    Raises DocumentUnreadable and its kin, SigningForbidden when nothing is signed, LevelUnreachable,
    TimestampUnavailable, EvidenceUnavailable.
    """
    check_level(level, services)
    revision = Revision.of(source)
    with reading():
        found = _signatures(revision)
        if all(each.is_stamp for each in found):
            raise SigningForbidden("the document holds no signature")
        stamped = _all_stamped(found)
    contents = [each.contents for each in found]
    if level.rank >= Level.B_T.rank and not stamped:
        source, stamp = _stamped(revision, services)
        revision = revision.follow(source)
        contents.append(stamp)
    return reach(revision, source, contents, level, services, at=at)


def refresh_pdf(source: bytes, services: Services, *, at: datetime) -> bytes:
    """Evidence for the last document time stamp, and a new document time stamp over it.

    Raises what ``extend_pdf`` raises; LevelUnreachable when there is no document time stamp.
    """
    check_level(Level.B_LTA, services)
    revision = Revision.of(source)
    with reading():
        stamps = [each.contents for each in _signatures(revision) if each.is_stamp]
    if not stamps:
        raise LevelUnreachable(
            "there is no document time stamp to refresh: extend to B-LTA first", level=Level.B_LTA.value
        )
    return reach(revision, source, stamps[-1:], Level.B_LTA, services, at=at)


def reach(
    revision: Revision,
    source: bytes,
    contents: Sequence[bytes],
    level: Level,
    services: Services,
    *,
    at: datetime,
) -> bytes:
    """Add what that level needs to ``source``, on which ``revision`` stands: evidence for the signatures and time
    stamps whose Contents are given, and a document time stamp.
    """
    if level.rank < Level.B_LT.rank:
        return source
    if _add_evidence(revision, contents, services, at):
        source = revision.finished()
        revision = revision.follow(source)
    return source if level.rank < Level.B_LTA.rank else _stamped(revision, services)[0]


def check_level(level: Level, services: Services) -> None:
    """Raises LevelUnreachable when the services for it are not there."""
    if level.rank >= Level.B_T.rank and services.stamps is None:
        raise LevelUnreachable("there is no time-stamping authority", level=level.value, needs=TIME_STAMPS)
    if level.rank >= Level.B_LT.rank and services.evidence is None:
        raise LevelUnreachable("there is no source of revocation evidence", level=level.value, needs=EVIDENCE)


def _stamped(revision: Revision, services: Services) -> tuple[bytes, bytes]:
    """The document with a time stamp over all of it (EN 319 142-1 §5.4.3), and the Contents of that stamp."""
    assert services.stamps is not None
    with reading():
        stamp = DocumentTimestamp(bytes_reserved=2 * services.stamps.room)
        name = fields.free_name(revision, "Timestamp")
        field, _ = fields.field_to_sign(revision, [], name, None)
        field.get_object()[pdf_name("/V")] = revision.add_object(stamp)
        fields.mark_signed(revision)
        placed = revision.finished_with_room(stamp)
    token = stamped_digest(services.stamps, _STAMP_DIGEST, placed.digest(_STAMP_DIGEST))
    return placed.filled(token), placed.value_of(token)


def _add_evidence(revision: Revision, contents: Sequence[bytes], services: Services, at: datetime) -> bool:
    """Whether there was anything to add; what an entry of VRI speaks for already is not asked for again."""
    assert services.evidence is not None
    with reading():
        store = _Store.of(revision)
        missing = {key: each for each in contents if (key := _key(each)) not in store.related}
    gathered: dict[str, Evidence] = {}
    known: dict[bytes, Evidence] = {}
    for key, each in missing.items():
        evidence = Evidence()
        view = view_of(each)
        for part in (view, *view.tokens):
            if part.certificate_der not in known:
                found = services.evidence.collect(part.certificate, part.others, at)
                known[part.certificate_der] = found
            evidence |= known[part.certificate_der]
        gathered[key] = evidence
    if gathered:
        with reading():
            store.add(gathered)
    return bool(gathered)


def _key(contents: bytes) -> str:
    """By which VRI names a signature: the SHA-1 of its Contents, padding included (EN 319 142-1 §5.4.2.3)."""
    return "/" + hashlib.sha1(contents, usedforsecurity=False).hexdigest().upper()


class _Store:
    """The document security store of a revision that is being written."""

    def __init__(self, revision: Revision, dictionary: generic.DictionaryObject) -> None:
        self._revision = revision
        self._dictionary = dictionary
        self._known: list[dict[bytes, generic.IndirectObject]] = [
            {_bytes_of(each, purpose): each for each in entry(dictionary, name) or ()}
            for name, _, purpose in _KINDS
        ]

    @classmethod
    def of(cls, revision: Revision) -> _Store:
        """The one that is there, or a new one, which ``add`` puts into the document."""
        found = dictionary_in(revision.root, "/DSS")
        return cls(
            revision,
            generic.DictionaryObject({pdf_name("/Type"): pdf_name("/DSS")}) if found is None else found,
        )

    @property
    def related(self) -> generic.DictionaryObject:
        """VRI: what belongs to which signature."""
        return dictionary_in(self._dictionary, "/VRI") or generic.DictionaryObject()

    def add(self, gathered: dict[str, Evidence]) -> None:
        """Put in what is not there yet, and name it for each signature; what is there already stays as it is.

        An entry of VRI is written once, so that no earlier revision is contradicted.
        """
        self._put_in_place()
        related = self._dictionary["/VRI"]
        for key, evidence in gathered.items():
            related[pdf_name(key)] = self._revision.add_object(self._related(evidence))
        for (name, _, _), known in zip(_KINDS, self._known, strict=True):
            if known:
                self._dictionary[pdf_name(name)] = generic.ArrayObject(known.values())

    def _put_in_place(self) -> None:
        revision = self._revision
        if "/DSS" not in revision.root:
            revision.root[pdf_name("/DSS")] = revision.add_object(self._dictionary)
            revision.update_root()
        revision.update_container(self._dictionary)
        if dictionary_in(self._dictionary, "/VRI") is None:
            self._dictionary[pdf_name("/VRI")] = generic.DictionaryObject()
        revision.update_container(self._dictionary["/VRI"])
        if revision.prev.input_version < (2, 0):
            revision.register_extension(constants.ESIC_EXTENSION_1)

    def _related(self, evidence: Evidence) -> generic.DictionaryObject:
        """An entry of VRI over the streams of that evidence."""
        found = generic.DictionaryObject({pdf_name("/Type"): pdf_name("/VRI")})
        parts = (evidence.certificates, evidence.crls, evidence.ocsps)
        for place, ((_, name, _), values) in enumerate(zip(_KINDS, parts, strict=True)):
            if values:
                found[pdf_name(name)] = generic.ArrayObject(self._stream(place, each) for each in values)
        return found

    def _stream(self, place: int, der: bytes) -> generic.IndirectObject:
        known = self._known[place].get(der)
        if known is None:
            known = self._known[place][der] = self._revision.add_object(generic.StreamObject(stream_data=der))
        return known


def _signatures(revision: Revision) -> list[_Found]:
    return [_found(each) for each in fields.signature_fields(revision) if each.signed]


def _found(field: SignatureField) -> _Found:
    value = field.value
    contents = value.raw_get("/Contents")
    raw = bytes(contents) if isinstance(contents, bytes) else contents.original_bytes
    return _Found(raw, entry(value, "/Type") == "/DocTimeStamp")


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
