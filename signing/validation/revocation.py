"""What is known about the revocation of a certificate: by lists and OCSP answers whose signers are judged here.

A list or answer counts when (1) it is about this certificate of this issuer, (2) it is signed by the issuer, by
somebody of the same name with a path to the same anchor, or, for answers, by whom the issuer certified for it or the
trust names for it, (3) its signer was within its dates when it was issued, (4) it was issued after the certificate,
(5) what is said about a certificate that was over by then covers such ones, and (6) it is not from the future.
A signer other than the issuer that is revoked itself vouches for nothing after that, and for what it dated before only
where that is proven (``signer_revoked_at``): whoever took its key writes any date.
EN 319 102-1 §5.2.5 and §5.2.6.4, RFC 5280 §6.3.3, RFC 6960 §3.2 and §4.2.2.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, pairwise
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import asn1
from pki.algorithms import der_of
from pki.asn1.ocsp import key_bits
from pki.revocation_lists import HOLD, LIFTED
from signing.validation.material import FoundAnswer, FoundList, Material
from signing.validation.signature_values import (
    AlgorithmUse,
    Signed,
    ValueRefused,
    use_of,
    use_of_signed,
    verify_signed,
    verify_value,
)

_CERT_ID_DIGESTS = frozenset({"sha1", "sha256", "sha384", "sha512"})
# Of those that have the name of who signed a list or answer.
MAX_SIGNERS_TRIED = 20
# From a certificate up to the same anchor, both included; empty where there is no path.
PathOf = Callable[[x509.Certificate], Sequence[x509.Certificate]]


@dataclass(frozen=True, slots=True)
class _Voucher:
    """Who signed a list or answer, and since when that one is revoked itself."""

    certificate: x509.Certificate
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What one list (with its delta) or answer says; ``digests`` are those of the evidence it rests on.

    ``signer`` vouches for it, revoked since ``signer_revoked_at``; ``uses`` are the algorithms of its signature.
    """

    source: Literal["crl", "ocsp"]
    digests: tuple[bytes, ...]
    this_update: datetime
    next_update: datetime | None
    produced_at: datetime
    revoked_at: datetime | None
    reason: str | None
    signer: x509.Certificate
    uses: tuple[AlgorithmUse, ...]
    signer_revoked_at: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether it is only suspended."""
        return self.revoked_at is not None and self.reason == HOLD

    def revoked(self, at: datetime) -> bool:
        """Whether it was revoked, or suspended, by that instant."""
        return self.revoked_at is not None and self.revoked_at <= at

    def fresh(self, at: datetime) -> bool:
        """EN 319 102-1 §5.2.5.4 without a value in the constraints: as old as its own life at most; no end, never."""
        if self.next_update is None:
            return False
        # Without the difference itself: there are lists that end in the year 9999.
        return at < self.next_update


def decisive(found: Iterable[Status]) -> Status | None:
    """Of what counts, the newest first: a revocation for good if any tells of one, since nothing takes it back."""
    given = tuple(found)
    final = (each for each in given if each.revoked_at is not None and not each.held)
    return next(final, given[0] if given else None)


def statuses(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    material: Material,
    *,
    now: datetime,
    path_of: PathOf,
    responders: Iterable[x509.Certificate] = (),
) -> list[Status]:
    """All that counts, the newest first; ``now`` is the time after which everything is from the future."""
    found = [
        *_by_lists(certificate, issuer, material, now, path_of),
        *_by_answers(certificate, issuer, material, now, path_of, tuple(responders)),
    ]
    counting = (each for each in found if _counts(each, certificate, now))
    return _newest_first(counting)


def _newest_first(found: Iterable[Status]) -> list[Status]:
    """Behind all others what a revoked signer wrote."""
    return sorted(
        found,
        key=lambda each: (each.signer_revoked_at is None, each.produced_at, each.this_update),
        reverse=True,
    )


def is_at_hand(certificate: x509.Certificate, material: Material) -> bool:
    """Whether anything claims to be about it, be it usable or not."""
    lists = any(_is_about(each, certificate) for each in material.lists(certificate.issuer.public_bytes()))
    return lists or any(True for _ in material.answers(certificate.serial_number))


def _counts(status: Status, certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= status.this_update <= now  # (4), (6)


def _by_lists(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    material: Material,
    now: datetime,
    path_of: PathOf,
) -> Iterator[Status]:
    about = [
        each
        for each in material.lists(certificate.issuer.public_bytes())
        if each.this_update <= now and _is_about(each, certificate)  # (1)
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


def _told(found: FoundList, signer: _Voucher, certificate: x509.Certificate) -> Status | None:
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
    signer: _Voucher,
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


def _is_about(found: FoundList, certificate: x509.Certificate) -> bool:
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
) -> _Voucher | None:
    if _alive(issuer, found.this_update) and _signed_list(found, issuer):
        return _Voucher(issuer)
    others = (each for each in material.named(found.issuer) if each != issuer and _is_made_for_lists(each))
    for candidate in islice(others, MAX_SIGNERS_TRIED):
        if not _alive(candidate, found.this_update):
            continue  # (3)
        # The path first: of strangers no signature is computed.
        path = path_of(candidate)
        if path and _signed_list(found, candidate):  # (2)
            revoked_at = _revoked_since(path, material, now)
            if revoked_at is None or revoked_at > found.this_update:
                return _Voucher(candidate, revoked_at)
    return None


def _revoked_since(path: Sequence[x509.Certificate], material: Material, now: datetime) -> datetime | None:
    """Since when one of it is known to be revoked or held, by lists that its own issuer signed."""
    told = (
        decisive(_counting_lists(subject, issuer, material, now, _no_path))
        for subject, issuer in pairwise(path)
    )
    return min((each.revoked_at for each in told if each and each.revoked_at), default=None)


def _counting_lists(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    material: Material,
    now: datetime,
    path_of: PathOf,
) -> list[Status]:
    found = _by_lists(certificate, issuer, material, now, path_of)
    return _newest_first(each for each in found if _counts(each, certificate, now))


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
        found.signed_by[key] = _may_sign_lists(candidate) and _is_signed(
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


def _by_answers(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    material: Material,
    now: datetime,
    path_of: PathOf,
    responders: tuple[x509.Certificate, ...],
) -> Iterator[Status]:
    for answer in material.answers(certificate.serial_number):
        try:
            single = _single(answer, certificate, issuer)
            signer = None
            if single is not None:
                signer = _answer_signer(answer, issuer, material, now, path_of, responders)
            if single is not None and signer is not None:
                status = _told_by_answer(answer, single, signer, certificate)
                if status is not None:
                    yield status
        except Exception:
            continue  # of many kinds; an answer that can't be read, or whose signer can't, tells nothing


def _single(
    answer: FoundAnswer, certificate: x509.Certificate, issuer: x509.Certificate
) -> ocsp.OCSPSingleResponse | None:
    about = [
        each
        for each in answer.parsed.responses
        if each.serial_number == certificate.serial_number and _names_issuer(each, certificate, issuer)
    ]
    return about[0] if len(about) == 1 else None


def _names_issuer(
    single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    name = single.hash_algorithm.name
    if name not in _CERT_ID_DIGESTS:
        return False
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    subject = certificate.issuer.public_bytes()
    return (single.issuer_name_hash, single.issuer_key_hash) == (
        hashlib.new(name, subject).digest(),
        hashlib.new(name, key_bits(spki)).digest(),
    )


def _answer_signer(
    answer: FoundAnswer,
    issuer: x509.Certificate,
    material: Material,
    now: datetime,
    path_of: PathOf,
    responders: tuple[x509.Certificate, ...],
) -> _Voucher | None:
    produced = answer.parsed.produced_at_utc
    for candidate in (issuer, *responders):
        if _vouches(answer, candidate, produced) and _signed_answer(answer, candidate):
            return _Voucher(candidate)
    others = chain(answer.parsed.certificates, _named_responders(answer, material))
    named = (each for each in others if _vouches(answer, each, produced))
    for candidate in islice(named, MAX_SIGNERS_TRIED):
        if _is_delegate(candidate, issuer) and _signed_answer(answer, candidate):
            told = decisive(_counting_lists(candidate, issuer, material, now, path_of))
            if _may_answer(candidate, told, produced):
                return _Voucher(candidate, None if told is None else told.revoked_at)  # (2)
    return None


def _vouches(answer: FoundAnswer, candidate: x509.Certificate, produced: datetime) -> bool:
    return _is_named(answer, candidate) and _alive(candidate, produced)  # (3)


def _named_responders(answer: FoundAnswer, material: Material) -> Iterator[x509.Certificate]:
    name = answer.parsed.responder_name
    if name is not None:
        yield from material.named(name.public_bytes())


def _is_named(answer: FoundAnswer, candidate: x509.Certificate) -> bool:
    if answer.parsed.responder_name is not None:
        return answer.parsed.responder_name == candidate.subject
    spki = candidate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return answer.parsed.responder_key_hash == hashlib.sha1(key_bits(spki), usedforsecurity=False).digest()


def _signed_answer(answer: FoundAnswer, candidate: x509.Certificate) -> bool:
    key = der_of(candidate)
    if key not in answer.signed_by:
        answer.signed_by[key] = _is_signed_answer(candidate, answer)
    return answer.signed_by[key]


def _is_delegate(candidate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if candidate.issuer != issuer.subject:
        return False
    try:
        purposes = candidate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in purposes and _is_signed(
        issuer, candidate, candidate.tbs_certificate_bytes
    )


def _may_answer(delegate: x509.Certificate, told: Status | None, produced: datetime) -> bool:
    # RFC 6960 §4.2.2.2.1: the issuer may say that a delegate needs no check; otherwise its own list tells.
    if told is not None:
        return not told.revoked(produced)
    try:
        delegate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound:
        return False
    return True


def _told_by_answer(
    answer: FoundAnswer,
    single: ocsp.OCSPSingleResponse,
    signer: _Voucher,
    certificate: x509.Certificate,
) -> Status | None:
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return None
    revoked_at = single.revocation_time_utc
    if revoked_at is None and not _answers_for_expired(answer, single, certificate):
        return None  # (5)
    reason = None
    if revoked_at is not None:
        flag = single.revocation_reason
        reason = "unspecified" if flag is None else flag.value
    return Status(
        "ocsp",
        (answer.sha256,),
        single.this_update_utc,
        single.next_update_utc,
        answer.parsed.produced_at_utc,
        revoked_at,
        reason,
        signer.certificate,
        (use_of(signer.certificate, answer.parsed.signature_algorithm_oid.dotted_string, answer.parameters),),
        signer.revoked_at,
    )


def _answers_for_expired(
    answer: FoundAnswer, single: ocsp.OCSPSingleResponse, certificate: x509.Certificate
) -> bool:
    ended = certificate.not_valid_after_utc
    if ended >= single.this_update_utc:
        return True
    return answer.cutoff is not None and answer.cutoff <= ended


def _alive(candidate: x509.Certificate, at: datetime) -> bool:
    return candidate.not_valid_before_utc <= at <= candidate.not_valid_after_utc


def _is_signed(signer: x509.Certificate, signed: Signed, covered: bytes) -> bool:
    try:
        verify_signed(signer, signed, covered)
    except ValueRefused:
        return False
    return True


def _is_signed_answer(signer: x509.Certificate, answer: FoundAnswer) -> bool:
    parsed, algorithm = answer.parsed, answer.parsed.signature_algorithm_oid.dotted_string
    try:
        verify_value(signer, algorithm, answer.parameters, parsed.signature, parsed.tbs_response_bytes)
    except ValueRefused:
        return False
    return True


def _uses_of_list(found: FoundList, signer: x509.Certificate) -> tuple[AlgorithmUse, ...]:
    return (use_of_signed(signer, found.parsed),)
