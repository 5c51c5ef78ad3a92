"""What is inside an envelope: an ASiC-E container (ETSI EN 319 162-1) of bid.json, its files and a signature.

The writer is deterministic and stores without compressing, so the reader needs no tolerance: it works out, entry by
entry, what an honest writer would have written, and compares. Names twice, headers that disagree, bytes before
or after, a second signature or a padding that hides something cannot survive that. Both go through the
container as a stream, so that a file of any size is never held.
"""

from __future__ import annotations

import io
import re
import unicodedata
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any
from xml.sax.saxutils import quoteattr

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import LimitExceeded, MalformedInput
from pki.signed_data import MAX_BYTES as MAX_SIGNATURE_BYTES
from pki.trust import TrustStore
from sealing.container import Entry, FoundEntry, archive_length, archive_pieces, read_archive
from sealing.content import Blob, Zeros
from sealing.context import EnvelopeContext
from sealing.errors import PayloadInvalid
from sealing.padding import bucket_of
from signing.cms import Signer, sign_detached, verify_detached

TYPE = "mohr/bid/v1"
MAX_FILES = 200
MAX_BID_BYTES = 8 << 20
_MAX_MANIFEST_BYTES = 1 << 20
_MIMETYPE, _MIMETYPE_VALUE = "mimetype", b"application/vnd.etsi.asic-e+zip"
_BID = "bid.json"
_FOLDER = "META-INF"
_MANIFEST, _SIGNATURE = f"{_FOLDER}/ASiCManifest.xml", f"{_FOLDER}/signature.p7s"
_PADDING = f"{_FOLDER}/padding"
_OWN = (_MIMETYPE, _BID, _MANIFEST, _SIGNATURE, _PADDING)
_HELD = {
    _MIMETYPE: len(_MIMETYPE_VALUE),
    _BID: MAX_BID_BYTES,
    _MANIFEST: _MAX_MANIFEST_BYTES,
    _SIGNATURE: MAX_SIGNATURE_BYTES,
}
# No separators, nothing that a file system or XML refuses, no character that turns the reading direction.
_ODD = r"\x00-\x1f\x7f-\x9f\\/:*?\"<>|\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
_NAME = re.compile(rf"[^{_ODD}.][^{_ODD}]{{0,99}}")


