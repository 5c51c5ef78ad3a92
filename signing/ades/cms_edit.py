"""A SignedData cut into the parts that stay and those that grow: certificates, revocation values, unsigned attributes.

Every element stays octet for octet as it came, signed or not; only the frames around them are written anew, with
definite lengths (RFC 5652 §5). A set that was sorted stays sorted (X.690 §11.6); one that was not grows at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cryptography import x509

from pki import asn1
from pki.algorithms import DIGEST_NAMES
from pki.asn1 import ades
from signing.ades import octets
from signing.ades.octets import Budget, Element, children, element, inside
from signing.ades.services import Evidence
from signing.errors import DocumentTooComplex, DocumentUnreadable

MAX_BYTES = 64 << 20
MAX_SIGNERS = 100
MAX_SIGNER_BYTES = 16 << 20
_CERTIFICATES, _REVOCATIONS = 0xA0, 0xA1
_SIGNED, _UNSIGNED = 0xA0, 0xA1
_EXPLICIT = 0xA0
_OTHER_REVOCATION = 0xA1
_WITH_OTHER_REVOCATION = 5
_KEY_IDENTIFIER = 0x80


@dataclass(frozen=True, slots=True)
class RawAttribute:
    """An attribute: dotted type, the octets of that type, and of each value; ``raw`` is all of it as it came."""

    type: str
    type_octets: bytes
    values: tuple[bytes, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class SignerParts:
    """One SignerInfo. ``fields`` are version, sid, digest algorithm, signed attributes, signature algorithm and
    signature as they came, in this order; ``signed`` and ``unsigned`` are its attributes.
    """

    fields: tuple[bytes, ...]
    digest_algorithm: str
    signature_algorithm: bytes
    signature: bytes
    signed: tuple[RawAttribute, ...]
    unsigned: tuple[RawAttribute, ...]

    @property
    def digest_name(self) -> str | None:
        """``sha256``, ``sha384`` or ``sha512``; None for other digests."""
        return DIGEST_NAMES.get(x509.ObjectIdentifier(self.digest_algorithm))

    def values(self, type_: x509.ObjectIdentifier) -> tuple[bytes, ...]:
        """The values of all unsigned attributes of that type."""
        return _values(self.unsigned, type_)

    def signed_value(self, type_: x509.ObjectIdentifier) -> bytes:
        """The one value of a signed attribute; raises DocumentUnreadable."""
        found = _values(self.signed, type_)
        if len(found) != 1:
            raise DocumentUnreadable(
                f"the signed attribute {type_.dotted_string} must be there once", kind="cms"
            )
        return found[0]

    @property
    def message_digest(self) -> bytes:
        """What the signed attribute says of the content."""
        return octets.octets_of(element(self.signed_value(ades.ID_MESSAGE_DIGEST)))

    def with_unsigned(self, type_: x509.ObjectIdentifier, value: bytes) -> SignerParts:
        """The same with one more unsigned attribute."""
        more = read_attribute(write_attribute(type_, value))
        by_octets = {each.raw: each for each in (*self.unsigned, more)}
        grown = _grown([each.raw for each in self.unsigned], [more.raw])
        return replace(self, unsigned=tuple(by_octets[each] for each in grown))

    def write(self) -> bytes:
        """The DER of the SignerInfo."""
        unsigned = [asn1.wrap(_UNSIGNED, *(each.raw for each in self.unsigned))] if self.unsigned else []
        return asn1.wrap(octets.SEQUENCE, *self.fields, *unsigned)


@dataclass(frozen=True, slots=True)
class SignedDataParts:
    """A SignedData; every element as it came. ``content`` is None where it is detached."""

    version: int
    digest_algorithms: tuple[bytes, ...]
    content_type: bytes
    encapsulated: bytes
    content: bytes | None
    certificates: tuple[bytes, ...]
    revocations: tuple[bytes, ...]
    signers: tuple[SignerParts, ...]

    @property
    def evidence(self) -> Evidence:
        """The certificates, lists and OCSP answers inside; of what has another form nothing is said."""
        answers = [_answer(each) for each in self.revocations if each[0] == _OTHER_REVOCATION]
        return Evidence(
            certificates=tuple(each for each in self.certificates if each[0] == octets.SEQUENCE),
            crls=tuple(each for each in self.revocations if each[0] == octets.SEQUENCE),
            ocsps=tuple(each for each in answers if each is not None),
        )

    def with_evidence(self, evidence: Evidence) -> SignedDataParts:
        """The same with what is not yet inside (RFC 5652 §5.1, RFC 5940 §2)."""
        more = evidence - self.evidence
        answers = [asn1.encode(ades.other_revocation(each)) for each in more.ocsps]
        revocations = _grown(self.revocations, [*more.crls, *answers])
        other = any(each[0] == _OTHER_REVOCATION for each in revocations)
        return replace(
            self,
            version=max(self.version, _WITH_OTHER_REVOCATION) if other else self.version,
            certificates=_grown(self.certificates, more.certificates),
            revocations=revocations,
        )

    def with_signer(self, old: SignerParts, new: SignerParts) -> SignedDataParts:
        """The same with one signer's parts in place of the old."""
        was_sorted = _is_sorted([each.write() for each in self.signers])
        signers = [new if each is old else each for each in self.signers]
        return replace(self, signers=tuple(_in_order(signers) if was_sorted else signers))

    def joined(self, other: SignedDataParts) -> SignedDataParts:
        """The same with the signers of another SignedData over the same content, their certificates and digests."""
        was_sorted = _is_sorted([each.write() for each in self.signers])
        signers = [*self.signers, *other.signers]
        return replace(
            self,
            version=max(self.version, other.version),
            digest_algorithms=_grown(self.digest_algorithms, other.digest_algorithms),
            certificates=_grown(self.certificates, other.certificates),
            revocations=_grown(self.revocations, other.revocations),
            signers=tuple(_in_order(signers) if was_sorted else signers),
        )

    def write(self) -> bytes:
        """The ContentInfo."""
        certificates = [asn1.wrap(_CERTIFICATES, *self.certificates)] if self.certificates else []
        revocations = [asn1.wrap(_REVOCATIONS, *self.revocations)] if self.revocations else []
        signed = asn1.wrap(
            octets.SEQUENCE,
            asn1.encode(self.version),
            asn1.wrap(octets.SET, *self.digest_algorithms),
            self.encapsulated,
            *certificates,
            *revocations,
            asn1.wrap(octets.SET, *(each.write() for each in self.signers)),
        )
        return asn1.wrap(octets.SEQUENCE, asn1.encode(ades.ID_SIGNED_DATA), asn1.wrap(_EXPLICIT, signed))


