"""Signed documents: canonical JSON with a ``type``, and detached signatures over exactly those bytes.

A document has one meaning because its bytes are canonical (RFC 8785) and its type is checked: a signature
made for one kind of document can't be presented as another.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel.canonical import (
    canonical_bytes,
    parse_canonical,
    sha256_hex,
    to_base64,
)
from kernel.errors import MalformedInput
from pki.signed_data import Signer
from pki.trust import Revocations, TrustStore
from signing.cms import sign_detached, verify_detached

MAX_DOCUMENT_BYTES = 1 << 20
_TYPE = re.compile(r"mohr/[a-z0-9-]+/v[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """The canonical bytes and one detached signature over them (DER)."""

    document: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the document, by which other documents name it."""
        return sha256_hex(self.document)


def sign_document(document: dict[str, Any], signer: Signer, at: datetime) -> SignedDocument:
    """Write the document canonically and sign it; raises MalformedInput without a proper ``type``."""
    data = canonical_bytes(document)
    _check_type(document)
    return SignedDocument(data, sign_detached(data, signer, at=at))


def parse_document(
    document: bytes, *, type_: str, fields: Collection[str] | None = None, max_bytes: int = MAX_DOCUMENT_BYTES
) -> dict[str, Any]:
    """Read the canonical bytes of a document of that type; no signature is looked at.

    ``fields``, if given, are exactly those beside ``type``. Raises MalformedInput or LimitExceeded.
    """
    value = parse_canonical(document, max_bytes=max_bytes)
    if value.get("type") != type_:
        raise MalformedInput("a document of another type was expected", expected=type_)
    if fields is not None and set(value) != {"type", *fields}:
        raise MalformedInput("the document has missing or unknown fields", expected=sorted(fields))
    return value


def read_document(
    document: bytes,
    signature: bytes,
    trust: TrustStore,
    *,
    type_: str,
    now: datetime,
    party: str | None = None,
    fields: Collection[str] | None = None,
    max_bytes: int = MAX_DOCUMENT_BYTES,
    revocation: Revocations = "at",
) -> dict[str, Any]:
    """The content of a document of that type with a valid signature (of ``party``, if given).

    Raises what ``parse_document`` and ``verify_detached`` raise.
    """
    value = parse_document(document, type_=type_, fields=fields, max_bytes=max_bytes)
    verify_detached(document, signature, trust, now=now, party=party, revocation=revocation)
    return value


def verify_signatures(
    document: bytes, signatures: Mapping[str, bytes], trust: TrustStore, *, now: datetime
) -> frozenset[str]:
    """The parties whose signatures over one document are all valid, each under its own name."""
    for party, signature in signatures.items():
        verify_detached(document, signature, trust, now=now, party=party)
    return frozenset(signatures)


def to_wire(signed: SignedDocument) -> dict[str, str]:
    """The form in request and answer bodies: ``{"document": base64, "signature": base64}``."""
    return {"document": to_base64(signed.document), "signature": to_base64(signed.signature)}


def _check_type(document: dict[str, Any]) -> None:
    type_ = document.get("type")
    if not isinstance(type_, str) or _TYPE.fullmatch(type_) is None:
        raise MalformedInput("a document names its type, such as mohr/notice/v1")
