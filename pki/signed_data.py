"""CMS SignedData with exactly one signer and the signed attributes of CAdES baseline signatures.

Shared by document signatures (signing/) and time-stamp tokens. Writing: RFC 5652 §5, ETSI EN 319 122-1 §6.
Reading is strict; what it checks, numbered here and cited where it runs:

(1) the bytes are DER and within the limits;      (2) one signer, known versions, one digest algorithm;
(3) the content type is the expected one, twice;  (4) each attribute is known, occurs once, has one value;
(5) the certificate of the signer is inside;      (6) signing-certificate-v2 is the hash of that certificate;
(7) message-digest is the hash of the content;    (8) the signature over the attributes holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ObjectIdentifier

from pki import algorithms, asn1
from pki.algorithms import PrivateKey
from pki.names import party_of

ID_DATA = ObjectIdentifier("1.2.840.113549.1.7.1")
ID_SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")
ID_CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
ID_MESSAGE_DIGEST = ObjectIdentifier("1.2.840.113549.1.9.4")
ID_SIGNING_TIME = ObjectIdentifier("1.2.840.113549.1.9.5")
ID_SIGNING_CERTIFICATE_V2 = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
ID_SIGNATURE_TIME_STAMP = ObjectIdentifier("1.2.840.113549.1.9.16.2.14")
ID_SMIME_CAPABILITIES = ObjectIdentifier("1.2.840.113549.1.9.15")
ID_ALGORITHM_PROTECTION = ObjectIdentifier("1.2.840.113549.1.9.52")

MAX_BYTES = 256 * 1024
MAX_CERTIFICATES = 10
_SIGNED = frozenset(
    {
        ID_CONTENT_TYPE,
        ID_MESSAGE_DIGEST,
        ID_SIGNING_TIME,
        ID_SIGNING_CERTIFICATE_V2,
        ID_SMIME_CAPABILITIES,
        ID_ALGORITHM_PROTECTION,
    }
)
_UNSIGNED = frozenset({ID_SIGNATURE_TIME_STAMP})
_FIRST_GENERALIZED_YEAR = 2050
_Attributes = dict[ObjectIdentifier, asn1.Tlv]


class SignedDataInvalid(ValueError):
    """One of the checks (1)-(8) failed; the message says which."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its certificate and the intermediates above it, without the root."""

    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def party(self) -> str:
        return party_of(self.certificate)


@dataclass(frozen=True, slots=True)
class SignedContent:
    """What a SignedData says, after checks (1)-(6); ``check_content`` makes (7) and (8)."""

    content: bytes | None
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    signing_time: datetime | None
    timestamp: bytes | None
    signature: bytes
    message_digest: bytes
    digest_name: str
    signature_algorithm: asn1.SignatureAlgorithm
    signed_bytes: bytes


def sign_data(
    content: bytes,
    signer: Signer,
    *,
    content_type: ObjectIdentifier = ID_DATA,
    detached: bool = True,
    signing_time: datetime | None = None,
    with_certificates: bool = True,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """The DER ContentInfo; ``timestamp`` maps the signature value to a token (EN 319 122-1 §5.3)."""
    suite = algorithms.suite_for(signer.key)
    digest = asn1.HashAlgorithm(algorithm=algorithms.DIGEST_OIDS[suite.digest], parameters=None)
    attributes = _write_attributes(content, signer.certificate, content_type, suite.digest, signing_time)
    signature = algorithms.sign(signer.key, asn1.encode(attributes))
    unsigned = None if timestamp is None else _write_timestamp(timestamp(signature))
    info = asn1.SignerInfo(
        version=1,
        sid=signer_identifier(signer.certificate),
        digest_algorithm=digest,
        signed_attributes=attributes,
        signature_algorithm=suite.identifier,
        signature=signature,
        unsigned_attributes=unsigned,
    )
    certificates = asn1.SetOf([signer.certificate, *signer.chain]) if with_certificates else None
    signed = asn1.SignedData(
        version=1 if content_type == ID_DATA else 3,
        digest_algorithms=asn1.SetOf([digest]),
        encapsulated=asn1.EncapsulatedContent(
            content_type=content_type, content=None if detached else content
        ),
        certificates=certificates,
        signers=asn1.SetOf([info]),
    )
    return asn1.encode(asn1.ContentInfo(content_type=ID_SIGNED_DATA, content=signed))


def parse_signed_data(
    der: bytes, *, content_type: ObjectIdentifier = ID_DATA, detached: bool = True, max_bytes: int = MAX_BYTES
) -> SignedContent:
    """Checks (1)-(6); raises SignedDataInvalid and nothing else."""
    if len(der) > max_bytes:
        raise SignedDataInvalid("the signature is too long")
    try:
        outer = asn1.decode(asn1.ContentInfo, der)  # (1)
        return _read(outer, content_type, detached)
    except SignedDataInvalid:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm, Warning) as error:
        raise SignedDataInvalid("not a well-formed signature") from error


