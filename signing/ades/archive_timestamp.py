"""The archive time stamp version 3 and its hash index (ETSI EN 319 122-1 §5.5.2 and §5.5.3).

What it covers, in this order: the type of the content, the digest of the content, the six fields of the SignerInfo
before its unsigned attributes, and the index, which names certificates, revocation values and unsigned attributes
by digest. The index stands among the unsigned attributes of the token itself. For making and for verifying alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from pki import asn1
from pki.algorithms import DIGEST_OIDS
from pki.asn1 import ades
from signing.ades import octets
from signing.ades.cms_edit import SignedDataParts, SignerParts, dotted, read_parts
from signing.ades.octets import children, element
from signing.errors import DocumentUnreadable
from signing.validation.contents import DigestOf, NotCovered

# Of old stamps the index may be made with what nobody uses any more; whether that still counts is judged elsewhere.
INDEX_DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.8": "sha3_256",
    "2.16.840.1.101.3.4.2.9": "sha3_384",
    "2.16.840.1.101.3.4.2.10": "sha3_512",
}
MAX_INDEXED = 10_000
_Named = TypeVar("_Named")


@dataclass(frozen=True, slots=True)
class ArchiveCoverage:
    """What an archive time stamp proves to have existed beside content and signature, as it came.

    ``certificates`` and ``revocations`` are elements of the SignedData; ``unsigned`` pairs the dotted type of an
    unsigned attribute with one of its values.
    """

    digest_name: str
    certificates: tuple[bytes, ...]
    revocations: tuple[bytes, ...]
    unsigned: tuple[tuple[str, bytes], ...]


def index_of_token(token: bytes) -> bytes:
    """The hash index inside an archive time stamp, as it came; raises NotCovered where it is not there once."""
    try:
        found = [
            value for each in read_parts(token).signers for value in each.values(ades.ID_ATS_HASH_INDEX_V3)
        ]
    except DocumentUnreadable as error:
        raise NotCovered("the archive time stamp can't be read") from error
    if len(found) != 1:
        raise NotCovered("the archive time stamp has no hash index, or several")
    return found[0]


def archive_imprint(
    data: SignedDataParts, signer: SignerParts, index: bytes, content: DigestOf | None
) -> DigestOf:
    """The digest that an archive time stamp with that index has to hold, by algorithm.

    ``content`` gives the digest of the content; None takes it from inside. What is returned raises NotCovered
    where the content is not at hand.
    """
    content_digest = content or _content_inside(data)

    def imprint(algorithm: str) -> bytes:
        digest = hashlib.new(algorithm, data.content_type)
        for each in (content_digest(algorithm), *signer.fields, index):
            digest.update(each)
        return digest.digest()

    return imprint


def archive_coverage(data: SignedDataParts, signer: SignerParts, index: bytes) -> ArchiveCoverage:
    """What the index names, found in the signature; raises NotCovered where it names what is not there."""
    name, certificates, revocations, unsigned = _read_index(index)
    attributes = _attribute_digests(signer, name)
    return ArchiveCoverage(
        digest_name=name,
        certificates=_found(certificates, _by_digest(data.certificates, name), "a certificate"),
        revocations=_found(revocations, _by_digest(data.revocations, name), "a revocation value"),
        unsigned=_found(unsigned, attributes, "an unsigned attribute"),
    )


def make_index(data: SignedDataParts, signer: SignerParts, algorithm: str) -> bytes:
    """The index over all that is there now."""
    named = asn1.encode(asn1.HashAlgorithm(algorithm=DIGEST_OIDS[algorithm], parameters=None))
    return asn1.wrap(
        octets.SEQUENCE,
        named,
        _write_digests(_by_digest(data.certificates, algorithm)),
        _write_digests(_by_digest(data.revocations, algorithm)),
        _write_digests(_attribute_digests(signer, algorithm)),
    )


def token_with_index(token: bytes, index: bytes) -> bytes:
    """The token with the index among its own unsigned attributes."""
    parts = read_parts(token)
    (signer,) = parts.signers
    return parts.with_signer(signer, signer.with_unsigned(ades.ID_ATS_HASH_INDEX_V3, index)).write()


def _content_inside(data: SignedDataParts) -> DigestOf:
    def digest(algorithm: str) -> bytes:
        if data.content is None:
            raise NotCovered("the content is not at hand")
        return hashlib.new(algorithm, data.content).digest()

    return digest


def _read_index(index: bytes) -> tuple[str, list[bytes], list[bytes], list[bytes]]:
    try:
        algorithm, *lists = children(index, octets.SEQUENCE)
        name = INDEX_DIGESTS[dotted(children(algorithm.raw, octets.SEQUENCE)[0].raw)]
        certificates, revocations, unsigned = ([*map(_digest, children(each.raw, 0x30))] for each in lists)
    except (DocumentUnreadable, ValueError, IndexError, KeyError) as error:
        raise NotCovered("the hash index of the archive time stamp can't be read") from error
    if max(len(certificates), len(revocations), len(unsigned)) > MAX_INDEXED:
        raise NotCovered("the hash index of the archive time stamp is too long")
    return name, certificates, revocations, unsigned


def _digest(found: octets.Element) -> bytes:
    return octets.octets_of(element(found.raw, octets.OCTETS))


def _by_digest(found: Iterable[bytes], name: str) -> dict[bytes, bytes]:
    return {hashlib.new(name, each).digest(): each for each in found}


def _attribute_digests(signer: SignerParts, name: str) -> dict[bytes, tuple[str, bytes]]:
    # §5.5.2: each value by itself, behind the type of its attribute.
    return {
        hashlib.new(name, each.type_octets + value).digest(): (each.type, value)
        for each in signer.unsigned
        for value in each.values
    }


def _write_digests(found: Iterable[bytes]) -> bytes:
    return asn1.wrap(octets.SEQUENCE, *(asn1.wrap(octets.OCTETS, each) for each in found))


def _found(digests: list[bytes], at_hand: dict[bytes, _Named], what: str) -> tuple[_Named, ...]:
    missing = [each for each in digests if each not in at_hand]
    if missing:
        raise NotCovered(f"{what} that the archive time stamp names is missing or was changed")
    return tuple(at_hand[each] for each in digests)
