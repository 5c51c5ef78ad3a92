"""Signing OCSP answers (RFC 6960 §4.2); no storage, no clock of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ObjectIdentifier

from pki import asn1
from pki.algorithms import PrivateKey
from pki.asn1.ocsp import (
    ID_BASIC,
    ID_NONCE,
    REASON_NUMBERS,
    SUCCESSFUL,
    BasicResponse,
    CertId,
    CertStatus,
    Extension,
    OcspResponse,
    ResponseBytes,
    ResponseData,
    RevokedInfo,
    SingleResponse,
    Variant,
    enumerated,
    key_bits,
)

_ECDSA_SHA256 = ObjectIdentifier("1.2.840.10045.4.3.2")
_RSA_SHA256 = ObjectIdentifier("1.2.840.113549.1.1.11")
_ED25519 = ObjectIdentifier("1.3.101.112")


@dataclass(frozen=True, slots=True)
class Status:
    """``good``, ``unknown``, or ``revoked`` with time and reason (RFC 5280 §5.3.1)."""

    kind: str
    revoked_at: datetime | None = None
    reason: str = "unspecified"


GOOD, UNKNOWN = Status("good"), Status("unknown")
_GOOD: Variant[asn1.Null, Literal["good"]] = Variant(asn1.Null(), "good")
_UNKNOWN: Variant[asn1.Null, Literal["unknown"]] = Variant(asn1.Null(), "unknown")


@dataclass(frozen=True, slots=True)
class Period:
    """From ``this_update`` on an answer holds, until there is a newer one at ``next_update``; whole seconds."""

    this_update: datetime
    next_update: datetime

    def holds(self, now: datetime) -> bool:
        return self.this_update <= now < self.next_update

    def is_due(self, now: datetime) -> bool:
        """Past half of its time, or made by a clock that was ahead."""
        return now < self.this_update or now >= self.this_update + (self.next_update - self.this_update) / 2


@dataclass(frozen=True, slots=True)
class Answer:
    """``head + tail`` is the DER of an OCSPResponse; ``period`` is None where nobody may keep it.

    ``kinds`` are those of the statuses it tells, to be counted; ``refused`` for an error.
    """

    head: bytes
    tail: bytes = b""
    period: Period | None = None
    kinds: tuple[str, ...] = ("refused",)

    @property
    def body(self) -> bytes:
        return self.head + self.tail


def sign_answer(
    key: PrivateKey,
    certificates: Sequence[bytes],
    statuses: Sequence[tuple[bytes, Status]],
    period: Period,
    *,
    nonce: bytes | None = None,
    shared: bool = False,
) -> Answer:
    """An answer about pairs of CertID (DER) and status, with the responder's certificates (DER).

    ``shared`` says that others may get it too.
    """
    data = ResponseData(
        version=0,
        responder=Variant(key_hash_of(key), "key"),
        produced_at=asn1.GeneralizedTime(period.this_update),
        responses=[_single(cert_id, status, period) for cert_id, status in statuses],
        extensions=None if nonce is None else [Extension(id=ID_NONCE, critical=False, value=nonce)],
    )
    tbs = asn1.encode(data)
    algorithm, signature = _signed(key, tbs)
    basic = BasicResponse(
        tbs=asn1.tlv(tbs),
        algorithm=algorithm,
        signature=asn1.BitString(signature, 0),
        certificates=[asn1.tlv(certificate) for certificate in certificates],
    )
    response = ResponseBytes(type=ID_BASIC, response=asn1.encode(basic))
    body = asn1.encode(OcspResponse(status=enumerated(SUCCESSFUL), response=response))
    # The certificates stand last in every frame around them.
    tail = certificates[-1]
    kinds = tuple(status.kind for _, status in statuses)
    return Answer(body[: -len(tail)], tail, period if shared else None, kinds)


def key_hash_of(key: PrivateKey) -> bytes:
    """The responder by its key (RFC 6960 §4.2.1: SHA-1, whatever the request used)."""
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha1(key_bits(spki), usedforsecurity=False).digest()


def _single(cert_id: bytes, status: Status, period: Period) -> SingleResponse:
    return SingleResponse(
        cert_id=asn1.decode(CertId, cert_id),
        status=_choice(status),
        this_update=asn1.GeneralizedTime(period.this_update),
        next_update=asn1.GeneralizedTime(period.next_update),
        extensions=None,
    )


def _choice(status: Status) -> CertStatus:
    if status.revoked_at is None:
        return _GOOD if status.kind == "good" else _UNKNOWN
    number = REASON_NUMBERS[status.reason]
    info = RevokedInfo(
        revoked_at=asn1.GeneralizedTime(status.revoked_at.replace(microsecond=0)),
        reason=[enumerated(number)] if number else None,
    )
    revoked: Variant[RevokedInfo, Literal["revoked"]] = Variant(info, "revoked")
    return revoked


def _signed(key: PrivateKey, data: bytes) -> tuple[asn1.SignatureAlgorithm, bytes]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = asn1.SignatureAlgorithm(algorithm=_ECDSA_SHA256, parameters=None)
        return algorithm, key.sign(data, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = asn1.SignatureAlgorithm(algorithm=_RSA_SHA256, parameters=asn1.Null())
        return algorithm, key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return asn1.SignatureAlgorithm(algorithm=_ED25519, parameters=None), key.sign(data)
