"""CMS SignedData of anybody as signatures to be judged: every SignerInfo, certificates and evidence inside.

What is DER is read as it stands; other encodings are brought into DER first (``ber``), and said to have been.
Whatever makes one signer unreadable is a finding of that signer; only what is no SignedData at all is refused.
RFC 5652 §5, ETSI EN 319 122-1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from pki import asn1
from pki.algorithms import issuer_of
from pki.asn1 import NotDer, ades
from signing.ades.services import Evidence
from signing.errors import DocumentTooComplex, DocumentUnreadable
from signing.validation import ber
from signing.validation.cms_evidence import evidence_of, read_certificate
from signing.validation.contents import CmsSignature, Finding
from signing.validation.signing_certificate import named_by_hash

MAX_BYTES = 64 << 20
MAX_CERTIFICATES = 1_000
MAX_REVOCATIONS = 1_000
MAX_SIGNERS = 100
MAX_ATTRIBUTES = 200
_UTC_TIME = 0x17
_Values = dict[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class ReadSigner:
    """One SignerInfo and what its reader refuses about it."""

    cms: CmsSignature
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class CmsContents:
    """A SignedData as read; ``content`` is None where it is detached, ``der`` what was read."""

    der: bytes
    content_type: str
    content: bytes | None
    signers: tuple[ReadSigner, ...]
    evidence: Evidence
    findings: tuple[Finding, ...]


def read_cms(der: bytes) -> list[CmsSignature]:
    """The signatures, in the order of the file; raises DocumentUnreadable and DocumentTooComplex."""
    return [each.cms for each in read_contents(der).signers]


def read_contents(data: bytes, others: Sequence[x509.Certificate] = ()) -> CmsContents:
    """The whole; the signer's certificate may also be among ``others``. Raises as ``read_cms``."""
    signed, is_der = _decoded(data)
    _check_counts(signed)
    certificates, findings = _certificates(signed)
    if not is_der:
        findings.append(Finding("not-der", "the signature is not in the distinguished encoding", fatal=False))
    lists, answers, unknown = evidence_of(signed.revocations)
    findings += unknown
    at_hand = (*certificates.values(), *others)
    return CmsContents(
        der=data,
        content_type=signed.encapsulated.content_type.dotted_string,
        content=signed.encapsulated.content,
        signers=tuple(
            _read_signer(each, data, is_der, signed, tuple(certificates.values()), at_hand)
            for each in signed.signers.as_list()
        ),
        evidence=Evidence(tuple(certificates), lists, answers),
        findings=tuple(findings),
    )


def _decoded(data: bytes) -> tuple[ades.SignedData, bool]:
    if len(data) > MAX_BYTES:
        raise DocumentTooComplex("the signature is longer than is read", limit="bytes")
    try:
        return _signed_data(data), True
    except NotDer:
        pass
    try:
        return _signed_data(ber.to_der(data)), False
    except ber.TooComplex as error:
        raise DocumentTooComplex(f"the signature is {error}", limit="depth") from error
    except (ber.NotBer, NotDer) as error:
        raise DocumentUnreadable("not a CMS signature", kind="cms") from error


def _signed_data(der: bytes) -> ades.SignedData:
    outer = asn1.decode(ades.ContentInfo, der)
    if outer.content_type != ades.ID_SIGNED_DATA:
        raise NotDer("not a SignedData")
    return outer.content


def _check_counts(signed: ades.SignedData) -> None:
    counts = {
        "certificates": (signed.certificates, MAX_CERTIFICATES),
        "revocations": (signed.revocations, MAX_REVOCATIONS),
        "signers": (signed.signers, MAX_SIGNERS),
    }
    for name, (found, most) in counts.items():
        if found is not None and len(found.as_list()) > most:
            raise DocumentTooComplex(f"the signature holds more {name} than are read", limit=name)


def _certificates(signed: ades.SignedData) -> tuple[dict[bytes, x509.Certificate], list[Finding]]:
    found: dict[bytes, x509.Certificate] = {}
    findings: list[Finding] = []
    for each in [] if signed.certificates is None else signed.certificates.as_list():
        der = asn1.encode(each)
        certificate = read_certificate(der)
        if certificate is None:
            detail = "a certificate inside the signature cannot be read"
            findings.append(Finding("certificate-unreadable", detail, fatal=False))
        else:
            found[der] = certificate
    return found, findings


