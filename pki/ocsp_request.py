"""What an OCSP request asks (RFC 6960 §4.1), strictly read; every limit on it stands here.

At most 16 KiB, 20 certificates, 16 extensions each, a nonce of 1 to 128 octets (RFC 9654 §2.1). A signature over
the request is not asked for and not checked. Extensions that are not known are ignored unless they are critical.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ObjectIdentifier

from pki import asn1
from pki.algorithms import DIGEST_OIDS
from pki.asn1.ocsp import ID_NONCE, CertId, Extension, OcspRequest, SingleRequest, TbsRequest, key_bits

MAX_REQUEST_BYTES = 16 * 1024
MAX_CERTIFICATES = 20
MAX_EXTENSIONS = 16
MAX_NONCE_BYTES = 128
# Four SEQUENCEs, one in the other, each with one octet of length.
_FRAMES, _LONG_FORM = 8, 130
# SHA-1 tells issuers apart here and protects nothing (RFC 5019 §2.1.1 demands it).
CERT_ID_DIGESTS = {
    ObjectIdentifier("1.3.14.3.2.26"): "sha1",
    **{oid: name for name, oid in DIGEST_OIDS.items()},
}
_OIDS = {name: oid for oid, name in CERT_ID_DIGESTS.items()}


class MalformedRequest(ValueError):
    """What is answered with malformedRequest (RFC 6960 §2.3)."""


@dataclass(frozen=True, slots=True)
class IssuerDigests:
    """An issuer as a CertID names it."""

    algorithm: ObjectIdentifier
    name: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """One certificate that is asked about; ``cert_id`` is the DER of the CertID, which the answer repeats."""

    cert_id: bytes
    issuer: IssuerDigests
    serial: int


@dataclass(frozen=True, slots=True)
class Question:
    """``nonce`` is what the extension holds, DER of an OCTET STRING."""

    asked: tuple[Asked, ...]
    nonce: bytes | None


def read_question(der: bytes) -> Question:
    """Raises MalformedRequest."""
    if len(der) > MAX_REQUEST_BYTES:
        raise MalformedRequest("the request is too long")
    try:
        tbs = asn1.decode(OcspRequest, der).tbs
    except asn1.NotDer as error:
        raise MalformedRequest("not an OCSP request") from error
    if tbs.version != 0:
        raise MalformedRequest("only version 1 is known")
    if tbs.requestor is not None and len(tbs.requestor) != 1:
        raise MalformedRequest("a requestor is one name")
    if not 1 <= len(tbs.requests) <= MAX_CERTIFICATES:
        raise MalformedRequest("a request asks about 1 to 20 certificates")
    return Question(tuple(_asked(each) for each in tbs.requests), _nonce(tbs.extensions))


def bare_cert_id(der: bytes) -> bytes:
    """The CertID of a request that holds nothing else, by its position; empty for any other request.

    If these bytes are a CertID then ``der`` is a request about it alone, because all of its frames are compared.
    """
    left = len(der)
    if not _FRAMES < left < _LONG_FORM:
        return b""
    frames = bytes((0x30, left - 2, 0x30, left - 4, 0x30, left - 6, 0x30, left - 8))
    return der[_FRAMES:] if der.startswith(frames) else b""


def make_question(
    asked: list[tuple[x509.Certificate, x509.Certificate]],
    *,
    digest: str = "sha256",
    nonce: bytes | None = None,
) -> bytes:
    """A request (DER) about pairs of certificate and issuer."""
    requests = [
        SingleRequest(cert_id=cert_id(certificate.serial_number, issuer, digest), extensions=None)
        for certificate, issuer in asked
    ]
    extensions = None
    if nonce is not None:
        extensions = [Extension(id=ID_NONCE, critical=False, value=asn1.encode(nonce))]
    tbs = TbsRequest(version=0, requestor=None, requests=requests, extensions=extensions)
    return asn1.encode(OcspRequest(tbs=tbs, signature=None))


def cert_id(serial: int, issuer: x509.Certificate, digest: str) -> CertId:
    """The CertID of a certificate of ``issuer``; ``digest`` is ``sha1``, ``sha256``, ``sha384`` or ``sha512``."""
    named = issuer_digests(issuer, digest)
    # Absent or NULL are both in use; with NULL it is what OpenSSL writes.
    algorithm = asn1.HashAlgorithm(algorithm=named.algorithm, parameters=asn1.Null())
    return CertId(
        hash_algorithm=algorithm,
        issuer_name_hash=named.name,
        issuer_key_hash=named.key,
        serial_number=serial,
    )


def issuer_digests(issuer: x509.Certificate, digest: str) -> IssuerDigests:
    """The issuer by that digest."""
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = hashlib.new(digest, issuer.subject.public_bytes(), usedforsecurity=False).digest()
    key = hashlib.new(digest, key_bits(spki), usedforsecurity=False).digest()
    return IssuerDigests(_OIDS[digest], name, key)


def all_digests(issuer: x509.Certificate) -> list[IssuerDigests]:
    """The issuer by every digest that a request may use."""
    return [issuer_digests(issuer, digest) for digest in _OIDS]


def _asked(request: SingleRequest) -> Asked:
    _checked(request.extensions)
    named = request.cert_id
    if named.hash_algorithm.algorithm not in CERT_ID_DIGESTS:
        raise MalformedRequest("the digest of a CertID is not known")
    issuer = IssuerDigests(named.hash_algorithm.algorithm, named.issuer_name_hash, named.issuer_key_hash)
    return Asked(asn1.encode(named), issuer, named.serial_number)


def _nonce(extensions: list[Extension] | None) -> bytes | None:
    value = _checked(extensions, ID_NONCE).get(ID_NONCE)
    if value is None:
        return None
    try:
        length = len(asn1.decode(bytes, value))
    except asn1.NotDer as error:
        raise MalformedRequest("a nonce is an octet string") from error
    if not 1 <= length <= MAX_NONCE_BYTES:
        raise MalformedRequest("a nonce has 1 to 128 octets")
    return value


def _checked(extensions: list[Extension] | None, *known: ObjectIdentifier) -> dict[ObjectIdentifier, bytes]:
    if extensions is None:
        return {}
    if not 1 <= len(extensions) <= MAX_EXTENSIONS:
        raise MalformedRequest("1 to 16 extensions")
    found = {each.id: each.value for each in extensions}
    if len(found) != len(extensions):
        raise MalformedRequest("an extension stands twice")
    if any(each.critical and each.id not in known for each in extensions):
        raise MalformedRequest("a critical extension is not known")
    return found
