"""Validation of time stamps (EN 319 102-1 §5.4): a token is a signature of a time-stamping authority over a digest.

Beside the blocks of a basic signature: the token has the form of RFC 3161, its imprint is that of what it has to cover,
and its time is not before the life of its certificate. Revocation information has to be fresh at the time of the token:
what is held beside it was gathered then, and a later one that tells of a revocation goes before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509

from kernel.errors import DomainError
from pki import asn1
from pki.asn1 import NotDer, ades
from signing.validation.basic import VALUE, Basic, Subject, judge_basic
from signing.validation.cms_evidence import read_certificate
from signing.validation.conclusion import PASSED, Checks, Conclusion, failed
from signing.validation.contents import CmsSignature, DigestOf, FoundTimestamp, NotCovered
from signing.validation.reading_cms import read_contents
from signing.validation.report import SubIndication
from signing.validation.scene import Scene
from signing.validation.signature_values import DIGESTS, AlgorithmUse


@dataclass(frozen=True, slots=True)
class ReadToken:
    """A token taken apart; ``imprint_digest`` is None where its algorithm is not known."""

    cms: CmsSignature
    content: bytes
    time: datetime
    serial: int
    imprint_digest: str | None
    imprint: bytes
    accuracy: timedelta = timedelta(0)


@dataclass(slots=True)
class JudgedTimestamp:
    """``conclusion_today`` is that of §5.4; past validation may set a better ``conclusion``."""

    found: FoundTimestamp
    token: ReadToken | None
    basic: Basic
    conclusion: Conclusion
    checks: Checks
    conclusion_today: Conclusion = PASSED

    def __post_init__(self) -> None:
        self.conclusion_today = self.conclusion

    @property
    def time(self) -> datetime | None:
        return None if self.token is None else self.token.time

    @property
    def imprint_use(self) -> tuple[AlgorithmUse, ...]:
        """The digests of the imprint and of its hash index, which have to count when the token came to be."""
        imprint = None if self.token is None else self.token.imprint_digest
        return tuple(AlgorithmUse(each) for each in (imprint, self.found.index_digest) if each is not None)


def judge_timestamp(found: FoundTimestamp, scene: Scene) -> JudgedTimestamp:
    """At the time of the scene."""
    checks = Checks()
    token = read_token(found.token, _certificates(found))
    if token is None:
        unread = failed(SubIndication.FORMAT_FAILURE, "the time stamp can't be read")
        checks.conclude(1, "format", "EN 319 102-1 5.2.2", unread)
        return JudgedTimestamp(found, None, Basic(unread), unread, checks)
    subject = Subject(token.cms, _digest_of(token.content), None, "timestamps", fresh_at=token.time)
    basic = judge_basic(subject, scene, checks)
    imprint = checks.conclude(VALUE, "imprint", "EN 319 102-1 5.4.4", _imprint(token, found.imprint))
    dated = checks.conclude(VALUE, "time", "EN 319 102-1 5.4.4", _time(token))
    conclusion = basic.conclusion
    for each in (dated, imprint):
        if not each.passed and (conclusion.passed or basic.intact):
            conclusion, basic = each, replace(basic, intact=False)
    return JudgedTimestamp(found, token, basic, conclusion, checks)


def read_token(der: bytes, others: Sequence[x509.Certificate] = ()) -> ReadToken | None:
    """RFC 3161 §2.4.2; None for whatever is no token of one signer, whose certificate may be among ``others``."""
    try:
        contents = read_contents(der, others)
        if contents.content_type != ades.ID_TST_INFO.dotted_string or contents.content is None:
            return None
        (signer,) = contents.signers
        if not signer.cms.signed or any(each.fatal for each in (*contents.findings, *signer.findings)):
            return None
        info = asn1.decode(asn1.TimeStampInfo, contents.content)
    except (DomainError, NotDer, ValueError):
        return None
    if info.version != 1:
        return None
    return ReadToken(
        signer.cms,
        contents.content,
        info.generated_at.as_datetime().replace(tzinfo=UTC),
        info.serial_number,
        DIGESTS.get(info.message_imprint.hash_algorithm.algorithm.dotted_string),
        info.message_imprint.hashed_message,
        _accuracy(info.accuracy),
    )


def _accuracy(found: asn1.Accuracy | None) -> timedelta:
    if found is None:
        return timedelta(0)
    return timedelta(
        seconds=found.seconds or 0, milliseconds=found.millis or 0, microseconds=found.micros or 0
    )


def _certificates(found: FoundTimestamp) -> list[x509.Certificate]:
    read = (read_certificate(der) for der in found.evidence.certificates)
    return [each for each in read if each is not None]


def _imprint(token: ReadToken, expected: DigestOf) -> Conclusion:
    if token.imprint_digest is None:
        return failed(SubIndication.HASH_FAILURE, "the digest algorithm of the imprint is not known")
    try:
        digest = expected(token.imprint_digest)
    except NotCovered as error:
        return failed(SubIndication.HASH_FAILURE, str(error))
    if digest != token.imprint:
        return failed(SubIndication.HASH_FAILURE, "the time stamp is over something else")
    return PASSED


def _time(token: ReadToken) -> Conclusion:
    certificate = token.cms.certificate
    if certificate is not None and token.time < certificate.not_valid_before_utc:
        return failed(SubIndication.NOT_YET_VALID, "the time stamp is older than its certificate")
    return PASSED


def _digest_of(data: bytes) -> DigestOf:
    def digest(algorithm: str) -> bytes:
        return hashlib.new(algorithm, data).digest()

    return digest
