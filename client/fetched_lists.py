"""A fetched revocation list, full or a shard: whether it answers for one certificate (RFC 5280 §6.3.3).

Checked: (1) it is of the issuer and signed by it; (2) it holds at the instant; (3) it is complete for its scope, and
the certificate is in that scope: no delta, no other issuer's entries, for all reasons, for its kind of certificate,
and of a distribution point that the certificate names.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from pki import asn1
from pki.algorithms import AlgorithmRefused, public_key_of
from pki.errors import RevocationUnknown


def check_list(
    der: bytes,
    subject: x509.Certificate,
    issuer: x509.Certificate,
    *,
    at: datetime,
    skew: timedelta = timedelta(0),
) -> None:
    """Raises RevocationUnknown naming what is wrong."""
    try:
        found = x509.load_der_x509_crl(der)
        signed = _is_signed(found, der, issuer)
        scope = _scope(found)
        this_update, next_update = found.last_update_utc, found.next_update_utc
    except Exception as error:  # What a parser raises of hostile lists is not all ValueError.
        raise RevocationUnknown("it gave no revocation list that can be read") from error
    if not signed:  # (1)
        raise RevocationUnknown("the revocation list is not signed by the issuer")
    if next_update is None or not this_update - skew <= at <= next_update:  # (2)
        raise RevocationUnknown("the revocation list does not hold at that time")
    if scope is not None and not _is_within(scope, subject):  # (3)
        raise RevocationUnknown("the revocation list is about other certificates")


def clears(der: bytes, subject: x509.Certificate) -> bool:
    """Whether a checked list is newer than the certificate, as verifiers want it, and does not name it."""
    found = x509.load_der_x509_crl(der)
    newer = found.last_update_utc >= subject.not_valid_before_utc
    return newer and found.get_revoked_certificate_by_serial_number(subject.serial_number) is None


def _is_signed(found: x509.CertificateRevocationList, der: bytes, issuer: x509.Certificate) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        same = found.issuer == issuer.subject and usage.crl_sign and asn1.fills_its_octets(der)
        return same and found.is_signature_valid(public_key_of(issuer))
    except (TypeError, AlgorithmRefused, x509.ExtensionNotFound):
        return False


def _scope(found: x509.CertificateRevocationList) -> x509.IssuingDistributionPoint | None:
    """What the list is about; raises ValueError for a delta, or for a critical extension that is not known."""
    scope = None
    for extension in found.extensions:
        if isinstance(extension.value, x509.DeltaCRLIndicator):
            raise ValueError("a delta")
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            scope = extension.value
        elif extension.critical:
            raise ValueError("a critical extension is not known")
    return scope


def _is_within(scope: x509.IssuingDistributionPoint, subject: x509.Certificate) -> bool:
    if scope.indirect_crl or scope.only_some_reasons or scope.only_contains_attribute_certs:
        return False
    of_others = scope.only_contains_user_certs if _is_authority(subject) else scope.only_contains_ca_certs
    if of_others or scope.relative_name is not None:
        return False
    return scope.full_name is None or bool(set(scope.full_name) & _points(subject))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _points(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return set()
    return {name for each in points for name in each.full_name or ()}