def _read_signer(
    info: ades.SignerInfo,
    data: bytes,
    is_der: bool,
    around: ades.SignedData,
    certificates: tuple[x509.Certificate, ...],
    at_hand: tuple[x509.Certificate, ...],
) -> ReadSigner:
    findings: list[Finding] = []
    signed = _attributes(info.signed_attributes, findings, signed=True)
    digest, _ = _algorithm(info.digest_algorithm, findings)
    algorithm, parameters = _algorithm(info.signature_algorithm, findings)
    _check_content_type(signed, around, findings)
    cms = CmsSignature(
        der=data,
        content_type=around.encapsulated.content_type.dotted_string,
        digest_algorithm=digest,
        signature_algorithm=algorithm,
        parameters=parameters,
        signature=info.signature,
        signed_bytes=b"" if info.signed_attributes is None else asn1.encode(info.signed_attributes),
        signed=signed,
        unsigned=_attributes(info.unsigned_attributes, findings, signed=False),
        certificate=_certificate_of(info, at_hand, signed),
        certificates=certificates,
        message_digest=_message_digest(signed, findings),
        claimed_time=_signing_time(signed, findings),
        is_der=is_der,
    )
    return ReadSigner(cms, tuple(findings))


def _attributes(
    found: asn1.SetOf[asn1.Attribute] | None, findings: list[Finding], *, signed: bool
) -> _Values:
    if found is None:
        if signed:
            detail = "the signature has no signed attributes"
            findings.append(Finding("signed-attributes-missing", detail, fatal=False))
        return {}
    attributes = found.as_list()
    if len(attributes) > MAX_ATTRIBUTES:
        raise DocumentTooComplex("the signature holds more attributes than are read", limit="attributes")
    values: _Values = {}
    for each in attributes:
        name = each.type.dotted_string
        values[name] = values.get(name, ()) + tuple(asn1.encode(value) for value in each.values.as_list())
    if signed:
        types = Counter(each.type.dotted_string for each in attributes)
        for name in (name for name, count in types.items() if count > 1):
            findings.append(Finding("signed-attribute-repeated", f"the signed attribute {name} is repeated"))
    return values


def _algorithm(identifier: asn1.Tlv, findings: list[Finding]) -> tuple[str, bytes | None]:
    try:
        return ades.algorithm_of(identifier)
    except NotDer:
        findings.append(Finding("algorithm-unreadable", "an algorithm of the signature cannot be read"))
        return "", None


def _check_content_type(signed: _Values, around: ades.SignedData, findings: list[Finding]) -> None:
    # RFC 5652 §11.1: the attribute is there wherever there are signed attributes, and says what is inside.
    if not signed:
        return
    values = signed.get(ades.ID_CONTENT_TYPE.dotted_string, ())
    if len(values) != 1:
        findings.append(Finding("content-type-missing", "the signed type of content is not there once"))
    elif values[0] != asn1.encode(around.encapsulated.content_type):
        findings.append(Finding("content-type-mismatch", "the signed type of content is another one"))


def _certificate_of(
    info: ades.SignerInfo, at_hand: Sequence[x509.Certificate], signed: _Values
) -> x509.Certificate | None:
    """Of several of the same name and number, the one that the signed attribute names by its digest."""
    sid = info.sid.value
    if isinstance(sid, bytes):
        named = [each for each in at_hand if _key_identifier(each) == sid]
    else:
        issuer, serial = asn1.encode(sid.issuer), sid.serial_number
        named = [each for each in at_hand if each.serial_number == serial and issuer_of(each) == issuer]
    return next((each for each in named if named_by_hash(each, signed)), named[0] if named else None)


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except Exception:
        # Not there, twice, or in a certificate whose extensions cannot be read.
        return None


def _message_digest(signed: _Values, findings: list[Finding]) -> bytes | None:
    if not signed:
        return None
    values = signed.get(ades.ID_MESSAGE_DIGEST.dotted_string, ())
    try:
        (value,) = values
        return asn1.decode(bytes, value)
    except (NotDer, ValueError):
        findings.append(
            Finding("message-digest-missing", "the signed digest of the content is not there once")
        )
        return None


def _signing_time(signed: _Values, findings: list[Finding]) -> datetime | None:
    values = signed.get(ades.ID_SIGNING_TIME.dotted_string, ())
    if not values:
        return None
    try:
        (value,) = values
        if value[0] == _UTC_TIME:
            return asn1.decode(asn1.UTCTime, value).as_datetime().replace(tzinfo=UTC)
        return asn1.decode(asn1.GeneralizedTime, value).as_datetime().replace(tzinfo=UTC)
    except (NotDer, ValueError):
        findings.append(Finding("signing-time-unreadable", "the claimed time of signing cannot be read"))
        return None
