"""CMS SignedData for CAdES and PAdES, in two steps: attributes to be signed, then the signature value put in.

``prepare`` needs no key, so that it may be held elsewhere; ``assemble`` writes the ContentInfo. Later levels are
edits of what is there: existing bytes of signatures and attributes stay as they are. EN 319 122-1 §5 and §6.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509 import ObjectIdentifier

from pki import algorithms, asn1
from pki.asn1 import ades
from pki.signed_data import Signer, signer_identifier

_FIRST_GENERALIZED_YEAR = 2050


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be signed: ``signed_bytes``, the DER of ``attributes``; ``digest`` is what a token signs.

    Ed25519 takes the bytes themselves (RFC 8419 §2.2), whose SHA-512 is then only shown.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    digest_name: str
    attributes: asn1.SetOf[asn1.Attribute]
    signed_bytes: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.new(self.digest_name, self.signed_bytes).digest()


def prepare(
    content_digest: bytes,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate] = (),
    *,
    signing_time: datetime | None,
    more: Sequence[asn1.Attribute] = (),
) -> Prepared:
    """The signed attributes over a digest of ``digest_for(certificate)``; ``more`` are added to the four of the
    baseline.

    ``signing_time`` is None in a PDF, whose dictionary claims it (EN 319 142-1 §6.3). Raises AlgorithmRefused.
    """
    attributes = [
        attribute(ades.ID_CONTENT_TYPE, ades.ID_DATA),
        attribute(ades.ID_MESSAGE_DIGEST, content_digest),
        signing_certificate(certificate),
        *more,
    ]
    if signing_time is not None:
        attributes.append(attribute(ades.ID_SIGNING_TIME, _time_value(signing_time)))
    signed = asn1.SetOf(attributes)
    return Prepared(certificate, tuple(chain), digest_for(certificate), signed, asn1.encode(signed))


def digest_for(certificate: x509.Certificate) -> str:
    """The digest of content and attributes: SHA-256, and SHA-512 with Ed25519 (RFC 8419 §3.1).

    Raises AlgorithmRefused.
    """
    return algorithms.suite_for_public(algorithms.public_key_of(certificate)).digest


def sign(prepared: Prepared, signer: Signer) -> bytes:
    """The signature value by a key that is at hand."""
    return algorithms.sign(signer.key, prepared.signed_bytes)


def assemble(
    prepared: Prepared, signature: bytes, *, content: bytes | None = None, token: bytes | None = None
) -> bytes:
    """The DER ContentInfo with one signer; ``content`` is inside (enveloping) or None (detached).

    ``token`` is a time stamp over the signature value, for level B-T.
    The signature value is verified first: raises AlgorithmRefused when the key of the certificate did not make it.
    """
    key = algorithms.public_key_of(prepared.certificate)
    suite = algorithms.suite_for_public(key)
    algorithms.verify(key, suite.identifier, suite.digest, signature, prepared.signed_bytes)
    digest = asn1.tlv(
        asn1.encode(asn1.HashAlgorithm(algorithm=algorithms.DIGEST_OIDS[suite.digest], parameters=None))
    )
    unsigned = None if token is None else asn1.SetOf([stamp_attribute(token)])
    info = ades.SignerInfo(
        version=1,
        sid=ades.Variant(signer_identifier(prepared.certificate), "issuer"),
        digest_algorithm=digest,
        signed_attributes=prepared.attributes,
        signature_algorithm=asn1.tlv(asn1.encode(suite.identifier)),
        signature=signature,
        unsigned_attributes=unsigned,
    )
    signed = ades.SignedData(
        version=1,
        digest_algorithms=asn1.SetOf([digest]),
        encapsulated=ades.EncapsulatedContent(content_type=ades.ID_DATA, content=content),
        certificates=asn1.SetOf(
            [asn1.tlv(algorithms.der_of(each)) for each in (prepared.certificate, *prepared.chain)]
        ),
        revocations=None,
        signers=asn1.SetOf([info]),
    )
    return asn1.encode(ades.ContentInfo(content_type=ades.ID_SIGNED_DATA, content=signed))


def attribute(type_: ObjectIdentifier, *values: object) -> asn1.Attribute:
    """An attribute whose values are structures of ``pki.asn1``, or plain values it can write."""
    return asn1.Attribute(type=type_, values=asn1.SetOf([asn1.tlv(asn1.encode(each)) for each in values]))


def stamp_attribute(token: bytes) -> asn1.Attribute:
    """The unsigned attribute with a time stamp over the signature value (EN 319 122-1 §5.3)."""
    return asn1.Attribute(type=ades.ID_SIGNATURE_TIME_STAMP, values=asn1.SetOf([asn1.tlv(token)]))


@lru_cache(maxsize=256)
def signing_certificate(certificate: x509.Certificate) -> asn1.Attribute:
    identifier = asn1.EssCertIdV2(
        hash_algorithm=None,
        certificate_hash=hashlib.sha256(algorithms.der_of(certificate)).digest(),
        issuer_serial=None,
    )
    value = asn1.SigningCertificateV2(certificates=[identifier], policies=None)
    return attribute(ades.ID_SIGNING_CERTIFICATE_V2, value)


def _time_value(instant: datetime) -> asn1.UTCTime | asn1.GeneralizedTime:
    whole = instant.astimezone(UTC).replace(microsecond=0)
    return asn1.UTCTime(whole) if whole.year < _FIRST_GENERALIZED_YEAR else asn1.GeneralizedTime(whole)