def read_parts(der: bytes) -> SignedDataParts:
    """Cut a ContentInfo with SignedData, BER or DER; raises DocumentUnreadable and DocumentTooComplex."""
    if len(der) > MAX_BYTES:
        raise DocumentTooComplex("the signature is too long", limit="bytes")
    try:
        return _read(der, Budget())
    except (IndexError, ValueError) as error:
        raise octets.unreadable() from error


def write_attribute(type_: x509.ObjectIdentifier, value: bytes) -> bytes:
    """The DER of an attribute with one value."""
    return asn1.wrap(octets.SEQUENCE, asn1.encode(type_), asn1.wrap(octets.SET, value))


def read_attribute(raw: bytes, budget: Budget | None = None) -> RawAttribute:
    """Raises DocumentUnreadable."""
    budget = budget or Budget()
    try:
        type_, values = children(raw, octets.SEQUENCE, budget)
        if values.tag != octets.SET:
            raise octets.unreadable()
        found = tuple(each.raw for each in inside(values, budget))
        return RawAttribute(dotted(type_.raw), type_.raw, found, raw)
    except ValueError as error:
        raise octets.unreadable() from error


def dotted(identifier: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER; raises ValueError."""
    return asn1.decode(x509.ObjectIdentifier, identifier).dotted_string


def _read(der: bytes, budget: Budget) -> SignedDataParts:
    type_, wrapped = children(der, octets.SEQUENCE, budget)
    if dotted(type_.raw) != ades.ID_SIGNED_DATA.dotted_string or wrapped.tag != _EXPLICIT:
        raise DocumentUnreadable("not a SignedData", kind="cms")
    version, digests, encapsulated, *rest = _fields(wrapped, budget)
    certificates = _optional(rest, _CERTIFICATES, budget)
    revocations = _optional(rest, _REVOCATIONS, budget)
    (signers,) = rest
    found = inside(signers, budget)
    if signers.tag != octets.SET:
        raise DocumentUnreadable("no set of signers", kind="cms")
    if len(found) > MAX_SIGNERS:
        raise DocumentTooComplex("too many signers", limit="signers")
    if any(each.after - each.start > MAX_SIGNER_BYTES for each in found):
        raise DocumentTooComplex("what belongs to one signer is too long", limit="signer-bytes")
    content_type, *content = inside(encapsulated, budget)
    return SignedDataParts(
        version=int.from_bytes(version.content, "big"),
        digest_algorithms=tuple(each.raw for each in inside(digests, budget)),
        content_type=content_type.raw,
        encapsulated=encapsulated.raw,
        content=_content(content[0], budget) if content else None,
        certificates=certificates,
        revocations=revocations,
        signers=tuple(_read_signer(each, budget) for each in found),
    )


def _fields(wrapped: Element, budget: Budget) -> tuple[Element, ...]:
    (signed,) = inside(wrapped, budget)
    if signed.tag != octets.SEQUENCE:
        raise octets.unreadable()
    return inside(signed, budget)


def _content(wrapped: Element, budget: Budget) -> bytes:
    (found,) = inside(wrapped, budget)
    return octets.octets_of(found, budget)


def _read_signer(info: Element, budget: Budget) -> SignerParts:
    found = list(inside(info, budget))
    unsigned = _attributes(found.pop(), budget) if found[-1].tag == _UNSIGNED else ()
    if info.tag != octets.SEQUENCE or len(found) != 6 or found[3].tag != _SIGNED:
        raise DocumentUnreadable("a signer without signed attributes", kind="cms")
    if found[1].tag != _KEY_IDENTIFIER and len(inside(found[1], budget)) != 2:
        raise DocumentUnreadable("a signer without a name", kind="cms")
    return SignerParts(
        fields=tuple(each.raw for each in found),
        digest_algorithm=dotted(inside(found[2], budget)[0].raw),
        signature_algorithm=found[4].raw,
        signature=octets.octets_of(found[5], budget),
        signed=_attributes(found[3], budget),
        unsigned=unsigned,
    )


def _attributes(found: Element, budget: Budget) -> tuple[RawAttribute, ...]:
    return tuple(read_attribute(each.raw, budget) for each in inside(found, budget))


def _optional(rest: list[Element], tag: int, budget: Budget) -> tuple[bytes, ...]:
    if rest[0].tag != tag:
        return ()
    return tuple(each.raw for each in inside(rest.pop(0), budget))


def _values(attributes: Iterable[RawAttribute], type_: x509.ObjectIdentifier) -> tuple[bytes, ...]:
    name = type_.dotted_string
    return tuple(value for each in attributes if each.type == name for value in each.values)


def _answer(raw: bytes) -> bytes | None:
    try:
        format_, value = inside(element(raw))
        return value.raw if dotted(format_.raw) == ades.ID_OCSP_RESPONSE.dotted_string else None
    except (ValueError, DocumentUnreadable):
        return None


def _grown(there: Iterable[bytes], more: Iterable[bytes]) -> tuple[bytes, ...]:
    before = list(there)
    known = set(before)
    added = [each for each in dict.fromkeys(more) if each not in known]
    return tuple(sorted([*before, *added]) if _is_sorted(before) else [*before, *added])


def _is_sorted(found: list[bytes]) -> bool:
    return found == sorted(found)


def _in_order(signers: list[SignerParts]) -> list[SignerParts]:
    return sorted(signers, key=SignerParts.write)
