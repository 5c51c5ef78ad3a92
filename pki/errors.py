"""Refusals of the public key infrastructure."""

from __future__ import annotations

from kernel.errors import DomainError


class CertificateUntrusted(DomainError):
    """No valid path to a pinned root (RFC 5280 §6.1), or the certificate is not meant for this use."""

    code = "certificate-untrusted"


class CertificateExpired(DomainError):
    """Judged at an instant outside the validity of a certificate in the path; ``fields`` name it."""

    code = "certificate-expired"


class CertificateRevoked(DomainError):
    """A certificate in the path had been revoked; ``revoked_at`` and ``reason`` are in ``fields``."""

    code = "certificate-revoked"


class RevocationUnknown(DomainError):
    """No revocation list of the issuer answers for that instant; refused until a fresh one is at hand."""

    code = "revocation-unknown"


class RequestInvalid(DomainError):
    """A certificate request without proof of possession, with a key that is not accepted, or unreadable."""

    code = "certificate-request-invalid"


class SubjectForbidden(RequestInvalid):
    """A subject that lacks what the profile demands, or holds what it forbids; ``fields`` name the attributes."""

    code = "certificate-subject-forbidden"


class ExtensionForbidden(RequestInvalid):
    """An extension, usage, name or policy outside the bounds of the profile."""

    code = "certificate-extension-forbidden"


class KeyWeak(RequestInvalid):
    """An RSA key of too few bits, with a bad exponent, or whose factors are found at once."""

    code = "certificate-key-weak"


class LintFailed(DomainError):
    """The certificate, built as asked for, breaks a rule of its profile's standard; ``findings`` are the codes.

    Nothing was signed with the key of the issuer.
    """

    code = "certificate-lint-failed"


class TimestampInvalid(DomainError):
    """A time-stamp token that does not prove what it is said to prove (RFC 3161 §2.2)."""

    code = "timestamp-invalid"


class KeyUnavailable(DomainError):
    """The key store does not open with this passphrase, or store or token hold no such key that may be used."""

    code = "key-unavailable"


class AuthorityNotActive(DomainError):
    """No authority here may issue: the last one was revoked, and no ceremony has brought in a new one."""

    code = "authority-not-active"


class ApprovalMissing(DomainError):
    """Dual control: two different operators must have signed the very plan or transcript, and did not."""

    code = "approval-missing"


class CeremonyRefused(DomainError):
    """What the ceremony's file asks for cannot be done to this authority, or an input does not fit."""

    code = "ceremony-refused"


class TranscriptInvalid(DomainError):
    """A transcript that does not hold: its signatures, its chain to the one before, or a file that it names."""

    code = "transcript-invalid"


class TokenUnavailable(DomainError):
    """The PKCS#11 module or token does not answer: absent, unplugged, busy, or lost again after one new try."""

    code = "token-unavailable"


class TokenPinRefused(DomainError):
    """The token refused the PIN, or has one attempt left or none; this process does not try that PIN again."""

    code = "token-pin-refused"


class TokenMechanismMissing(DomainError):
    """The token cannot make such a key or such a signature."""

    code = "token-mechanism-missing"


class ProposalNeeded(DomainError):
    """A certificate of an authority or a service is revoked by two registrars: one proposes, another one confirms."""

    code = "proposal-needed"


class KeyReused(DomainError):
    """The key was certified for somebody else or for another use, or was given up as compromised."""

    code = "key-reused"


class RenewalRefused(DomainError):
    """Too early, too late, or the key or the evidence of identity is too old to be taken over once more."""

    code = "renewal-refused"
