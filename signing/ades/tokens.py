"""Time-stamp tokens of any authority, as far as a signature needs to know them: imprint, time, and who signed.

Asking for one (``stamped``) checks that the answer is over what was asked. Nothing here judges the authority.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from kernel.errors import DomainError
from pki import algorithms
from pki.asn1 import ades
from signing.ades import octets
from signing.ades.cms_edit import SignedDataParts, SignerParts, dotted, read_parts
from signing.ades.octets import children, element, inside, octets_of
from signing.ades.services import StampSource
from signing.errors import DocumentUnreadable, TimestampUnavailable

_DIGEST_NAMES = {oid.dotted_string: name for oid, name in algorithms.DIGEST_NAMES.items()}
_GENERALIZED_TIME = 0x18


@dataclass(frozen=True, slots=True)
class Token:
    """``digest_name`` is None for digests that are not accepted; ``certificate`` where it is inside."""

    parts: SignedDataParts
    digest_name: str | None
    imprint: bytes
    time: datetime
    certificate: x509.Certificate | None


def read_token(der: bytes, others: tuple[x509.Certificate, ...] = ()) -> Token:
    """Raises DocumentUnreadable; ``others`` are certificates among which its signer's may be."""
    parts = read_parts(der)
    if len(parts.signers) != 1 or dotted(parts.content_type) != ades.ID_TST_INFO.dotted_string:
        raise DocumentUnreadable("not a time-stamp token", kind="token")
    try:
        name, imprint, time = _info(parts.content or b"")
    except (ValueError, IndexError) as error:
        raise DocumentUnreadable("not a time-stamp token", kind="token") from error
    certificate = signer_certificate(parts.signers[0], [*readable(parts.evidence.certificates), *others])
    return Token(parts, name, imprint, time, certificate)


def stamped(source: StampSource, algorithm: str, data: bytes) -> bytes:
    """A token over the digest of ``data``; raises TimestampUnavailable, also where the answer is over something
    else.
    """
    return stamped_digest(source, algorithm, hashlib.new(algorithm, data).digest())


def stamped_digest(source: StampSource, algorithm: str, digest: bytes) -> bytes:
    """The same for a digest that is known."""
    der = source.stamp(algorithm, digest)
    try:
        token = read_token(der)
    except DomainError as error:
        raise TimestampUnavailable("the service gave no time-stamp token", service=source.name) from error
    if token.digest_name != algorithm or token.imprint != digest:
        raise TimestampUnavailable("the time stamp is over something else", service=source.name)
    return der


def readable(certificates: Iterable[bytes]) -> list[x509.Certificate]:
    """Those that can be read."""
    found = []
    for each in certificates:
        try:
            certificate = x509.load_der_x509_certificate(each)
            algorithms.issuer_of(certificate)
        except (ValueError, TypeError, Warning, x509.InvalidVersion):
            continue
        found.append(certificate)
    return found


def signer_certificate(signer: SignerParts, certificates: list[x509.Certificate]) -> x509.Certificate | None:
    """The one that the signer's identifier names, by issuer and serial number or by key (RFC 5652 §5.3)."""
    sid = element(signer.fields[1])
    for each in certificates:
        if sid.tag == octets.SEQUENCE and _is_named(each, sid):
            return each
        if sid.tag != octets.SEQUENCE and _key_identifier(each) == sid.content:
            return each
    return None


def _info(content: bytes) -> tuple[str | None, bytes, datetime]:
    # RFC 3161 §2.4.2: version, policy, imprint, serial number, time.
    _, _, imprint, _, time, *_ = children(content, octets.SEQUENCE)
    algorithm, digest = inside(imprint)
    name = _DIGEST_NAMES.get(dotted(inside(algorithm)[0].raw))
    if time.tag != _GENERALIZED_TIME:
        raise ValueError("not a time")
    text = time.content.decode("ascii").removesuffix("Z")
    whole, _, fraction = text.partition(".")
    instant = datetime.strptime(f"{whole}+0000", "%Y%m%d%H%M%S%z")
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return name, octets_of(digest), instant.replace(microsecond=micros)


def _is_named(certificate: x509.Certificate, sid: octets.Element) -> bool:
    issuer, serial = inside(sid)
    same_serial = int.from_bytes(serial.content, "big", signed=True) == certificate.serial_number
    return same_serial and algorithms.issuer_of(certificate) == issuer.raw


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        return None