@dataclass(frozen=True, slots=True)
class Payload:
    """A read bid: its document, the document's bytes, and the attached files by name."""

    bid: dict[str, Any] = field(repr=False)
    bid_bytes: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where in the container the bytes of an attached file are, and their SHA-256 in hex."""

    offset: int
    length: int
    digest: str


@dataclass(frozen=True, slots=True)
class ExaminedPayload:
    """A bid that was read without holding its files; ``files`` says where each of them is."""

    bid: dict[str, Any] = field(repr=False)
    bid_bytes: bytes = field(repr=False)
    files: Mapping[str, FilePlace] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ComposedPayload:
    """A container that is known to the byte and not held: its ``length`` bytes come out of ``pieces``."""

    length: int
    _entries: tuple[Entry, ...] = field(repr=False)
    _bodies: tuple[Blob, ...] = field(repr=False)

    def pieces(self) -> Iterator[bytes]:
        """The container; raises PayloadInvalid if a file was changed since it was composed."""
        return archive_pieces(self._entries, self._bodies)


def build_payload(
    context: EnvelopeContext,
    content: dict[str, Any],
    files: Mapping[str, Blob],
    signer: Signer,
    at: datetime,
    floor_bytes: int,
    max_bytes: int,
) -> bytes:
    """The signed and padded container as one string; raises what ``compose_payload`` raises."""
    return b"".join(compose_payload(context, content, files, signer, at, floor_bytes, max_bytes).pieces())


def compose_payload(
    context: EnvelopeContext,
    content: dict[str, Any],
    files: Mapping[str, Blob],
    signer: Signer,
    at: datetime,
    floor_bytes: int,
    max_bytes: int,
) -> ComposedPayload:
    """The signed and padded container. Each file is read once now and once when the container is.

    Raises LimitExceeded beyond ``max_bytes`` or what a reader takes, PayloadInvalid on bad names.
    """
    bid = canonical_bytes({"type": TYPE, "context": context.to_json(), "content": content})
    parse_canonical(bid, max_bytes=MAX_BID_BYTES)
    check_names(files)
    names = sorted(files)
    entries = [Entry.of(_MIMETYPE, _MIMETYPE_VALUE), Entry.of(_BID, bid)]
    for name in names:
        entries.append(Entry.of(name, files[name], limit=max_bytes))
        _check_length(sum(entry.length for entry in entries), max_bytes)
    manifest = _asic_manifest(entries[1:])
    signature = sign_detached(manifest, signer, at=at)
    entries += [Entry.of(_MANIFEST, manifest), Entry.of(_SIGNATURE, signature)]
    bare = archive_length([*entries, Entry.of(_PADDING, b"")])
    length = bucket_of(bare, floor_bytes)
    _check_length(length, max_bytes)
    padding = Zeros(length - bare)
    entries.append(Entry.of(_PADDING, padding))
    bodies = (_MIMETYPE_VALUE, bid, *(files[name] for name in names), manifest, signature, padding)
    return ComposedPayload(length, tuple(entries), bodies)


def read_payload(
    data: bytes, context: EnvelopeContext, trust: TrustStore, now: datetime, party: str
) -> Payload:
    """As ``examine_payload``, of a container that is held, with the files themselves."""
    examined = examine_payload(io.BytesIO(data), context, trust, now, party)
    files = {name: data[each.offset : each.offset + each.length] for name, each in examined.files.items()}
    return Payload(examined.bid, examined.bid_bytes, files)


def examine_payload(
    stream: IO[bytes], context: EnvelopeContext, trust: TrustStore, now: datetime, party: str
) -> ExaminedPayload:
    """Read a container strictly from where the stream stands to its end, for this context, signed by this party.

    The signature is judged at ``now``, the time of the seal. Raises PayloadInvalid, or what
    ``signing.cms.verify_detached`` raises.
    """
    surveyed = _survey(stream)
    verify_detached(surveyed.manifest, surveyed.signature, trust, now=now, party=party)
    return ExaminedPayload(_read_bid(surveyed.bid, context), surveyed.bid, surveyed.files)


def find_files(stream: IO[bytes]) -> tuple[str, Mapping[str, FilePlace]]:
    """SHA-256 (hex) of bid.json, and where the files are, of a container whose signature was verified before.

    Read as strictly as ever. Raises PayloadInvalid.
    """
    surveyed = _survey(stream)
    return sha256_hex(surveyed.bid), surveyed.files


@dataclass(frozen=True, slots=True)
class _Surveyed:
    bid: bytes = field(repr=False)
    manifest: bytes
    signature: bytes
    files: Mapping[str, FilePlace]


def _survey(stream: IO[bytes]) -> _Surveyed:
    found = list(read_archive(stream, MAX_FILES + len(_OWN), _HELD))
    own = {each.entry.name: each for each in found if each.entry.name in _OWN}
    missing = [name for name in _OWN if name not in own]
    if missing:
        raise PayloadInvalid("the container lacks an entry", name=missing[0])
    files = {each.entry.name: each for each in found if each.entry.name not in _OWN}
    check_names(files)
    bid, manifest, signature = (own[name].body for name in (_BID, _MANIFEST, _SIGNATURE))
    if bid is None or signature is None or not _has_its_one_form(found, own, files):
        raise PayloadInvalid("the container is not written in its one form")
    assert manifest is not None
    places = {
        name: FilePlace(each.offset, each.entry.length, each.entry.digest.hex())
        for name, each in files.items()
    }
    return _Surveyed(bid, manifest, signature, places)


def _has_its_one_form(
    found: Sequence[FoundEntry], own: Mapping[str, FoundEntry], files: Mapping[str, FoundEntry]
) -> bool:
    """Whether an honest writer would have written these entries, in this order, with these headers."""
    names = [_MIMETYPE, _BID, *sorted(files), _MANIFEST, _SIGNATURE, _PADDING]
    signed = [own[_BID].entry, *(files[name].entry for name in sorted(files))]
    return (
        [each.entry.name for each in found] == names
        and all(each.written for each in found)
        and own[_MIMETYPE].body == _MIMETYPE_VALUE
        and own[_MANIFEST].body == _asic_manifest(signed)
        and own[_PADDING].zeros
    )


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise LimitExceeded("the envelope is larger than the notice allows", limit_bytes=most)


def _read_bid(bid: bytes, context: EnvelopeContext) -> dict[str, Any]:
    try:
        value = parse_canonical(bid, max_bytes=MAX_BID_BYTES)
    except (MalformedInput, LimitExceeded) as error:
        raise PayloadInvalid(f"bid.json can't be read: {error.detail}") from error
    if set(value) != {"type", "context", "content"} or value["type"] != TYPE:
        raise PayloadInvalid("bid.json is not a mohr/bid/v1 document")
    if value["context"] != context.to_json():
        raise PayloadInvalid("bid.json belongs to another envelope")
    if not isinstance(value["content"], dict):
        raise PayloadInvalid("the content of a bid is an object")
    return value


def check_names(files: Collection[str]) -> None:
    """Raises PayloadInvalid on too many files, on a name that is not allowed, or on two that fall together."""
    if len(files) > MAX_FILES:
        raise PayloadInvalid("too many files", limit=MAX_FILES)
    for name in files:
        if _NAME.fullmatch(name) is None:
            raise PayloadInvalid("a file name is not allowed", name=ascii(name[:100]))
    folded = {_folded(name) for name in (*files, _MIMETYPE, _BID, _FOLDER)}
    if len(folded) != len(files) + 3:
        raise PayloadInvalid("two names would be one to a file system")


def _folded(name: str) -> str:
    """What a file system makes of a name that ignores case, composition, and spaces and dots at the end."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).rstrip(" .")


def _asic_manifest(signed: Sequence[Entry]) -> bytes:
    """ASiCManifest (EN 319 162-1 A.4): the digests that the signature covers, in one fixed form."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"'
        ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#">',
        f'<asic:SigReference URI="{_SIGNATURE}" MimeType="application/pkcs7-signature"/>',
    ]
    for entry in signed:
        digest = b64encode(entry.digest).decode("ascii")
        lines += [
            f"<asic:DataObjectReference URI={quoteattr(entry.name)}>",
            '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>',
            f"<ds:DigestValue>{digest}</ds:DigestValue>",
            "</asic:DataObjectReference>",
        ]
    return "\n".join([*lines, "</asic:ASiCManifest>", ""]).encode("utf-8")
