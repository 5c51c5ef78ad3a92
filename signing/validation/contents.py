"""What a signed file holds, as its reader found it: signatures, time stamps, evidence. Nothing here is judged.

Readers make these from PDF, CMS and ASiC files; the judgement (``judging``) takes them and knows no
format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography import x509

from signing.ades.services import Evidence

Form = Literal["PAdES", "CAdES", "ASiC-E", "PKCS7"]
Kind = Literal["pdf", "cms", "asice"]
StampKind = Literal["content", "signature", "archive", "document", "container"]

# The digest of bytes that are not kept in memory, by the name of the algorithm: ``sha256`` and so on.
# Raises NotCovered when the bytes cannot be had, or a reference to them is broken.
DigestOf = Callable[[str], bytes]


class NotCovered(ValueError):
    """What a signature or time stamp says it covers is missing or was changed; the message says what."""


class NotAtHand(NotCovered):
    """It is missing, and nothing else is amiss (EN 319 102-1 table 6, SIGNED_DATA_NOT_FOUND)."""


@dataclass(frozen=True, slots=True)
class CmsSignature:
    """One SignerInfo with the SignedData around it.

    ``signed`` and ``unsigned`` map dotted identifiers to the DER of each attribute's values, in order (several
    attributes of one type are joined in ``unsigned``; in ``signed`` a repeated type is a finding); ``signed_bytes``
    is the DER that the signature value covers; ``parameters`` are those of the signature algorithm. ``certificate``
    is the one that the signer's identifier names, if it is inside or among the evidence.
    """

    der: bytes
    content_type: str
    digest_algorithm: str
    signature_algorithm: str
    parameters: bytes | None
    signature: bytes
    signed_bytes: bytes
    signed: dict[str, tuple[bytes, ...]]
    unsigned: dict[str, tuple[bytes, ...]]
    certificate: x509.Certificate | None
    certificates: tuple[x509.Certificate, ...]
    message_digest: bytes | None
    claimed_time: datetime | None
    is_der: bool = True


@dataclass(frozen=True, slots=True)
class Covered:
    """What a valid time stamp proves to have existed: identifiers of signatures and time stamps, SHA-256 of
    evidence.
    """

    signatures: frozenset[str] = frozenset()
    timestamps: frozenset[str] = frozenset()
    evidence: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class FoundTimestamp:
    """A time-stamp token (DER) and the digest it has to hold; ``evidence`` is what its own chain may be judged by.

    ``index_digest`` is by what an archive time stamp of CAdES names the evidence that it covers.
    """

    identifier: str
    kind: StampKind
    token: bytes
    imprint: DigestOf
    covered: Covered
    evidence: Evidence = field(default_factory=Evidence)
    name: str | None = None
    index_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed after a signature, in words; ``allowed`` when that signature's rules permit it.

    ``code`` is stable: ``page-added``, ``page-content-changed``, ``annotation-added``, ``form-field-filled``,
    ``signature-added``, ``long-term-data-added``, ``metadata-changed``, ``object-changed``, ``bytes-appended``, ...;
    ``place`` says where.
    """

    code: str
    detail: str
    allowed: bool
    place: str | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the form of a file or signature that its reader refuses; ``fatal`` ones fail the format check."""

    code: str
    detail: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class FoundSignature:
    """A signature, in the order of the file; ``cms`` is None where the findings say why it cannot be read.

    ``content`` gives the digest of what it covers; None when that is not at hand (a detached file that was not given).
    ``scope`` says in words what that is; ``whole`` whether it is all of the file, later signatures and evidence aside.
    """

    identifier: str
    form: Form
    cms: CmsSignature | None
    content: DigestOf | None
    scope: str
    whole: bool
    name: str | None = None
    claimed_time: datetime | None = None
    reason: str | None = None
    location: str | None = None
    timestamps: tuple[FoundTimestamp, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A file as read: what it is, its digest, and all it holds. ``timestamps`` are those of the whole file."""

    kind: Kind
    name: str
    length: int
    sha256: str
    signatures: tuple[FoundSignature, ...]
    timestamps: tuple[FoundTimestamp, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    findings: tuple[Finding, ...] = ()
