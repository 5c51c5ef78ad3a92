"""Signatures with something the matter, each as a case: file, content, trust, time; what must be concluded of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kernel.clock import FixedClock
from pki import asn1
from pki.algorithms import der_of
from pki.asn1 import ades
from pki.revocation_lists import build_crl
from pki.signed_data import Signer, signer_identifier
from pki.timestamp import TimeStampAuthority, make_request, token_of_response
from signing.ades.cades import refresh, sign_file
from signing.ades.services import Level
from signing.ades.signed_data import stamp_attribute
from tests.support.authority import POLICY, MemoryAuthority, after, make_authority, make_key
from tests.support.signing import services_of

CONTENT = b"the tender of the city"
PARTY = "IR-0012345678"
YEAR = timedelta(days=365)
HOUR = timedelta(hours=1)
_DIGESTS = {
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}


@dataclass(frozen=True)
class Case:
    """``crls`` and ``ocsps`` are what the trust holds beside the roots; ``made_at`` is when, ``at`` if None."""

    der: bytes
    at: datetime
    roots: Sequence[x509.Certificate]
    crls: Sequence[bytes] = ()
    ocsps: Sequence[bytes] = ()
    content: bytes | None = CONTENT
    intermediates: Sequence[x509.Certificate] = ()
    made_at: datetime | None = None


def signed(
    authority: MemoryAuthority,
    level: Level,
    signer: Signer | None = None,
    *,
    content: bytes = CONTENT,
    at: datetime | None = None,
) -> bytes:
    """A detached CAdES signature made now."""
    who = signer or authority.person(PARTY)
    return sign_file(BytesIO(content), who, level, services_of(authority), at=at or authority.now)


def case(authority: MemoryAuthority, der: bytes, *, lists: bool = True) -> Case:
    """Judged now, the root trusted, with fresh lists or none."""
    crls = authority.crls() if lists else []
    return Case(der, authority.now, [authority.root], crls)


def renewed(authority: MemoryAuthority, der: bytes) -> bytes:
    """The signature with one more archive time stamp, made now."""
    return refresh(der, services_of(authority), at=authority.now)


def opened(start: datetime | None = None) -> MemoryAuthority:
    """An authority an hour old."""
    authority = make_authority() if start is None else make_authority(start)
    after(authority, HOUR)
    return authority


def plain_signature(
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    sign: Callable[[bytes], bytes],
    *,
    algorithm: bytes,
    digest: str = "sha256",
    at: datetime | None,
    token: Callable[[bytes], bytes] | None = None,
    reference: bytes | None = b"",
    content_token: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """A CAdES signature by any algorithm; ``algorithm`` is its identifier as DER.

    ``reference`` is the digest that names the certificate: its own if empty, none if None.
    """
    attributes = [
        _attribute(ades.ID_CONTENT_TYPE, ades.ID_DATA),
        _attribute(ades.ID_MESSAGE_DIGEST, hashlib.new(digest, CONTENT).digest()),
    ]
    if reference is not None:
        named = asn1.EssCertIdV2(
            hash_algorithm=None,
            certificate_hash=reference or hashlib.sha256(der_of(certificate)).digest(),
            issuer_serial=None,
        )
        value = asn1.SigningCertificateV2(certificates=[named], policies=None)
        attributes.append(_attribute(ades.ID_SIGNING_CERTIFICATE_V2, value))
    if at is not None:
        attributes.append(_attribute(ades.ID_SIGNING_TIME, asn1.UTCTime(at)))
    if content_token is not None:
        stamp = asn1.SetOf([asn1.tlv(content_token(CONTENT))])
        attributes.append(asn1.Attribute(type=ades.ID_CONTENT_TIME_STAMP, values=stamp))
    attributes_set = asn1.SetOf(attributes)
    signature = sign(asn1.encode(attributes_set))
    digest_algorithm = asn1.tlv(
        asn1.encode(asn1.HashAlgorithm(algorithm=x509.ObjectIdentifier(_DIGESTS[digest]), parameters=None))
    )
    info = ades.SignerInfo(
        version=1,
        sid=ades.Variant(signer_identifier(certificate), "issuer"),
        digest_algorithm=digest_algorithm,
        signed_attributes=attributes_set,
        signature_algorithm=asn1.tlv(algorithm),
        signature=signature,
        unsigned_attributes=None if token is None else asn1.SetOf([stamp_attribute(token(signature))]),
    )
    data = ades.SignedData(
        version=1,
        digest_algorithms=asn1.SetOf([digest_algorithm]),
        encapsulated=ades.EncapsulatedContent(content_type=ades.ID_DATA, content=None),
        certificates=asn1.SetOf([asn1.tlv(der_of(each)) for each in (certificate, *chain)]),
        revocations=None,
        signers=asn1.SetOf([info]),
    )
    return asn1.encode(ades.ContentInfo(content_type=ades.ID_SIGNED_DATA, content=data))


def algorithm_der(identifier: str, *, null: bool = False) -> bytes:
    """An AlgorithmIdentifier with NULL or without parameters."""
    parameters = asn1.Null() if null else None
    return asn1.encode(
        asn1.SignatureAlgorithm(algorithm=x509.ObjectIdentifier(identifier), parameters=parameters)
    )


ECDSA_SHA256 = algorithm_der("1.2.840.10045.4.3.2")
RSA_SHA1 = algorithm_der("1.2.840.113549.1.1.5", null=True)
RSA_SHA256 = algorithm_der("1.2.840.113549.1.1.11", null=True)


def ec_signature(authority: MemoryAuthority, signer: Signer, **options: object) -> bytes:
    """``plain_signature`` by a P-256 key."""
    key = signer.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    given: dict[str, object] = {"at": authority.now, "algorithm": ECDSA_SHA256} | options
    return plain_signature(
        signer.certificate,
        signer.chain,
        lambda data: key.sign(data, ec.ECDSA(hashes.SHA256())),
        **given,  # type: ignore[arg-type]
    )


def rsa_signature(
    authority: MemoryAuthority, bits: int, digest: str, *, token: Callable[[bytes], bytes] | None = None
) -> bytes:
    """``plain_signature`` by a fresh RSA key that no profile would certify."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    certificate = certified(authority, key.public_key(), "Old Key")
    return plain_signature(
        certificate,
        (authority.intermediate,),
        lambda data: key.sign(data, padding.PKCS1v15(), _HASHES[digest]),
        algorithm=RSA_SHA1 if digest == "sha1" else RSA_SHA256,
        digest=digest,
        at=authority.now,
        token=token,
    )


