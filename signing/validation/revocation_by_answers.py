"""What OCSP answers tell: about which certificate, and who may answer for its issuer (RFC 6960 §3.2, §4.2.2.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.algorithms import der_of
from pki.asn1.ocsp import key_bits
from signing.validation.material import FoundAnswer, Material
from signing.validation.revocation_by_lists import counting_lists
from signing.validation.revocation_status import (
    MAX_SIGNERS_TRIED,
    PathOf,
    Status,
    Voucher,
    alive,
    decisive,
    is_signed,
)
from signing.validation.signature_values import ValueRefused, use_of, verify_value

_CERT_ID_DIGESTS = frozenset({"sha1", "sha256", "sha384", "sha512"})


def by_answers(
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
) -> Voucher | None:
    produced = answer.parsed.produced_at_utc
    for candidate in (issuer, *responders):
        if _vouches(answer, candidate, produced) and _signed_answer(answer, candidate):
            return Voucher(candidate)
    others = chain(answer.parsed.certificates, _named_responders(answer, material))
    named = (each for each in others if _vouches(answer, each, produced))
    for candidate in islice(named, MAX_SIGNERS_TRIED):
        if _is_delegate(candidate, issuer) and _signed_answer(answer, candidate):
            told = decisive(counting_lists(candidate, issuer, material, now, path_of))
            if _may_answer(candidate, told, produced):
                return Voucher(candidate, None if told is None else told.revoked_at)  # (2)
    return None


def _vouches(answer: FoundAnswer, candidate: x509.Certificate, produced: datetime) -> bool:
    return _is_named(answer, candidate) and alive(candidate, produced)  # (3)


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
    return ExtendedKeyUsageOID.OCSP_SIGNING in purposes and is_signed(
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
    signer: Voucher,
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


def _is_signed_answer(signer: x509.Certificate, answer: FoundAnswer) -> bool:
    parsed, algorithm = answer.parsed, answer.parsed.signature_algorithm_oid.dotted_string
    try:
        verify_value(signer, algorithm, answer.parameters, parsed.signature, parsed.tbs_response_bytes)
    except ValueRefused:
        return False
    return True
