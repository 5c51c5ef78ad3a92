"""What is inside an envelope: an ASiC-E container (ETSI EN 319 162-1) of bid.json, its files and a signature.

The writer is deterministic and stores without compressing, so the reader needs no tolerance: it takes the
archive apart, writes it again and compares. Names twice, headers that disagree, bytes before or after, a second
signature or a padding that hides something cannot survive that.
"""

from __future__ import annotations

import io
import re
import struct
import unicodedata
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from xml.sax.saxutils import quoteattr

from kernel.canonical import canonical_bytes, parse_canonical
from kernel.errors import LimitExceeded, MalformedInput
from pki.trust import TrustStore
from sealing.context import EnvelopeContext
from sealing.errors import PayloadInvalid
from sealing.padding import bucket_of
from signing.cms import Signer, sign_detached, verify_detached

TYPE = "mohr/bid/v1"
MAX_FILES = 200
MAX_BID_BYTES = 8 << 20
_MIMETYPE, _MIMETYPE_VALUE = "mimetype", b"application/vnd.etsi.asic-e+zip"
_BID = "bid.json"
_FOLDER = "META-INF"
_MANIFEST, _SIGNATURE = f"{_FOLDER}/ASiCManifest.xml", f"{_FOLDER}/signature.p7s"
_PADDING = f"{_FOLDER}/padding"
# A stored entry costs its local and its central header, and its name in both (APPNOTE 4.3.7, 4.3.12).
_PADDING_COST = 30 + 46 + 2 * len(_PADDING)
# No separators, nothing that a file system or XML refuses, no character that turns the reading direction.
_ODD = r"\x00-\x1f\x7f-\x9f\\/:*?\"<>|\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
_NAME = re.compile(rf"[^{_ODD}.][^{_ODD}]{{0,99}}")
# A local file header (APPNOTE 4.3.7): of its numbers only the length of the body and of its name are needed.
_LOCAL = struct.Struct("<4s14xIxxxxHxx")
_LOCAL_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Payload:
    """A read bid: its document, the document's bytes, and the attached files by name."""

    bid: dict[str, Any] = field(repr=False)
    bid_bytes: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)


def build_payload(
    context: EnvelopeContext,
    content: dict[str, Any],
    files: Mapping[str, bytes],
    signer: Signer,
    at: datetime,
    floor_bytes: int,
    max_bytes: int,
) -> bytes:
    """The signed and padded container.

    Raises LimitExceeded beyond ``max_bytes`` or what a reader takes, PayloadInvalid on bad names.
    """
    bid = canonical_bytes({"type": TYPE, "context": context.to_json(), "content": content})
    parse_canonical(bid, max_bytes=MAX_BID_BYTES)
    _check_files(files)
    manifest = _asic_manifest({_BID: bid, **files})
    entries = _entries(bid, files, manifest, sign_detached(manifest, signer, at=at))
    bare = len(_archive(entries)) + _PADDING_COST
    length = bucket_of(bare, floor_bytes)
    if length > max_bytes:
        raise LimitExceeded("the envelope is larger than the notice allows", limit_bytes=max_bytes)
    return _archive({**entries, _PADDING: bytes(length - bare)})


def read_payload(
    data: bytes, context: EnvelopeContext, trust: TrustStore, now: datetime, party: str
) -> Payload:
    """Read strictly, for this context, signed by this party (judged at ``now``, the time of the seal).

    Raises PayloadInvalid, or what ``signing.cms.verify_detached`` raises.
    """
    entries = _take_apart(data)
    try:
        bid, signature = entries[_BID], entries[_SIGNATURE]
        padding = entries[_PADDING]
    except KeyError as error:
        raise PayloadInvalid("the container lacks an entry", name=str(error.args[0])) from error
    fixed = {_MIMETYPE, _BID, _MANIFEST, _SIGNATURE, _PADDING}
    files = {name: body for name, body in entries.items() if name not in fixed}
    _check_files(files)
    manifest = _asic_manifest({_BID: bid, **files})
    expected = {**_entries(bid, files, manifest, signature), _PADDING: bytes(len(padding))}
    if _archive(expected) != data:
        raise PayloadInvalid("the container is not written in its one form")
    verify_detached(manifest, signature, trust, now=now, party=party)
    return Payload(_read_bid(bid, context), bid, files)


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


def _entries(bid: bytes, files: Mapping[str, bytes], manifest: bytes, signature: bytes) -> dict[str, bytes]:
    return {
        _MIMETYPE: _MIMETYPE_VALUE,
        _BID: bid,
        **{name: files[name] for name in sorted(files)},
        _MANIFEST: manifest,
        _SIGNATURE: signature,
    }


def _archive(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, body in entries.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, body)
    return buffer.getvalue()


def _take_apart(data: bytes) -> dict[str, bytes]:
    """The stored entries from the first byte on; whatever else there is, the comparison finds.

    No archive library reads here: each has ways around a directory that was counted before.
    """
    entries: dict[str, bytes] = {}
    at = 0
    while data.startswith(_LOCAL_MAGIC, at):
        if len(entries) == MAX_FILES + 5:
            raise PayloadInvalid("more entries than the container's directory may list")
        try:
            _, length, name_length = _LOCAL.unpack_from(data, at)
            start = at + _LOCAL.size + name_length
            name = data[at + _LOCAL.size : start].decode("utf-8")
        except (struct.error, UnicodeDecodeError) as error:
            raise PayloadInvalid("not a readable container") from error
        if name in entries:
            raise PayloadInvalid("a name occurs twice in the container")
        entries[name] = data[start : start + length]
        at = start + length
    return entries


def _check_files(files: Mapping[str, bytes]) -> None:
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


def _asic_manifest(objects: Mapping[str, bytes]) -> bytes:
    """ASiCManifest (EN 319 162-1 A.4): the digests that the signature covers, in one fixed form."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"'
        ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#">',
        f'<asic:SigReference URI="{_SIGNATURE}" MimeType="application/pkcs7-signature"/>',
    ]
    for name in [_BID, *sorted(set(objects) - {_BID})]:
        digest = b64encode(sha256(objects[name]).digest()).decode("ascii")
        lines += [
            f"<asic:DataObjectReference URI={quoteattr(name)}>",
            '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>',
            f"<ds:DigestValue>{digest}</ds:DigestValue>",
            "</asic:DataObjectReference>",
        ]
    return "\n".join([*lines, "</asic:ASiCManifest>", ""]).encode("utf-8")
