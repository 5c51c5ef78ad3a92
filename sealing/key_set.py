"""The key set: whose keys an envelope is sealed to, and how many must come together (``mohr/key-set/v1``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kernel.canonical import canonical_bytes, from_base64, sha256_hex, to_base64
from kernel.clock import format_utc, parse_utc
from kernel.errors import DomainError
from pki.algorithms import fingerprint_of
from pki.trust import TrustStore
from sealing.cms import key_identifier, point_of
from sealing.context import KINDS, is_digest
from sealing.errors import KeySetInvalid
from signing.cms import verify_detached
from signing.documents import parse_document

TYPE = "mohr/key-set/v1"
MAX_MEMBERS = 32
MIN_THRESHOLD = 2
_FIELDS = ("tender", "threshold", "members", "custodian", "created_at", "previous")
_MEMBER_FIELDS = {"index", "party", "signing_certificate", "encryption_certificate"}
_CUSTODIAN_FIELDS = {"party", "signing_certificate", "keys"}
_MAX_CERTIFICATE_BYTES = 8 << 10
_MAX_IDENTIFIER_BYTES = 64


@dataclass(frozen=True, slots=True)
class KeySetMember:
    """A member's place: ``signing_certificate`` is the SHA-256 of its DER in hex."""

    index: int
    party: str
    signing_certificate: str
    encryption_certificate: x509.Certificate

    @classmethod
    def of(cls, index: int, party: str, *, signing_certificate: str, encryption_certificate: bytes) -> Self:
        """From the certificate's DER; raises KeySetInvalid if it can't be read."""
        try:
            certificate = x509.load_der_x509_certificate(encryption_certificate)
        except (ValueError, x509.InvalidVersion) as error:
            raise KeySetInvalid("an encryption certificate can't be read", party=party) from error
        return cls(index, party, signing_certificate, certificate)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        try:
            key = self.encryption_certificate.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeySetInvalid("the key of a certificate can't be read", party=self.party) from error
        return _p256(key, self.party)

    @property
    def key_identifier(self) -> bytes:
        """The certificate's subject key identifier, by which stock tools match it to a share."""
        try:
            extensions = self.encryption_certificate.extensions
            identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        except (
            ValueError,
            x509.ExtensionNotFound,
            x509.DuplicateExtension,
            x509.UnsupportedGeneralNameType,
        ) as error:
            raise KeySetInvalid(
                "an encryption certificate has no subject key identifier", party=self.party
            ) from error
        if not 0 < len(identifier) <= _MAX_IDENTIFIER_BYTES:
            raise KeySetInvalid("a subject key identifier is too long or empty", party=self.party)
        return identifier


@dataclass(frozen=True, slots=True)
class CustodianKeys:
    """The custodian's place: ``keys`` holds a DER SubjectPublicKeyInfo for each kind."""

    party: str
    signing_certificate: str
    keys: Mapping[str, bytes] = field(repr=False)

    def public_key(self, kind: str) -> ec.EllipticCurvePublicKey:
        try:
            key = load_der_public_key(self.keys[kind])
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeySetInvalid("a key of the custodian can't be read", kind=kind) from error
        return _p256(key, self.party)

    def key_identifier(self, kind: str) -> bytes:
        """A key without a certificate is named by the hash of its point."""
        return key_identifier(self.public_key(kind))


