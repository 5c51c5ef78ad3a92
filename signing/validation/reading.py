"""Any signed file of anybody as a FoundDocument: PDF, CMS (DER, BER or PEM) or ASiC-E, told apart by content.

Bounded in time and memory by the readers of each kind; raises DocumentUnreadable, DocumentEncrypted and
DocumentTooComplex and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from signing.ades.cades import file_digest
from signing.errors import DocumentTooComplex, DocumentUnreadable
from signing.validation.cms_stamps import digest_of
from signing.validation.contents import DigestOf, FoundDocument
from signing.validation.reading_cades import read_cades
from signing.validation.reading_cms import MAX_BYTES as MAX_CMS_BYTES

_HEAD = 1024
_PEM = re.compile(
    rb"\A\s*-----BEGIN (CMS|PKCS7|PKCS #7 SIGNED DATA)-----\s([A-Za-z0-9+/=\s]*)-----END \1-----\s*\Z"
)
_PEM_GROWTH = 2


def read_document(
    source: bytes | Path, *, content: bytes | Path | DigestOf | None = None, name: str | None = None
) -> FoundDocument:
    """The file as found; ``content`` is the file beside a detached signature, or gives its digest."""
    head = _head(source)
    called = name or (source.name if isinstance(source, Path) else "document")
    # A PDF last: containers and enveloping signatures may hold one near their beginning.
    if head.startswith(b"PK\x03\x04"):
        from signing.validation.reading_asice import read_asice

        return read_asice(source, name=called)
    if head.startswith(b"0") or head.lstrip().startswith(b"-----BEGIN "):
        return read_cades(_cms(source), _digest(content), name=called)
    if b"%PDF-" in head:
        from signing.pdf.reading import read_pdf

        return read_pdf(source, name=called)
    raise DocumentUnreadable("the file is no PDF, CMS signature or ASiC-E container", kind="signed document")


def _head(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source[:_HEAD]
    with source.open("rb") as file:
        return file.read(_HEAD)


def _cms(source: bytes | Path) -> bytes:
    most = MAX_CMS_BYTES * _PEM_GROWTH
    if isinstance(source, bytes):
        data = source
    else:
        with source.open("rb") as file:
            data = file.read(most + 1)
    if len(data) > most:
        raise DocumentTooComplex("the signature is longer than is read", limit="bytes")
    found = None if data.startswith(b"0") else _PEM.match(data)
    if found is None:
        return data
    try:
        return base64.b64decode(b"".join(found[2].split()), validate=True)
    except binascii.Error as error:
        raise DocumentUnreadable("the armour of the signature is damaged", kind="cms") from error


def _digest(content: bytes | Path | DigestOf | None) -> DigestOf | None:
    if isinstance(content, bytes):
        return digest_of(content)
    return file_digest(content) if isinstance(content, Path) else content
