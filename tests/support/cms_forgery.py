"""CMS signatures as others write them, and as nobody should: made with asn1crypto, which our code does not use here.

``forge`` is what a careless or a hostile signer writes; ``edited`` changes what is there without the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, tsp
from asn1crypto import x509 as other_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pki.algorithms import PrivateKey, der_of

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha512": hashes.SHA512(),
}
_BEGINS = "signing_certificate_v2"


def forge(
    content: bytes,
    key: PrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate] = (),
    *,
    at: datetime,
    digest: str = "sha256",
    names: x509.Certificate | None = None,
    bare: bool = False,
) -> bytes:
    """A detached signature; ``names`` is the certificate in the signed reference (the signer's own otherwise).

    ``bare``: without any signed attribute, so that the signature value is over the content itself.
    """
    attributes = None if bare else _attributes(content, names or certificate, at, digest)
    to_sign = content if attributes is None else attributes.dump()
    return _signed_data(
        {
            "version": "v1",
            "sid": _sid(certificate),
            "digest_algorithm": {"algorithm": digest},
            "signature_algorithm": {"algorithm": _name(key, digest)},
            "signature": sign(key, to_sign, digest),
            **({} if attributes is None else {"signed_attrs": attributes}),
        },
        digest,
        (certificate, *chain),
    )


def sign(key: PrivateKey, data: bytes, digest: str) -> bytes:
    """A signature value with any digest."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), _HASHES[digest])
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(data, ec.ECDSA(_HASHES[digest]))


def edited(der: bytes, change: Callable[[Any], None]) -> bytes:
    """The signature with its SignedData changed in place by ``change``; the signed bytes stay as they were."""
    info = cms.ContentInfo.load(der)
    change(info["content"])
    return bytes(info.dump())


def only_signer(signed_data: Any) -> Any:
    """Its SignerInfo."""
    (signer,) = signed_data["signer_infos"]
    return signer


def with_certificates(der: bytes, *certificates: x509.Certificate) -> bytes:
    """These inside instead, in this order."""
    choices = [cms.CertificateChoices("certificate", _other(each)) for each in certificates]

    def change(signed_data: Any) -> None:
        signed_data["certificates"] = _in_order(choices)

    return edited(der, change)


def named(der: bytes, certificate: x509.Certificate) -> bytes:
    """Another certificate is named by the signer's identifier."""

    def change(signed_data: Any) -> None:
        only_signer(signed_data)["sid"] = _sid(certificate)

    return edited(der, change)


def stripped(der: bytes) -> bytes:
    """Without unsigned attributes: no time stamp."""

    def change(signed_data: Any) -> None:
        signer = only_signer(signed_data)
        kept = {name: signer[name] for name in signer if name != "unsigned_attrs"}
        signed_data["signer_infos"] = [cms.SignerInfo(kept)]

    return edited(der, change)


def with_stamp_of(der: bytes, other: bytes) -> bytes:
    """With the unsigned attributes of another signature."""
    theirs = only_signer(cms.ContentInfo.load(other)["content"])["unsigned_attrs"]

    def change(signed_data: Any) -> None:
        only_signer(signed_data)["unsigned_attrs"] = theirs.copy()

    return edited(der, change)


def stamped(der: bytes, stamp: Callable[[bytes], bytes]) -> bytes:
    """With a time stamp over the signature value by ``stamp``."""

    def change(signed_data: Any) -> None:
        signer = only_signer(signed_data)
        token = cms.ContentInfo.load(stamp(signer["signature"].native))
        attribute = cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})
        signer["unsigned_attrs"] = cms.CMSAttributes([attribute])

    return edited(der, change)


def with_flipped_signature(der: bytes) -> bytes:
    """One bit of the signature value is another."""

    def change(signed_data: Any) -> None:
        signer = only_signer(signed_data)
        value = bytearray(signer["signature"].native)
        value[-1] ^= 1
        signer["signature"] = bytes(value)

    return edited(der, change)


def _in_order(choices: Sequence[Any]) -> Any:
    found = cms.CertificateSet()
    for each in choices:
        found.append(each)
    return found


def _attributes(content: bytes, named_certificate: x509.Certificate, at: datetime, digest: str) -> Any:
    reference = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(der_of(named_certificate)).digest()})
    return cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "signing_time", "values": [cms.Time("utc_time", at)]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.new(digest, content).digest()]}),
            cms.CMSAttribute({"type": _BEGINS, "values": [tsp.SigningCertificateV2({"certs": [reference]})]}),
        ]
    )


def _signed_data(signer: dict[str, Any], digest: str, certificates: Sequence[x509.Certificate]) -> bytes:
    content = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": digest})],
            "encap_content_info": {"content_type": "data"},
            "certificates": [cms.CertificateChoices("certificate", _other(each)) for each in certificates],
            "signer_infos": [signer],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": content}).dump())


def _sid(certificate: x509.Certificate) -> Any:
    other = _other(certificate)
    return cms.SignerIdentifier(
        "issuer_and_serial_number",
        cms.IssuerAndSerialNumber({"issuer": other.issuer, "serial_number": other.serial_number}),
    )


def _other(certificate: x509.Certificate) -> Any:
    return other_x509.Certificate.load(der_of(certificate))


def _name(key: PrivateKey, digest: str) -> str:
    return f"{digest}_{'rsa' if isinstance(key, rsa.RSAPrivateKey) else 'ecdsa'}"
