"""A revocation list as read by a verifier (RFC 5280 §5): direct, DER, with a number and an end.

A delta list adds to a full one and never stands for it. Indirect and partitioned lists carry critical extensions;
any critical extension but the mark of a delta makes a list unusable here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from kernel.errors import LimitExceeded
from pki import asn1
from pki.algorithms import AlgorithmRefused, fingerprint_of, public_key_of
from pki.errors import RevocationUnknown

MAX_CRL_BYTES = 64 << 20
REMOVED = "removeFromCRL"
"""The reason in a delta that lifts what the full list says (RFC 5280 §5.3.1)."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """When and why a certificate was revoked; ``unspecified`` if the list does not say."""

    revoked_at: datetime
    reason: str


@dataclass
class RevocationList:
    """``key`` tells the issuing key apart: the issuer's name and key identifier. ``base``: of a delta, else None."""

    der: bytes
    key: bytes
    number: int
    this_update: datetime
    next_update: datetime
    parsed: x509.CertificateRevocationList
    base: int | None = None
    _entries: dict[int, Revocation] | None = None
    _signed_by: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def parse(cls, der: bytes) -> RevocationList:
        """Raises RevocationUnknown on anything but a full or delta list with number, key identifier and end."""
        if len(der) > MAX_CRL_BYTES:
            raise LimitExceeded("the revocation list is too long", limit_bytes=MAX_CRL_BYTES)
        try:
            if not asn1.fills_its_octets(der):
                raise asn1.NotDer("the signature does not fill its octets")
            parsed = x509.load_der_x509_crl(der)
            number = parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            identifier = parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
            base = _base_of(parsed)
            critical = any(
                extension.critical
                for extension in parsed.extensions
                if not isinstance(extension.value, x509.DeltaCRLIndicator)
            )
            key = parsed.issuer.public_bytes() + (identifier.key_identifier or b"")
            this_update, next_update = parsed.last_update_utc, parsed.next_update_utc
        except Exception as error:  # InvalidVersion and ExtensionNotFound, for two, are no ValueErrors.
            raise RevocationUnknown("the revocation list can't be read") from error
        if critical or next_update is None:
            raise RevocationUnknown("only full and delta revocation lists with a next update are used")
        return cls(der, key, number, this_update, next_update, parsed, base)

    @staticmethod
    @lru_cache(maxsize=4096)
    def key_for(issuer: x509.Certificate) -> bytes:
        """The ``key`` of lists that this certificate's key signs; empty if it has no key identifier."""
        try:
            identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
            return b""
        return issuer.subject.public_bytes() + identifier.digest

    def newer_of(self, other: RevocationList | None) -> RevocationList:
        """Of two lists of one issuer the one with the later number, then the later update."""
        if other is None or (self.number, self.this_update) > (other.number, other.this_update):
            return self
        return other

    def adds_to(self, full: RevocationList) -> bool:
        """Whether this delta may be read on top of that list (RFC 5280 §5.2.4)."""
        return self.base is not None and self.base <= full.number < self.number

    def is_signed_by(self, issuer: x509.Certificate) -> bool:
        """Whether the key of ``issuer``, which must be allowed to sign lists, signed this one."""
        fingerprint = fingerprint_of(issuer)
        if fingerprint not in self._signed_by:
            self._signed_by[fingerprint] = self._check_signature(issuer)
        return self._signed_by[fingerprint]

    def find(self, serial: int) -> Revocation | None:
        """The revocation of that serial number, if it is listed."""
        if self._entries is None:
            self._entries = {entry.serial_number: _revocation(entry) for entry in self.parsed}
        return self._entries.get(serial)

    def _check_signature(self, issuer: x509.Certificate) -> bool:
        try:
            usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
            return usage.crl_sign and self.parsed.is_signature_valid(public_key_of(issuer))
        except (ValueError, TypeError, AlgorithmRefused, UnsupportedAlgorithm, x509.ExtensionNotFound):
            return False


def _base_of(parsed: x509.CertificateRevocationList) -> int | None:
    try:
        return parsed.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _revocation(entry: x509.RevokedCertificate) -> Revocation:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        reason = "unspecified"
    return Revocation(entry.revocation_date_utc, reason)