def certified(
    authority: MemoryAuthority,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    name: str,
    *,
    purposes: Sequence[x509.ObjectIdentifier] = (),
    critical: bool = True,
    digital_signature: bool = True,
    life: timedelta = 2 * YEAR,
    nocheck: bool = False,
    digest: hashes.SHA256 | hashes.SHA512 | None = None,
    more: x509.ExtensionType | None = None,
) -> x509.Certificate:
    """A certificate of the intermediate, past every profile."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, name),
                    x509.NameAttribute(NameOID.SERIAL_NUMBER, PARTY),
                ]
            )
        )
        .issuer_name(authority.intermediate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.now - HOUR)
        .not_valid_after(authority.now + life)
        .add_extension(_usage(digital_signature), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.intermediate_key.public_key()), False
        )
    )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical)
    if more is not None:
        builder = builder.add_extension(more, False)
    if nocheck:
        builder = builder.add_extension(x509.OCSPNoCheck(), False)
    return builder.sign(authority.intermediate_key, digest or hashes.SHA256())


def other_tsa(
    authority: MemoryAuthority, purposes: Sequence[x509.ObjectIdentifier], *, critical: bool = True
) -> TimeStampAuthority:
    """Whoever stamps with a certificate of these purposes."""
    key = make_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = certified(
        authority, key.public_key(), "Other Stamps", purposes=purposes, critical=critical, life=5 * YEAR
    )
    signer = Signer(key, certificate, (authority.intermediate,))
    return TimeStampAuthority(signer, POLICY, lambda: 7, authority.clock)


def stamped_by(authority: MemoryAuthority, tsa: TimeStampAuthority, signer: Signer | None = None) -> bytes:
    """A B-T signature whose stamp is of that authority."""
    authority.tsa = tsa
    return signed(authority, Level.B_T, signer)


def old_list(authority: MemoryAuthority) -> list[bytes]:
    """Lists that are there, made now; call it before the clock moves on."""
    return authority.crls()


def shard_of(authority: MemoryAuthority, url: str) -> bytes:
    """A list that is about the certificates of one distribution point."""
    return build_crl(authority.intermediate_key, authority.intermediate, [], 1, authority.now, shard_url=url)


TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
IN_2010 = datetime(2010, 3, 1, 8, 0, tzinfo=UTC)


def _usage(digital_signature: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=digital_signature,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not digital_signature,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _attribute(type_: x509.ObjectIdentifier, value: object) -> asn1.Attribute:
    return asn1.Attribute(type=type_, values=asn1.SetOf([asn1.tlv(asn1.encode(value))]))


def answer_about(
    authority: MemoryAuthority,
    certificate: x509.Certificate,
    *,
    responder: Signer | None = None,
    revoked_at: datetime | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    issuer: x509.Certificate | None = None,
    life: timedelta = timedelta(days=1),
) -> bytes:
    """An OCSP answer made now: by the issuer itself, or by that responder."""
    key = authority.intermediate_key if responder is None else responder.key
    who = authority.intermediate if responder is None else responder.certificate
    revoked = revoked_at is not None
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate,
        issuer=issuer or authority.intermediate,
        algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else status,
        this_update=authority.now,
        next_update=authority.now + life,
        revocation_time=revoked_at,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, who)
    if responder is not None:
        builder = builder.certificates([who])
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def stamps_at(authority: MemoryAuthority, time: datetime) -> Callable[[bytes], bytes]:
    """The authority's stamps, by a clock that stands at another time."""
    tsa = TimeStampAuthority(authority.tsa_signer, POLICY, lambda: 9, FixedClock(time))

    def stamp(value: bytes) -> bytes:
        return token_of_response(tsa.respond(make_request(value)))

    return stamp


def delegate(
    authority: MemoryAuthority,
    *,
    purposes: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.OCSP_SIGNING,),
    nocheck: bool = True,
) -> Signer:
    """Whom the intermediate lets answer for it."""
    key = make_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = certified(authority, key.public_key(), "Answers", purposes=purposes, nocheck=nocheck)
    return Signer(key, certificate)
