"""Validation material at hand: certificates, revocation lists and OCSP answers, each read once and found by name.

What cannot be read is left out, so that it proves nothing. Signatures of lists and answers are verified when somebody
relies on them (``revocation``).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier, ocsp

from pki import asn1
from pki.algorithms import der_of
from pki.asn1.ocsp import BasicResponse, Extension
from pki.crl import MAX_CRL_BYTES
from pki.ocsp_verification import MAX_ANSWER_BYTES, read_answer
from signing.ades.services import Evidence

MAX_LINKS = 12
MAX_CANDIDATES = 60
_ARCHIVE_CUTOFF = ObjectIdentifier("1.3.6.1.5.5.7.48.1.6")
_EXPIRED_CERTS_ON_CRL = ObjectIdentifier("2.5.29.60")
_READ_CRITICAL = frozenset({x509.DeltaCRLIndicator.oid, x509.IssuingDistributionPoint.oid})

ExtensionKind = TypeVar("ExtensionKind", bound=x509.ExtensionType)


@dataclass(slots=True)
class FoundList:
    """A revocation list; ``base`` of a delta; ``point`` says which certificates it is about, None: all of its issuer.

    ``covered`` is what its signature is over, as it came: the library writes it anew whenever it is asked.
    ``expired_since``: since when certificates that are over stay on it (X.509 §9.5.2.8).
    """

    sha256: bytes
    parsed: x509.CertificateRevocationList
    covered: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    number: int | None
    base: int | None
    point: x509.IssuingDistributionPoint | None
    expired_since: datetime | None
    signed_by: dict[bytes, bool] = field(default_factory=dict)


@dataclass(slots=True)
class FoundAnswer:
    """An OCSP answer; ``cutoff``: since when it tells of certificates that are over (RFC 6960 §4.4.4).

    ``parameters`` are those of its signature algorithm.
    """

    sha256: bytes
    parsed: ocsp.OCSPResponse
    parameters: bytes | None
    cutoff: datetime | None
    signed_by: dict[bytes, bool] = field(default_factory=dict)


class Material:
    """``above`` is what a trust brings, shared by all judgements and never changed by one."""

    def __init__(self, above: Material | None = None) -> None:
        self._above = above
        self._seen: set[tuple[str, bytes]] = set()
        self._digests: dict[bytes, bytes] = {}
        self._subjects: OrderedDict[bytes, list[x509.Certificate]] = OrderedDict()
        self._lists: dict[bytes, list[FoundList]] = {}
        self._answers: dict[int, list[FoundAnswer]] = {}

    def add(self, evidence: Evidence) -> None:
        """Read it; what is there already costs a digest."""
        for der in evidence.certificates:
            if self._is_new("certificate", der):
                self._add_certificate(_certificate(der))
        for der in evidence.crls:
            if len(der) <= MAX_CRL_BYTES and (digest := self._is_new("list", der)):
                self._add_list(_read_list(der, digest))
        for der in evidence.ocsps:
            if len(der) <= MAX_ANSWER_BYTES and (digest := self._is_new("answer", der)):
                self._add_answer(_read_answer(der, digest))

    def add_certificates(self, certificates: Iterable[x509.Certificate]) -> None:
        for each in certificates:
            if self._is_new("certificate", der_of(each)):
                self._add_certificate(each)

    def named(self, subject: bytes) -> Iterator[x509.Certificate]:
        """Certificates whose subject has this DER, those that were added first first."""
        yield from self._subjects.get(subject, ())
        if self._above is not None:
            yield from self._above.named(subject)

    def lists(self, issuer: bytes) -> Iterator[FoundList]:
        """Revocation lists of an issuer of that name."""
        yield from self._lists.get(issuer, ())
        if self._above is not None:
            yield from self._above.lists(issuer)

    def answers(self, serial: int) -> Iterator[FoundAnswer]:
        """OCSP answers about a certificate of that number, whoever issued it."""
        yield from self._answers.get(serial, ())
        if self._above is not None:
            yield from self._above.answers(serial)

    def holds(self, der: bytes) -> bool:
        """Whether a list or answer was read from these bytes."""
        digest = hashlib.sha256(der).digest()
        kinds = (self._lists, self._answers)
        return any(each.sha256 == digest for kind in kinds for found in kind.values() for each in found)

    def above(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """Whoever by name may stand above it, so that building a path never meets the rest."""
        found: OrderedDict[bytes, x509.Certificate] = OrderedDict()
        names = {certificate.issuer.public_bytes()}
        for _ in range(MAX_LINKS):
            reached = [each for name in names for each in self.named(name)]
            new = {der_of(each): each for each in reached if der_of(each) not in found}
            found.update(new)
            names = {each.issuer.public_bytes() for each in new.values()}
            if not names or len(found) >= MAX_CANDIDATES:
                break
        return list(found.values())[:MAX_CANDIDATES]

    def digest(self, der: bytes) -> bytes:
        """Its SHA-256, computed once."""
        known = self._digests.get(der)
        if known is None:
            known = self._digests[der] = hashlib.sha256(der).digest()
        return known

    def _is_new(self, kind: str, der: bytes) -> bytes:
        # By kind: a list that is also passed off as a certificate is a list all the same.
        digest = self.digest(der)
        key = (kind, digest)
        if key in self._seen or (self._above is not None and key in self._above._seen):
            return b""
        self._seen.add(key)
        return digest

    def _add_certificate(self, certificate: x509.Certificate | None) -> None:
        if certificate is not None:
            self._subjects.setdefault(certificate.subject.public_bytes(), []).append(certificate)

    def _add_list(self, found: FoundList | None) -> None:
        if found is not None:
            self._lists.setdefault(found.issuer, []).append(found)

    def _add_answer(self, found: FoundAnswer | None) -> None:
        if found is not None:
            for serial in {each.serial_number for each in found.parsed.responses}:
                self._answers.setdefault(serial, []).append(found)


def _certificate(der: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.subject.public_bytes(), certificate.issuer.public_bytes()
    except Exception:  # InvalidVersion, for one, is no ValueError
        return None
    return certificate if certificate.public_bytes(Encoding.DER) == der else None


def _read_list(der: bytes, digest: bytes) -> FoundList | None:
    try:
        parsed = x509.load_der_x509_crl(der)
        extensions = parsed.extensions
        frame = asn1.decode(asn1.Signed, der)
        unknown = any(each.critical and each.oid not in _READ_CRITICAL for each in extensions)
        if unknown or frame.signature.padding_bits() != 0:
            return None
        number = _value(extensions, x509.CRLNumber)
        base = _value(extensions, x509.DeltaCRLIndicator)
        return FoundList(
            digest,
            parsed,
            asn1.encode(frame.signed),
            parsed.issuer.public_bytes(),
            parsed.last_update_utc,
            parsed.next_update_utc,
            None if number is None else number.crl_number,
            None if base is None else base.crl_number,
            _value(extensions, x509.IssuingDistributionPoint),
            _expired_since(extensions),
        )
    except Exception:  # of many kinds; an unreadable list tells nothing
        return None


def _expired_since(extensions: x509.Extensions) -> datetime | None:
    try:
        value = extensions.get_extension_for_oid(_EXPIRED_CERTS_ON_CRL).value
    except x509.ExtensionNotFound:
        return None
    if not isinstance(value, x509.UnrecognizedExtension):
        return None
    return asn1.decode(asn1.GeneralizedTime, value.value).as_datetime().replace(tzinfo=UTC)


def _read_answer(der: bytes, digest: bytes) -> FoundAnswer | None:
    try:
        parsed = ocsp.load_der_ocsp_response(der)
        if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        basic, data = read_answer(der)
        alone = data.responses[0].extensions if len(data.responses) == 1 else None
        return FoundAnswer(digest, parsed, _parameters(basic), _cutoff(alone))
    except Exception:  # as above
        return None


def _parameters(basic: BasicResponse) -> bytes | None:
    found = basic.algorithm.parameters
    return None if found is None else asn1.encode(found)


def _cutoff(extensions: Sequence[Extension] | None) -> datetime | None:
    for each in extensions or ():
        if each.id == _ARCHIVE_CUTOFF:
            return asn1.decode(asn1.GeneralizedTime, each.value).as_datetime().replace(tzinfo=UTC)
    return None


def _value(extensions: x509.Extensions, kind: type[ExtensionKind]) -> ExtensionKind | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
