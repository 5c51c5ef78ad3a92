"""The trust store: pinned roots, known intermediates, revocation lists, and the judgement of a certificate.

Steps, cited where they run: (1) a valid path to a pinned root; (2) the certificate is meant for the use; (3)
every certificate of the path is within its validity at the instant; (4) none below the root is revoked, by a
list of its issuer that answers for that instant: the full list, with what a newer delta says (RFC 5280 §5.2.4).
No list, or only a stale one, is a refusal (RevocationUnknown). A suspended certificate counts as revoked since its
hold began, as long as the lists say so; one whose hold was lifted as never revoked.

Path building is cached; steps (3) and (4) run at each call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kernel.clock import format_utc
from pki.algorithms import fingerprint_of
from pki.crl import Revocation, RevocationList
from pki.errors import CertificateExpired, CertificateRevoked, CertificateUntrusted, RevocationUnknown
from pki.names import party_of
from pki.path_validation import find_path
from pki.profiles import DOCUMENT_SIGNING, SERVICE_SEALING, TIME_STAMPING
from pki.revocation_lists import LIFTED

Usage = Literal["signature", "key-agreement", "timestamping"]
Revocations = Literal["at", "ever"]
MAX_EXTRA = 10
_CACHED_PATHS = 4096
_SIGNING_PURPOSES = frozenset(
    {
        DOCUMENT_SIGNING,
        SERVICE_SEALING,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }
)
# RFC 3161 §4: revoked for one of these, what a time-stamping authority stamped earlier stays valid.
_HARMLESS_FOR_STAMPS = frozenset({"affiliationChanged", "superseded", "cessationOfOperation"})


@dataclass(frozen=True, slots=True)
class ValidatedCertificate:
    """``path`` runs from the root to the certificate itself."""

    party: str
    certificate: x509.Certificate
    path: tuple[x509.Certificate, ...]

    def needs(self, others: Sequence[x509.Certificate]) -> bool:
        """Whether each of ``others`` belongs to the path, so that a signature carries nothing beside it."""
        return all(other in self.path for other in others)


class TrustStore:
    """Judges certificates against pinned roots; may be shared by threads."""

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        crls: Iterable[bytes] = (),
        max_crl_age: timedelta | None = None,
    ) -> None:
        self.roots = tuple(roots)
        self.intermediates = tuple(intermediates)
        self.max_crl_age = max_crl_age
        self._lists: dict[bytes, RevocationList] = {}
        self._deltas: dict[bytes, RevocationList] = {}
        self._paths: OrderedDict[tuple[str, Usage], ValidatedCertificate] = OrderedDict()
        self._lock = threading.Lock()
        for crl in crls:
            self.add_crl(crl)

    def add_crl(self, der: bytes) -> None:
        """Keep the newest list and delta of each issuer; raises RevocationUnknown if it is unreadable or forged.

        The signature of a list of an authority that is not known yet is checked when it is first used in a
        path.
        """
        parsed = RevocationList.parse(der)
        for known in (*self.roots, *self.intermediates):
            if RevocationList.key_for(known) == parsed.key and not parsed.is_signed_by(known):
                raise RevocationUnknown("the revocation list is not signed by its issuer")
        with self._lock:
            kept = self._lists if parsed.base is None else self._deltas
            kept[parsed.key] = parsed.newer_of(kept.get(parsed.key))

    def crls(self) -> list[bytes]:
        """The lists in use, as they came: a delta only where it tells more than the full list."""
        with self._lock:
            fulls, deltas = dict(self._lists), dict(self._deltas)
        newer = [each for key, each in deltas.items() if key not in fulls or each.number > fulls[key].number]
        return [each.der for each in (*fulls.values(), *newer)]

    def validate(
        self,
        certificate: x509.Certificate,
        extra: Sequence[x509.Certificate],
        at: datetime,
        usage: Usage,
        *,
        revocation: Revocations = "at",
    ) -> ValidatedCertificate:
        """Steps (1)-(4). ``at``: a later revocation does no harm; ``ever``: any revocation refuses.

        Raises CertificateUntrusted, CertificateExpired, CertificateRevoked or RevocationUnknown.
        """
        validated = self._path(certificate, extra, at, usage)
        self.check_path(validated.path, at, usage, revocation=revocation)
        return validated

    def check_path(
        self,
        path: Sequence[x509.Certificate],
        at: datetime,
        usage: Usage,
        *,
        revocation: Revocations = "at",
    ) -> None:
        """Steps (3) and (4) for a valid path, root first; raises as ``validate`` does."""
        for item in path:
            _check_dates(item, at)
        for issuer, subject in pairwise(path):
            found = self._revocation(issuer, subject, at)
            if found is not None:
                _judge_revocation(found, at, usage, revocation, fingerprint_of(subject))

    def _path(
        self, certificate: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime, usage: Usage
    ) -> ValidatedCertificate:
        # Only successes are kept: a path that is missing today may be found with other intermediates.
        key = (fingerprint_of(certificate), usage)
        with self._lock:
            known = self._paths.get(key)
            if known is not None:
                self._paths.move_to_end(key)
                return known
        if len(extra) > MAX_EXTRA:
            raise CertificateUntrusted("too many certificates")
        path = find_path(certificate, [*self.intermediates, *extra], self.roots, at)  # (1)
        _check_usage(certificate, usage)  # (2)
        validated = ValidatedCertificate(party_of(certificate), certificate, path)
        with self._lock:
            self._paths[key] = validated
            while len(self._paths) > _CACHED_PATHS:
                self._paths.popitem(last=False)
        return validated

    def _revocation(
        self, issuer: x509.Certificate, subject: x509.Certificate, at: datetime
    ) -> Revocation | None:
        # (4) RFC 5280 §6.3.3 for lists without partitions, signed by the issuer of the certificate itself.
        key = RevocationList.key_for(issuer)
        found, delta = self._lists.get(key), self._deltas.get(key)
        if found is None or not found.is_signed_by(issuer):
            raise RevocationUnknown("no revocation list of the issuer is at hand")
        if delta is None or delta.number <= found.number:
            self._check_age(found, at)
            return found.find(subject.serial_number)
        if not delta.is_signed_by(issuer):
            raise RevocationUnknown("the delta is not signed by the issuer")
        # A delta that rests on a later list does not complete this one, yet what it says is so.
        self._check_age(found if found.number < (delta.base or 0) else delta, at)
        told = delta.find(subject.serial_number)
        if told is not None:
            return None if told.reason == LIFTED else told
        return found.find(subject.serial_number)

    def _check_age(self, found: RevocationList, at: datetime) -> None:
        ends = found.next_update
        if self.max_crl_age is not None:
            ends = min(ends, found.this_update + self.max_crl_age)
        if at > ends:
            raise RevocationUnknown("the revocation list is stale", next_update=format_utc(ends))


def _check_dates(certificate: x509.Certificate, at: datetime) -> None:
    # (3)
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not starts <= at <= ends:
        raise CertificateExpired(
            "a certificate of the path is not valid at that time",
            fingerprint=fingerprint_of(certificate),
            not_before=format_utc(starts),
            not_after=format_utc(ends),
        )


def _judge_revocation(
    found: Revocation, at: datetime, usage: Usage, mode: Revocations, fingerprint: str
) -> None:
    # Whoever has the key of an authority can make stamping certificates and stamps of any time, so that this
    # is asked of the whole path.
    compromised_stamp = usage == "timestamping" and found.reason not in _HARMLESS_FOR_STAMPS
    if mode == "ever" or compromised_stamp or found.revoked_at <= at:
        raise CertificateRevoked(
            "a certificate of the path was revoked",
            fingerprint=fingerprint,
            revoked_at=format_utc(found.revoked_at),
            reason=found.reason,
        )


def _check_usage(certificate: x509.Certificate, usage: Usage) -> None:
    try:
        extensions = certificate.extensions
        key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
        allowed = key_usage.key_agreement if usage == "key-agreement" else key_usage.digital_signature
        allowed = allowed and _extended_allows(extensions, usage)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        allowed = False
    if not allowed:
        raise CertificateUntrusted("the certificate is not meant for this use", usage=usage)


def _extended_allows(extensions: x509.Extensions, usage: Usage) -> bool:
    try:
        extension = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return usage != "timestamping"
    purposes = set(extension.value)
    if usage == "timestamping":  # RFC 3161 §2.3: only this purpose, and critical.
        return extension.critical and purposes == {TIME_STAMPING}
    return usage == "key-agreement" or bool(purposes & _SIGNING_PURPOSES)
