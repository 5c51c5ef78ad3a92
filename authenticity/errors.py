"""Refusals about registered documents."""

from __future__ import annotations

from kernel.errors import DomainError


class IdentifierCharacter(DomainError):
    """Something that is no digit stands in an identifier: ``position`` (from 1) and ``character_class``."""

    code = "identifier-character"


class IdentifierLength(DomainError):
    """An identifier with too few or too many digits: ``digits`` and ``expected``."""

    code = "identifier-length"


class IdentifierCheck(DomainError):
    """The check digits of an identifier do not fit: it was mistyped."""

    code = "identifier-check"


class DocumentUnknown(DomainError):
    """No document is registered under that identifier or digest."""

    code = "document-unknown"


class DocumentRegistered(DomainError):
    """These bytes are registered already: ``identifier`` (for its unit only) and ``kind``."""

    code = "document-registered"


class KindUnknown(DomainError):
    """The rule of documents knows no such kind on that day; ``kinds`` that it knows."""

    code = "document-kind-unknown"


class RuleBroken(DomainError):
    """The file does not have what the rule asks of its kind: ``demands``, each a code with what was found."""

    code = "document-rule-broken"


class UnitForbidden(DomainError):
    """Whoever asks does not act for this unit."""

    code = "unit-forbidden"


class IdentifierUnreserved(DomainError):
    """The identifier was not given out to this party, or was used or has lapsed."""

    code = "identifier-unreserved"


class StateImpossible(DomainError):
    """A document that was revoked, superseded or corrected does not change again; ``state``."""

    code = "document-state-final"


class FileNotDelivered(DomainError):
    """The bytes of a document must be delivered before its registration: ``digests`` that are missing."""

    code = "document-file-missing"


class TooManyChecks(DomainError):
    """Too many questions about unknown documents from one source; ``retry_after_seconds``."""

    code = "too-many-checks"


class RegistrationProofInvalid(DomainError):
    """A file that claims a registration does not prove it; ``step`` is what failed."""

    code = "registration-proof-invalid"


class MarkImpossible(DomainError):
    """The identifier cannot be put on this document."""

    code = "mark-impossible"