@dataclass(frozen=True, slots=True)
class KeySet:
    """A parsed key set; ``document`` are its canonical bytes and ``digest`` their SHA-256 in hex."""

    tender: str
    threshold: int
    members: tuple[KeySetMember, ...]
    custodian: CustodianKeys
    created_at: datetime
    previous: str | None
    document: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        return sha256_hex(self.document)

    @classmethod
    def build(
        cls,
        *,
        tender: str,
        threshold: int,
        members: Sequence[KeySetMember],
        custodian: CustodianKeys,
        created_at: datetime,
        previous: str | None = None,
    ) -> KeySet:
        """Write the document and read it back under the same rules; raises KeySetInvalid."""
        document = {
            "type": TYPE,
            "tender": tender,
            "threshold": threshold,
            "members": [_member_json(member) for member in members],
            "custodian": {
                "party": custodian.party,
                "signing_certificate": custodian.signing_certificate,
                "keys": {kind: to_base64(spki) for kind, spki in custodian.keys.items()},
            },
            "created_at": format_utc(created_at),
            "previous": previous,
        }
        return cls.parse(canonical_bytes(document))

    @classmethod
    def parse(cls, document: bytes) -> KeySet:
        """Read ``mohr/key-set/v1`` and check its rules: k >= 2, n > k, indexes 1 to n, nobody and no key twice.

        Raises KeySetInvalid, MalformedInput or LimitExceeded. No signature is looked at.
        """
        value = parse_document(document, type_=TYPE, fields=_FIELDS)
        try:
            key_set = cls(
                tender=_text(value["tender"]),
                threshold=value["threshold"],
                members=tuple(_member(entry) for entry in _entries(value["members"])),
                custodian=_custodian(value["custodian"]),
                created_at=_instant(value["created_at"]),
                previous=value["previous"],
                document=document,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise KeySetInvalid("the key set lacks a field or holds a wrong one") from error
        _check(key_set)
        return key_set


def verify_countersignatures(
    document: bytes,
    signatures: Mapping[str, bytes],
    trust: TrustStore,
    now: datetime,
    *,
    previous: KeySet | None = None,
) -> KeySet:
    """The key set, if every member in it and the custodian signed it with the certificates it names.

    One that replaces another also needs k signatures of the previous members. Each encryption certificate
    must be valid and its member's own. Raises KeySetInvalid naming who is missing, or what is wrong.
    """
    key_set = KeySet.parse(document)
    holders = {member.party: member.signing_certificate for member in key_set.members}
    holders[key_set.custodian.party] = key_set.custodian.signing_certificate
    missing = sorted(set(holders) - set(signatures))
    if missing:
        raise KeySetInvalid("countersignatures are missing", missing=missing)
    signed = {party: _signer_of(document, signatures[party], trust, now, party) for party in holders}
    wrong = sorted(party for party, named in holders.items() if signed[party] != named)
    if wrong:
        raise KeySetInvalid("signed with another certificate than the key set names", parties=wrong)
    for member in key_set.members:
        certificate = member.encryption_certificate
        if trust.validate(certificate, (), now, "key-agreement").party != member.party:
            raise KeySetInvalid("an encryption certificate is another party's", party=member.party)
    _check_previous(key_set, previous, document, signatures, trust, now)
    return key_set


def _check_previous(
    key_set: KeySet,
    previous: KeySet | None,
    document: bytes,
    signatures: Mapping[str, bytes],
    trust: TrustStore,
    now: datetime,
) -> None:
    if key_set.previous != (previous.digest if previous else None):
        raise KeySetInvalid("the key set names another predecessor", previous=key_set.previous)
    if previous is None:
        return
    if key_set.tender != previous.tender:
        raise KeySetInvalid("the predecessor is another tender's")
    old = {member.party for member in previous.members} & set(signatures)
    agreed = 0
    for party in sorted(old):
        try:
            _signer_of(document, signatures[party], trust, now, party)
            agreed += 1
        except DomainError:
            continue
    if agreed < previous.threshold:
        raise KeySetInvalid("too few of the previous members agree", agreed=agreed, needed=previous.threshold)


def _signer_of(document: bytes, signature: bytes, trust: TrustStore, now: datetime, party: str) -> str:
    report = verify_detached(document, signature, trust, now=now, party=party)
    assert report.certificate is not None
    return fingerprint_of(report.certificate)


def _check(key_set: KeySet) -> None:
    count, threshold = len(key_set.members), key_set.threshold
    if type(threshold) is not int or threshold < MIN_THRESHOLD or count <= threshold:
        raise KeySetInvalid("k is at least 2 and n at least k + 1", threshold=threshold, members=count)
    if [member.index for member in key_set.members] != list(range(1, count + 1)):
        raise KeySetInvalid("members are numbered from 1 without a gap")
    parties = [member.party for member in key_set.members]
    if len({*parties, key_set.custodian.party}) != count + 1:
        raise KeySetInvalid("a person holds more than one place")
    if len({member.key_identifier for member in key_set.members}) != count:
        raise KeySetInvalid("two certificates have one subject key identifier")
    points = [point_of(member.public_key) for member in key_set.members]
    points += [point_of(key_set.custodian.public_key(kind)) for kind in KINDS]
    if len(set(points)) != len(points):
        raise KeySetInvalid("a key is used in more than one place")
    if key_set.previous is not None and not is_digest(key_set.previous):
        raise KeySetInvalid("the predecessor is named by its digest")


def _entries(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_MEMBERS:
        raise KeySetInvalid("a key set lists its members", most=MAX_MEMBERS)
    return value


def _member(entry: Any) -> KeySetMember:
    if set(entry) != _MEMBER_FIELDS or type(entry["index"]) is not int:
        raise KeySetInvalid("a member has exactly its four fields")
    der = from_base64(entry["encryption_certificate"], max_bytes=_MAX_CERTIFICATE_BYTES)
    return KeySetMember.of(
        entry["index"],
        _text(entry["party"]),
        signing_certificate=_digest(entry["signing_certificate"]),
        encryption_certificate=der,
    )


def _custodian(entry: Any) -> CustodianKeys:
    if set(entry) != _CUSTODIAN_FIELDS or set(entry["keys"]) != set(KINDS):
        raise KeySetInvalid("the custodian has a key for each of A, B and C")
    keys = {kind: from_base64(spki, max_bytes=1024) for kind, spki in entry["keys"].items()}
    custodian = CustodianKeys(_text(entry["party"]), _digest(entry["signing_certificate"]), keys)
    for kind, spki in keys.items():
        key = custodian.public_key(kind)
        if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
            raise KeySetInvalid("a key of the custodian is not in its one form", kind=kind)
    return custodian


def _member_json(member: KeySetMember) -> dict[str, Any]:
    return {
        "index": member.index,
        "party": member.party,
        "signing_certificate": member.signing_certificate,
        "encryption_certificate": to_base64(member.encryption_certificate.public_bytes(Encoding.DER)),
    }


def _p256(key: object, party: str) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeySetInvalid("encryption keys are on P-256", party=party)
    return key


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 100:
        raise KeySetInvalid("a text of 1 to 100 characters was expected")
    return value


def _instant(value: Any) -> datetime:
    instant = parse_utc(_text(value))
    if format_utc(instant) != value:
        raise KeySetInvalid("an instant is written in UTC with microseconds")
    return instant


def _digest(value: Any) -> str:
    if not is_digest(value):
        raise KeySetInvalid("a digest is 64 lower-case hexadecimal digits")
    return str(value)
