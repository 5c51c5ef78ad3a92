"""The result of a verification: indications of ETSI EN 319 102-1 §5.1.3, with each check numbered.

Plain values only, so that JSON, the XML of TS 119 102-2 and the page for people say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signing.validation.contents import Change, Finding, Form, Kind, StampKind


class Indication(StrEnum):
    """Main indications (EN 319 102-1 table 5)."""

    TOTAL_PASSED = "TOTAL-PASSED"
    INDETERMINATE = "INDETERMINATE"
    TOTAL_FAILED = "TOTAL-FAILED"


class SubIndication(StrEnum):
    """Sub-indications (EN 319 102-1 tables 5 and 6)."""

    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    POLICY_PROCESSING_ERROR = "POLICY_PROCESSING_ERROR"
    SIGNATURE_POLICY_NOT_AVAILABLE = "SIGNATURE_POLICY_NOT_AVAILABLE"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND_NO_POE = "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    OUT_OF_BOUNDS_NOT_REVOKED = "OUT_OF_BOUNDS_NOT_REVOKED"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    REVOCATION_OUT_OF_BOUNDS_NO_POE = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    NO_POE = "NO_POE"
    TRY_LATER = "TRY_LATER"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    CUSTOM = "CUSTOM"


class Outcome(StrEnum):
    """Of one check; ``NOT_RUN`` when an earlier one decided or there was nothing to check."""

    PASSED = "passed"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    WARNING = "warning"
    NOT_RUN = "not-run"


@dataclass(frozen=True, slots=True)
class Check:
    """``number`` as in ``2.4`` (block and step), ``name`` stable, ``clause`` where the standard asks for it."""

    number: str
    name: str
    clause: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CertificateShown:
    """A certificate as a report names it; ``fingerprint`` is SHA-256 in hexadecimal, ``serial`` hexadecimal."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    der: bytes


@dataclass(frozen=True, slots=True)
class RevocationShown:
    """By what a certificate of the path was judged: a ``crl`` or an ``ocsp`` answer, its time and its digest."""

    certificate: str
    source: str
    sha256: str
    produced_at: datetime
    status: str
    revoked_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TimestampReport:
    """``time`` is what the token says; it counts only when the indication is TOTAL-PASSED. ``covered`` names what it
    proves to have existed; ``token_sha256`` is the digest of its DER.
    """

    identifier: str
    kind: StampKind
    indication: Indication
    sub_indication: SubIndication | None
    time: datetime | None
    serial: str | None
    imprint_algorithm: str | None
    path: tuple[CertificateShown, ...]
    checks: tuple[Check, ...]
    covered: tuple[str, ...] = ()
    name: str | None = None
    token_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """``best_time`` is the earliest instant for which the signature is proven to have existed.

    ``path`` runs from the signer to the root, as far as it was found; ``party`` is the identifier in the signer's
    subject. ``level`` is what the signature holds and what holds true; None when it is not even B-B.
    """

    identifier: str
    form: Form
    level: str | None
    indication: Indication
    sub_indication: SubIndication | None
    detail: str
    party: str | None
    signer: str | None
    claimed_time: datetime | None
    best_time: datetime | None
    digest_algorithm: str | None
    signature_algorithm: str | None
    signature_value: bytes
    signed_digest: bytes | None
    scope: str
    whole: bool
    path: tuple[CertificateShown, ...]
    revocation: tuple[RevocationShown, ...]
    timestamps: tuple[TimestampReport, ...]
    checks: tuple[Check, ...]
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    name: str | None = None
    reason: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyShown:
    """The rules that were applied: name, version and SHA-256 of the algorithm policy and of the trust."""

    algorithms: str
    algorithms_sha256: str
    trust: str
    trust_sha256: str


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """``at`` is the time that the judgement is for, ``made_at`` when it was made. ``indication`` is the worst of all
    signatures; INDETERMINATE when there is none."""

    kind: Kind
    name: str
    length: int
    sha256: str
    at: datetime
    made_at: datetime
    indication: Indication
    signatures: tuple[SignatureReport, ...]
    timestamps: tuple[TimestampReport, ...]
    policy: PolicyShown
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED
