"""Time stamps (RFC 3161, RFC 5816): the authority, requests, and the verification of a token.

The authority sees digests only. It answers every request with a response: a token, or a refusal with one of
the failure bits of RFC 3161 §2.4.2; it never stamps a time earlier than one it has stamped before, nor one in doubt.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509 import ObjectIdentifier

from kernel.clock import Clock
from pki import algorithms, asn1
from pki.errors import TimestampInvalid
from pki.machine_clock import MachineClock
from pki.signed_data import (
    SignedContent,
    SignedDataInvalid,
    Signer,
    check_content,
    parse_signed_data,
)
from pki.stamp_writer import StampWriter
from pki.trust import TrustStore

ID_TST_INFO = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
TSA_POLICY = "2.25.278621877218977492759295331449423114744"
ACCURACY = timedelta(seconds=1)
MAX_REQUEST_BYTES = 4096
MAX_TOKEN_BYTES = 64 * 1024
MAX_NONCE_BITS = 256

# Digests that are stamped: what signatures here use, and SHA-3 (FIPS 202); SHA-1 is not among them.
IMPRINT_NAMES = {
    **algorithms.DIGEST_NAMES,
    ObjectIdentifier("2.16.840.1.101.3.4.2.8"): "sha3_256",
    ObjectIdentifier("2.16.840.1.101.3.4.2.9"): "sha3_384",
    ObjectIdentifier("2.16.840.1.101.3.4.2.10"): "sha3_512",
}
IMPRINT_LENGTHS = {oid: hashlib.new(name).digest_size for oid, name in IMPRINT_NAMES.items()}

BAD_ALGORITHM = 0
BAD_REQUEST = 2
BAD_DATA_FORMAT = 5
TIME_NOT_AVAILABLE = 14
UNACCEPTED_POLICY = 15
UNACCEPTED_EXTENSION = 16
SYSTEM_FAILURE = 25


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What a verified token says."""

    time: datetime
    serial: int
    policy: str
    certificate: x509.Certificate


class Refusal(Exception):
    """A request that is answered with a failure bit of RFC 3161 §2.4.2."""

    def __init__(self, bit: int, text: str) -> None:
        super().__init__(text)
        self.bit = bit
        self.text = text


class TimeStampAuthority:
    """Stamps digests with the time of ``clock``; ``next_serial`` never repeats a number. Safe for threads.

    ``accuracy`` is stated in each stamp. While ``machine`` doubts its clock no stamp is made, and none either once
    ``is_revoked`` says so of the signer.
    """

    def __init__(
        self,
        signer: Signer,
        policy_oid: str,
        next_serial: Callable[[], int],
        clock: Clock,
        *,
        accuracy: timedelta = ACCURACY,
        machine: MachineClock | None = None,
        is_revoked: Callable[[Signer, datetime], bool] = lambda _signer, _at: False,
    ) -> None:
        self._is_revoked = is_revoked
        self.signer = signer
        self.policy = ObjectIdentifier(policy_oid)
        self._writer = StampWriter(signer, ID_TST_INFO)
        self._accuracy = _accuracy(accuracy)
        self._life = (signer.certificate.not_valid_before_utc, signer.certificate.not_valid_after_utc)
        self._next_serial = next_serial
        self._clock = clock
        self._machine = machine or MachineClock(accuracy)
        self._last: datetime | None = None
        self._lock = threading.Lock()

    def respond(self, request_der: bytes) -> bytes:
        """The DER TimeStampResp for a DER TimeStampReq, whatever that holds.

        Raises what ``next_serial`` or the key raises when database or token do not answer.
        """
        try:
            request = _read_request(request_der)
            self._check(request)
            time = self._time()
            if self._is_revoked(self.signer, time):
                raise Refusal(SYSTEM_FAILURE, "the certificate of this authority was revoked")
        except Refusal as refusal:
            return _rejected(refusal)
        return self._writer.response(
            self._info(request, time), with_certificates=request.certificate_requested
        )

    def _check(self, request: asn1.TimeStampRequest) -> None:
        length = IMPRINT_LENGTHS.get(request.message_imprint.hash_algorithm.algorithm)
        if request.version != 1:
            raise Refusal(BAD_REQUEST, "only version 1 is known")
        if length is None:
            raise Refusal(BAD_ALGORITHM, "the digest algorithm is not accepted")
        if len(request.message_imprint.hashed_message) != length:
            raise Refusal(BAD_DATA_FORMAT, "the digest has the wrong length")
        if request.policy is not None and request.policy != self.policy:
            raise Refusal(UNACCEPTED_POLICY, "stamps are made under one policy only")
        if request.extensions is not None:
            raise Refusal(UNACCEPTED_EXTENSION, "extensions are not accepted")
        if request.nonce is not None and request.nonce.bit_length() > MAX_NONCE_BITS:
            raise Refusal(BAD_DATA_FORMAT, "the nonce is too long")

    def _info(self, request: asn1.TimeStampRequest, time: datetime) -> bytes:
        info = asn1.TimeStampInfo(
            version=1,
            policy=self.policy,
            message_imprint=request.message_imprint,
            serial_number=self._next_serial(),
            generated_at=asn1.GeneralizedTime(time),
            accuracy=self._accuracy,
            ordering=False,
            nonce=request.nonce,
            tsa=None,
            extensions=None,
        )
        return asn1.encode(info)

    def _time(self) -> datetime:
        if (doubt := self._machine.doubt()) is not None:
            raise Refusal(TIME_NOT_AVAILABLE, doubt)
        now = self._clock.now().astimezone(UTC)
        with self._lock:
            if self._last is not None and now < self._last:
                raise Refusal(TIME_NOT_AVAILABLE, "the clock has run back")
            if not self._life[0] <= now <= self._life[1]:
                raise Refusal(TIME_NOT_AVAILABLE, "the clock is outside the life of the certificate")
            self._last = now
        return now


def make_request(data: bytes, *, nonce: int | None = None) -> bytes:
    """A request for a stamp over the SHA-256 of ``data``, asking for the certificate."""
    return make_request_for("sha256", hashlib.sha256(data).digest(), nonce=nonce)


def make_request_for(digest_name: str, digest: bytes, *, nonce: int | None = None) -> bytes:
    """The same for a digest that is known: ``sha256``, ``sha384`` or ``sha512``."""
    algorithm = asn1.HashAlgorithm(algorithm=algorithms.DIGEST_OIDS[digest_name], parameters=None)
    request = asn1.TimeStampRequest(
        version=1,
        message_imprint=asn1.MessageImprint(hash_algorithm=algorithm, hashed_message=digest),
        policy=None,
        nonce=secrets.randbits(64) if nonce is None else nonce,
        certificate_requested=True,
        extensions=None,
    )
    return asn1.encode(request)


def token_of_response(der: bytes, request: bytes | None = None) -> bytes:
    """The token of a granted response (to ``request``, if given); raises TimestampInvalid otherwise."""
    try:
        response = asn1.decode(asn1.TimeStampResponse, der[: MAX_TOKEN_BYTES + 1])
    except asn1.NotDer as error:
        raise TimestampInvalid("not a time-stamp response") from error
    if response.status.status not in (0, 1) or response.token is None:
        text = "; ".join(response.status.status_string or [])[:200]
        raise TimestampInvalid("no time stamp was granted", answer=text)
    token = asn1.encode(response.token)
    if request is not None:
        _check_answer(token, request)
    return token


def verify_token(token_der: bytes, data: bytes, trust: TrustStore) -> Timestamp:
    """The time that the token proves for ``data``; the authority's certificate is judged at that time.

    Raises TimestampInvalid, CertificateUntrusted, CertificateExpired, CertificateRevoked or
    RevocationUnknown.
    """
    signed, info = _read_token(token_der)
    imprint = info.message_imprint
    name = IMPRINT_NAMES.get(imprint.hash_algorithm.algorithm)
    if name is None or hashlib.new(name, data).digest() != imprint.hashed_message:
        raise TimestampInvalid("the time stamp is over other data")
    try:
        check_content(signed, signed.content or b"")
    except SignedDataInvalid as error:
        raise TimestampInvalid(str(error)) from error
    time = info.generated_at.as_datetime().replace(tzinfo=UTC)
    validated = trust.validate(signed.certificate, signed.others, time, "timestamping")
    if not validated.needs(signed.others):
        raise TimestampInvalid("the token carries certificates that it does not need")
    return Timestamp(time, info.serial_number, info.policy.dotted_string, signed.certificate)


def claimed_time(token_der: bytes) -> datetime:
    """The time written in a token, unverified; raises TimestampInvalid."""
    return _read_token(token_der)[1].generated_at.as_datetime().replace(tzinfo=UTC)


def _read_token(token_der: bytes) -> tuple[SignedContent, asn1.TimeStampInfo]:
    try:
        signed = parse_signed_data(
            token_der, content_type=ID_TST_INFO, detached=False, max_bytes=MAX_TOKEN_BYTES
        )
        info = asn1.decode(asn1.TimeStampInfo, signed.content or b"")
    except (SignedDataInvalid, asn1.NotDer) as error:
        raise TimestampInvalid("not a time-stamp token") from error
    if info.version != 1 or info.extensions is not None:
        raise TimestampInvalid("the token has an unknown version or extensions")
    return signed, info


def _check_answer(token: bytes, request: bytes) -> None:
    # RFC 3161 §2.2: the requester compares imprint, nonce and policy.
    asked = asn1.decode(asn1.TimeStampRequest, request)
    info = _read_token(token)[1]
    same = asn1.encode(info.message_imprint) == asn1.encode(asked.message_imprint)
    if not same or info.nonce != asked.nonce or asked.policy not in (None, info.policy):
        raise TimestampInvalid("the response answers another request")


def _read_request(der: bytes) -> asn1.TimeStampRequest:
    if len(der) > MAX_REQUEST_BYTES:
        raise Refusal(BAD_DATA_FORMAT, "the request is too long")
    try:
        return asn1.decode(asn1.TimeStampRequest, der)
    except asn1.NotDer as error:
        raise Refusal(BAD_DATA_FORMAT, "not a time-stamp request") from error


def _imprint(data: bytes) -> asn1.MessageImprint:
    algorithm = asn1.HashAlgorithm(algorithm=algorithms.DIGEST_OIDS["sha256"], parameters=None)
    return asn1.MessageImprint(hash_algorithm=algorithm, hashed_message=hashlib.sha256(data).digest())


def _accuracy(accuracy: timedelta) -> asn1.Accuracy:
    # RFC 3161 §2.4.2: milliseconds from 1 to 999, left out when they are none.
    seconds, millis = divmod(round(accuracy / timedelta(milliseconds=1)), 1000)
    return asn1.Accuracy(seconds=seconds or None, millis=millis or None, micros=None)


def _rejected(refusal: Refusal) -> bytes:
    # A named bit string (X.690 §11.2.2): bit 0 comes first, trailing zero bits are left out.
    octets = bytearray(refusal.bit // 8 + 1)
    octets[-1] = 0x80 >> (refusal.bit % 8)
    failure = asn1.BitString(bytes(octets), 7 - refusal.bit % 8)
    status = asn1.StatusInfo(status=2, status_string=[refusal.text], failure=failure)
    return asn1.encode(asn1.TimeStampResponse(status=status, token=None))
