"""What may be asked of a tender. Commands carry facts that the caller has verified.

``by`` and ``signer`` are parties whose signature or session was checked; ``signers`` are all whose
signature on that very document was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from procurement.rules.facts import Return
from procurement.rules.notice import Notice, NoticeDraft


@dataclass(frozen=True, slots=True)
class ReviseDraft:
    draft: NoticeDraft
    by: str


@dataclass(frozen=True, slots=True)
class SubmitForApproval:
    by: str


@dataclass(frozen=True, slots=True)
class Approve:
    by: str


@dataclass(frozen=True, slots=True)
class ReturnToDraft:
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class PublishKeySet:
    """``signers`` countersigned the key set; ``previous`` is the digest that it replaces, or None.

    ``document`` is the key set itself, to be published with the event: its content, or its bytes in base64.
    """

    digest: str
    members: tuple[str, ...]
    threshold: int
    custodian: str
    signers: tuple[str, ...]
    previous: str | None = None
    document: Mapping[str, Any] | str | None = None


@dataclass(frozen=True, slots=True)
class PublishNotice:
    notice: Notice
    by: str


@dataclass(frozen=True, slots=True)
class CloseSubmissions:
    """``submissions`` are the entries of the closing list in state ``listed``, by counter."""

    digest: str
    submissions: tuple[Mapping[str, Any], ...]
    tenderers: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RecordAttendance:
    tender: str
    stage: str
    party: str
    signer: str
    conflict: bool
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class StartOpening:
    """``session_stage`` and ``tender`` are what the chair signed, ``stage`` is what was asked for."""

    tender: str
    stage: str
    session_stage: str
    signer: str
    digest: str
    closing_list_digest: str
    decision_digest: str | None
    present: tuple[str, ...]
    manifests: tuple[str, ...]
    opened_at: str


@dataclass(frozen=True, slots=True)
class RecordOpening:
    stage: str
    digest: str
    results: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Decide:
    """``bids`` are the opened ``mohr/bid/v1`` by manifest digest; stage A needs them for the guarantees."""

    tender: str
    stage: str
    document_stage: str
    digest: str
    record_digest: str
    results: tuple[Mapping[str, Any], ...]
    signers: tuple[str, ...]
    bids: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExtendPriceOpening:
    until: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Award:
    """``award`` is the whole ``mohr/award/v1`` that was signed."""

    digest: str
    award: Mapping[str, Any]
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CloseTender:
    """``returns`` are the signed return documents; ``key_destruction_digest`` the custodian's attestation."""

    returns: tuple[Return, ...]
    key_destruction_digest: str
    by: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """``ground`` is a word of the rule cancellation-grounds."""

    ground: str
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class DeclareUnsuccessful:
    """``ground`` is a word of the rule renewal-grounds."""

    ground: str
    reason: str
    by: str


Command: TypeAlias = (
    ReviseDraft
    | SubmitForApproval
    | Approve
    | ReturnToDraft
    | PublishKeySet
    | PublishNotice
    | CloseSubmissions
    | RecordAttendance
    | StartOpening
    | RecordOpening
    | Decide
    | ExtendPriceOpening
    | Award
    | CloseTender
    | Cancel
    | DeclareUnsuccessful
)
