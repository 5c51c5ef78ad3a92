"""What revocation lists tell: whom they are about, who signed them, a full list with its delta (RFC 5280 §6.3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise

from cryptography import x509

from pki import asn1
from pki.algorithms import der_of
from pki.revocation_lists import LIFTED
from signing.validation.material import FoundList, Material
from signing.validation.revocation_status import (
    MAX_SIGNERS_TRIED,
    PathOf,
    Status,
    Voucher,
    alive,
    counts,
    decisive,
    is_signed,
    newest_first,
)
from signing.validation.signature_values import AlgorithmUse, use_of_signed


def by_lists(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    material: Material,
    now: datetime,
    path_of: PathOf,
) -> Iterator[Status]:
    about = [
        each
        for each in material.lists(certificate.issuer.public_bytes())
        if each.this_update <= now and list_is_about(each, certificate)  # (1)
    ]
    signed = [
        (each, signer) for each in about if (signer := _list_signer(each, issuer, material, now, path_of))
    ]
    deltas = [(each, signer) for each, signer in signed if each.base is not None]
    for full, signer in signed:
        if full.base is not None:
            continue
        status = _told(full, signer, certificate)
        if status is not None:
            yield status
        for delta, delta_signer in deltas:
            if delta_signer == signer and _completes(delta, full):
                told = _told_by_delta(delta, full, status, signer, certificate)
                if told is not None:
                    yield told


def _completes(delta: FoundList, full: FoundList) -> bool:
    # RFC 5280 §5.2.4: on or after the base that the delta names, and older than the delta itself.
    if delta.base is None or delta.number is None or full.number is None:
        return False
    return delta.base <= full.number < delta.number


def _told(found: FoundList, signer: Voucher, certificate: x509.Certificate) -> Status | None:
    revoked_at, reason = _entry(found, certificate)
    if revoked_at is None and not _covers_expired(found, certificate):
        return None  # (5)
    return Status(
        "crl",
        (found.sha256,),
        found.this_update,
        found.next_update,
        found.this_update,
        revoked_at,
        reason,
        signer.certificate,
        _uses_of_list(found, signer.certificate),
        signer.revoked_at,
    )


def _told_by_delta(
    delta: FoundList,
    full: FoundList,
    before: Status | None,
    signer: Voucher,
    certificate: x509.Certificate,
) -> Status | None:
    revoked_at, reason = _entry(delta, certificate)
    if reason == LIFTED:
        revoked_at, reason = None, None
    elif revoked_at is None:
        if before is None:
            return None
        revoked_at, reason = before.revoked_at, before.reason
    return Status(
        "crl",
        (delta.sha256, full.sha256),
        delta.this_update,
        delta.next_update,
        delta.this_update,
        revoked_at,
        reason,
        signer.certificate,
        _uses_of_list(delta, signer.certificate),
        signer.revoked_at,
    )


def _entry(found: FoundList, certificate: x509.Certificate) -> tuple[datetime | None, str | None]:
    # DER has one spelling of a number: a list that does not hold these octets has no entry of that certificate.
    if asn1.encode(certificate.serial_number) not in found.covered:
        return None, None
    entry = found.parsed.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return None, None
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, ValueError):
        reason = "unspecified"
    return entry.revocation_date_utc, reason


def _covers_expired(found: FoundList, certificate: x509.Certificate) -> bool:
    ended = certificate.not_valid_after_utc
    if ended >= found.this_update:
        return True
    return found.expired_since is not None and found.expired_since <= ended


def list_is_about(found: FoundList, certificate: x509.Certificate) -> bool:
    """RFC 5280 §6.3.3 (b) for lists of the issuer itself; partitions by reason and indirect lists are not used."""
    point = found.point
    if point is None:
        return True
    if point.indirect_crl or point.only_contains_attribute_certs or point.only_some_reasons:
        return False
    is_ca = _is_ca(certificate)
    if (point.only_contains_user_certs and is_ca) or (point.only_contains_ca_certs and not is_ca):
        return False
    if point.relative_name is not None:
        return False
    return point.full_name is None or bool(set(point.full_name) & set(_points_of(certificate)))


def _points_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name for point in points if point.crl_issuer is None for name in point.full_name or ()]


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _list_signer(
    found: FoundList, issuer: x509.Certificate, material: Material, now: datetime, path_of: PathOf
) -> Voucher | None:
    if alive(issuer, found.this_update) and _signed_list(found, issuer):
        return Voucher(issuer)
    others = (each for each in material.named(found.issuer) if each != issuer and _is_made_for_lists(each))
    for candidate in islice(others, MAX_SIGNERS_TRIED):
        if not alive(candidate, found.this_update):
            continue  # (3)
        # The path first: of strangers no signature is computed.
        path = path_of(candidate)
        if path and _signed_list(found, candidate):  # (2)
            revoked_at = _revoked_since(path, material, now)
            if revoked_at is None or revoked_at > found.this_update:
                return Voucher(candidate, revoked_at)
    return None


def _revoked_since(path: Sequence[x509.Certificate], material: Material, now: datetime) -> datetime | None:
    """Since when one of it is known to be revoked or held, by lists that its own issuer signed."""
    told = (
        decisive(counting_lists(subject, issuer, material, now, _no_path))
        for subject, issuer in pairwise(path)
    )
    return min((each.revoked_at for each in told if each and each.revoked_at), default=None)


def counting_lists(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    material: Material,
    now: datetime,
    path_of: PathOf,
) -> list[Status]:
    found = by_lists(certificate, issuer, material, now, path_of)
    return newest_first(each for each in found if counts(each, certificate, now))


def _no_path(_: x509.Certificate) -> Sequence[x509.Certificate]:
    return ()


def _is_made_for_lists(candidate: x509.Certificate) -> bool:
    """Of the issuer itself its path says so; another of that name is an authority or has the key usage."""
    try:
        candidate.extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:
        return _is_ca(candidate)
    return True


def _signed_list(found: FoundList, candidate: x509.Certificate) -> bool:
    key = der_of(candidate)
    if key not in found.signed_by:
        found.signed_by[key] = _may_sign_lists(candidate) and is_signed(
            candidate, found.parsed, found.covered
        )
    return found.signed_by[key]


def _may_sign_lists(candidate: x509.Certificate) -> bool:
    try:
        return candidate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False


def _uses_of_list(found: FoundList, signer: x509.Certificate) -> tuple[AlgorithmUse, ...]:
    return (use_of_signed(signer, found.parsed),)
