"""A revocation list as read by a verifier (RFC 5280 §5): full or delta, direct, DER, with a number and an end.

Of critical extensions only the one that makes a list a delta is known; indirect and partitioned lists carry others,
and any other makes a list unusable here.
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


@dataclass(frozen=True, slots=True)
class Revocation:
    """When and why a certificate was revoked; ``unspecified`` if the list does not say.

    ``certificateHold`` while it is suspended; ``removeFromCRL``, in a delta only, says that it no longer is.
    """

    revoked_at: datetime
    reason: str


@dataclass
class RevocationList:
    """``key`` tells the issuing key apart: the issuer's name and key identifier.

    ``base``: of a delta, the number of the full list that it completes.
    """

    der: bytes
    key: bytes
    number: int
    this_update: datetime
    next_update: datetime
    parsed: x509.CertificateRevocationList
    base: int | None = None
    _entries: dict[int, x509.RevokedCertificate] | None = None
    _signed_by: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def parse(cls, der: bytes) -> RevocationList:
        """Raises RevocationUnknown on anything but a full list or a delta with number, key identifier and end."""
        if len(der) > MAX_CRL_BYTES:
            raise LimitExceeded("the revocation list is too long", limit_bytes=MAX_CRL_BYTES)
        try:
            if not asn1.fills_its_octets(der):
                raise asn1.NotDer("the signature does not fill its octets")
            parsed = x509.load_der_x509_crl(der)
            number = parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            identifier = parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
            base = _base(parsed)
            critical = any(
                each.critical for each in parsed.extensions if each.oid != x509.DeltaCRLIndicator.oid
            )
            key = parsed.issuer.public_bytes() + (identifier.key_identifier or b"")
            this_update, next_update = parsed.last_update_utc, parsed.next_update_utc
        except Exception as error:  # InvalidVersion and ExtensionNotFound, for two, are no ValueErrors.
            raise RevocationUnknown("the revocation list can't be read") from error
        if critical or next_update is None:
            raise RevocationUnknown("only full and delta lists with a next update are used")
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

    def is_signed_by(self, issuer: x509.Certificate) -> bool:
        """Whether the key of ``issuer``, which must be allowed to sign lists, signed this one."""
        fingerprint = fingerprint_of(issuer)
        if fingerprint not in self._signed_by:
            self._signed_by[fingerprint] = self._check_signature(issuer)
        return self._signed_by[fingerprint]

    def find(self, serial: int) -> Revocation | None:
        """The revocation of that serial number, if it is listed."""
        if self._entries is None:
            self._entries = {entry.serial_number: entry for entry in self.parsed}
        entry = self._entries.get(serial)
        return None if entry is None else _revocation(entry)

    def _check_signature(self, issuer: x509.Certificate) -> bool:
        try:
            usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
            return usage.crl_sign and self.parsed.is_signature_valid(public_key_of(issuer))
        except (ValueError, TypeError, AlgorithmRefused, UnsupportedAlgorithm, x509.ExtensionNotFound):
            return False


def _base(parsed: x509.CertificateRevocationList) -> int | None:
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
