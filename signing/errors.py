"""Refusals of signed documents."""

from __future__ import annotations

from kernel.errors import DomainError

# What a level needs of others.
TIME_STAMPS = "time-stamps"
EVIDENCE = "evidence"


class SignatureInvalid(DomainError):
    """The signature does not belong to the content, or is not a well-formed CAdES signature."""

    code = "signature-invalid"


class WrongSigner(SignatureInvalid):
    """A valid signature, but of another party than the one that must sign."""

    code = "wrong-signer"


class LevelUnreachable(DomainError):
    """The level asked for needs a time-stamping authority or a source of evidence that is not there; ``needs``
    says which.
    """

    code = "signature-level-unreachable"


class TimestampUnavailable(DomainError):
    """The time-stamping service named in ``service`` gave no usable stamp in time; nothing was signed half-way."""

    code = "timestamp-unavailable"


class EvidenceUnavailable(DomainError):
    """A certificate, revocation list or OCSP answer could not be had in time; ``service`` or ``certificate`` names
    it.
    """

    code = "evidence-unavailable"


class DocumentUnreadable(DomainError):
    """Not a document of the expected kind, damaged, or of a form that is not read; ``kind`` says what was expected."""

    code = "document-unreadable"


class DocumentEncrypted(DocumentUnreadable):
    """The document is encrypted, and no one signs or verifies what cannot be read."""

    code = "document-encrypted"


class DocumentTooComplex(DocumentUnreadable):
    """The document goes beyond a limit of size, depth, count or unpacked length; ``limit`` names it."""

    code = "document-too-complex"


class SigningForbidden(DomainError):
    """The document forbids what is asked for: certified without changes, a locked field, or a field already signed."""

    code = "signing-forbidden"


class SignatureTooLong(DomainError):
    """The signature needs more room than was kept for it; ``needed`` and ``kept`` are bytes."""

    code = "signature-too-long"


class PreparedUnknown(DomainError):
    """There is no prepared document of that identifier: never, no longer, or completed already."""

    code = "prepared-unknown"


class PreparedExpired(DomainError):
    """The prepared document was not completed in time; prepare it again."""

    code = "prepared-expired"


class PreparedCompleted(DomainError):
    """The prepared document has its signature already; it is completed once."""

    code = "prepared-completed"


class TrustFolderInvalid(DomainError):
    """The folder of trust anchors or a policy file cannot be read; ``path`` and ``problem`` say what is wrong."""

    code = "trust-folder-invalid"