def check_content(signed: SignedContent, content: bytes) -> None:
    """Checks (7) and (8); raises SignedDataInvalid."""
    if hashlib.new(signed.digest_name, content).digest() != signed.message_digest:  # (7)
        raise SignedDataInvalid("the content is not what was signed")
    try:
        key = algorithms.public_key_of(signed.certificate)
        algorithms.verify(  # (8)
            key, signed.signature_algorithm, signed.digest_name, signed.signature, signed.signed_bytes
        )
    except algorithms.AlgorithmRefused as error:
        raise SignedDataInvalid(str(error)) from error


def _read(outer: asn1.ContentInfo, content_type: ObjectIdentifier, detached: bool) -> SignedContent:
    data = outer.content
    info, digest_name = _one_signer(outer, 1 if content_type == ID_DATA else 3)
    if data.encapsulated.content_type != content_type:  # (3)
        raise SignedDataInvalid("another content type was expected")
    if (data.encapsulated.content is None) is not detached:
        raise SignedDataInvalid("the content must be detached" if detached else "the content is missing")
    if info.signed_attributes is None:
        raise SignedDataInvalid("there are no signed attributes")
    signed = _attributes(info.signed_attributes, _SIGNED)
    unsigned = _attributes(info.unsigned_attributes, _UNSIGNED)
    if _required(signed, ID_CONTENT_TYPE, ObjectIdentifier) != content_type:  # (3)
        raise SignedDataInvalid("the signed content type is another")
    certificate, others = _certificates(data, info)
    _check_signing_certificate(
        _required(signed, ID_SIGNING_CERTIFICATE_V2, asn1.SigningCertificateV2), certificate
    )
    _check_protection(signed, info)
    stamp = unsigned.get(ID_SIGNATURE_TIME_STAMP)
    return SignedContent(
        content=data.encapsulated.content,
        certificate=certificate,
        others=others,
        signing_time=_signing_time(signed),
        timestamp=None if stamp is None else asn1.encode(stamp),
        signature=info.signature,
        message_digest=_required(signed, ID_MESSAGE_DIGEST, bytes),
        digest_name=digest_name,
        signature_algorithm=info.signature_algorithm,
        signed_bytes=asn1.encode(info.signed_attributes),
    )


def _one_signer(outer: asn1.ContentInfo, version: int) -> tuple[asn1.SignerInfo, str]:
    # (2) RFC 5652 §5.1 fixes the version by the content type and the form of the signer's identifier.
    data = outer.content
    signers, digests = data.signers.as_list(), data.digest_algorithms.as_list()
    if outer.content_type != ID_SIGNED_DATA or data.version != version:
        raise SignedDataInvalid("not a SignedData of the expected version")
    if len(signers) != 1 or len(digests) != 1 or signers[0].version != 1:
        raise SignedDataInvalid("exactly one signer is expected")
    name = algorithms.DIGEST_NAMES.get(signers[0].digest_algorithm.algorithm)
    if name is None or digests[0].algorithm != signers[0].digest_algorithm.algorithm:
        raise SignedDataInvalid("the digest algorithm is not accepted")
    return signers[0], name


def _attributes(
    attributes: asn1.SetOf[asn1.Attribute] | None, known: frozenset[ObjectIdentifier]
) -> _Attributes:
    # (4) RFC 5652 §11: these attributes occur once and hold one value.
    found: _Attributes = {}
    if attributes is None:
        return found
    for attribute in attributes.as_list():
        values = attribute.values.as_list()
        if attribute.type not in known or attribute.type in found or len(values) != 1:
            raise SignedDataInvalid("an attribute is unknown, repeated or without its one value")
        found[attribute.type] = values[0]
    if not found:
        raise SignedDataInvalid("an empty set of attributes")
    return found


def _required(
    attributes: _Attributes, type_: ObjectIdentifier, structure: type[asn1.Structure]
) -> asn1.Structure:
    if type_ not in attributes:
        raise SignedDataInvalid(f"the signed attribute {type_.dotted_string} is missing")
    return asn1.parse_value(structure, attributes[type_])


def _certificates(
    data: asn1.SignedData, info: asn1.SignerInfo
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    certificates = [] if data.certificates is None else data.certificates.as_list()
    if len(certificates) > MAX_CERTIFICATES:
        raise SignedDataInvalid("too many certificates")
    issuer = asn1.encode(info.sid.issuer)
    for index, certificate in enumerate(certificates):  # (5)
        same_serial = certificate.serial_number == info.sid.serial_number
        if same_serial and algorithms.issuer_of(certificate) == issuer:
            return certificate, tuple(certificates[:index] + certificates[index + 1 :])
    raise SignedDataInvalid("the signer's certificate is not inside")


def _check_signing_certificate(value: asn1.SigningCertificateV2, certificate: x509.Certificate) -> None:
    # (6) RFC 5035 §3: the first identifier names the signer's certificate.
    if not value.certificates:
        raise SignedDataInvalid("signing-certificate-v2 is empty")
    first = value.certificates[0]
    algorithm = "sha256"
    if first.hash_algorithm is not None:
        algorithm = algorithms.DIGEST_NAMES.get(first.hash_algorithm.algorithm, "")
    if not algorithm:
        raise SignedDataInvalid("the hash of signing-certificate-v2 is not accepted")
    if hashlib.new(algorithm, algorithms.der_of(certificate)).digest() != first.certificate_hash:
        raise SignedDataInvalid("signing-certificate-v2 names another certificate")
    if first.issuer_serial is not None and first.issuer_serial.serial_number != certificate.serial_number:
        raise SignedDataInvalid("signing-certificate-v2 names another serial number")


def _check_protection(signed: _Attributes, info: asn1.SignerInfo) -> None:
    # RFC 6211: a writer who adds the attribute fixes both algorithms by it.
    if ID_ALGORITHM_PROTECTION not in signed:
        return
    value = asn1.parse_value(asn1.AlgorithmProtection, signed[ID_ALGORITHM_PROTECTION])
    if value.signature_algorithm is None:
        raise SignedDataInvalid("the algorithm protection names no signature algorithm")
    same_digest = asn1.encode(value.digest_algorithm) == asn1.encode(info.digest_algorithm)
    if not same_digest or asn1.encode(value.signature_algorithm) != asn1.encode(info.signature_algorithm):
        raise SignedDataInvalid("the algorithms are not the protected ones")


def _signing_time(signed: _Attributes) -> datetime | None:
    # RFC 5652 §11.3: UTCTime through 2049, GeneralizedTime from 2050.
    if ID_SIGNING_TIME not in signed:
        return None
    value = signed[ID_SIGNING_TIME]
    if asn1.encode(value)[0] == 0x17:
        return asn1.parse_value(asn1.UTCTime, value).as_datetime().replace(tzinfo=UTC)
    instant = asn1.parse_value(asn1.GeneralizedTime, value).as_datetime().replace(tzinfo=UTC)
    if instant.year < _FIRST_GENERALIZED_YEAR:
        raise SignedDataInvalid("the signing time has the wrong form")
    return instant


def _write_attributes(
    content: bytes,
    certificate: x509.Certificate,
    content_type: ObjectIdentifier,
    digest_name: str,
    signing_time: datetime | None,
) -> asn1.SetOf[asn1.Attribute]:
    attributes = [
        _attribute(ID_CONTENT_TYPE, content_type),
        _attribute(ID_MESSAGE_DIGEST, hashlib.new(digest_name, content).digest()),
        _signing_certificate(certificate),
    ]
    if signing_time is not None:
        attributes.append(_attribute(ID_SIGNING_TIME, _time_value(signing_time)))
    return asn1.SetOf(attributes)


def constant_attributes(certificate: x509.Certificate, content_type: ObjectIdentifier) -> tuple[bytes, ...]:
    """The DER of the signed attributes that are the same in every signature of that kind by that signer."""
    return (
        asn1.encode(_attribute(ID_CONTENT_TYPE, content_type)),
        asn1.encode(_signing_certificate(certificate)),
    )


@lru_cache(maxsize=256)
def signer_identifier(certificate: x509.Certificate) -> asn1.IssuerAndSerialNumber:
    """How a SignerInfo names its signer (RFC 5652 §5.3)."""
    return asn1.IssuerAndSerialNumber(
        issuer=asn1.tlv(algorithms.issuer_of(certificate)), serial_number=certificate.serial_number
    )


@lru_cache(maxsize=256)
def _signing_certificate(certificate: x509.Certificate) -> asn1.Attribute:
    identifier = asn1.EssCertIdV2(
        hash_algorithm=None,
        certificate_hash=hashlib.sha256(algorithms.der_of(certificate)).digest(),
        issuer_serial=None,
    )
    value = asn1.SigningCertificateV2(certificates=[identifier], policies=None)
    return _attribute(ID_SIGNING_CERTIFICATE_V2, value)


def _time_value(instant: datetime) -> asn1.UTCTime | asn1.GeneralizedTime:
    whole = instant.astimezone(UTC).replace(microsecond=0)
    return asn1.UTCTime(whole) if whole.year < _FIRST_GENERALIZED_YEAR else asn1.GeneralizedTime(whole)


def _write_timestamp(token: bytes) -> asn1.SetOf[asn1.Attribute]:
    value = asn1.tlv(token)
    return asn1.SetOf([asn1.Attribute(type=ID_SIGNATURE_TIME_STAMP, values=asn1.SetOf([value]))])


def _attribute(type_: ObjectIdentifier, value: object) -> asn1.Attribute:
    return asn1.Attribute(type=type_, values=asn1.SetOf([asn1.tlv(asn1.encode(value))]))
