"""Signatures judged after EN 319 102-1: each case with the indication that it must have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from pki import asn1
from pki.asn1 import ades
from pki.signed_data import Signer
from signing.ades.services import Level
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading_cades import read_cades
from signing.validation.report import SignatureReport, ValidationReport
from signing.validation.trust import Trust
from tests.support.authority import START, after, make_authority, make_key
from tests.support.judged_cases import (
    CODE_SIGNING,
    ECDSA_SHA256,
    HOUR,
    IN_2010,
    PARTY,
    TIME_STAMPING,
    YEAR,
    Case,
    answer_about,
    case,
    certified,
    delegate,
    ec_signature,
    opened,
    other_tsa,
    plain_signature,
    renewed,
    rsa_signature,
    signed,
    stamped_by,
    stamps_at,
)

PASSED = ("TOTAL-PASSED", None)
DAY = timedelta(days=1)


def judged(given: Case) -> ValidationReport:
    content = given.content
    digest = None if content is None else (lambda name: hashlib.new(name, content).digest())
    return judge(
        read_cades(given.der, digest),
        Trust.of(given.roots, given.intermediates, given.crls, given.ocsps),
        AlgorithmPolicy.default(),
        at=given.at,
        made_at=given.made_at or given.at,
    )


def conclusion(report: SignatureReport) -> tuple[str, str | None]:
    return report.indication.value, None if report.sub_indication is None else report.sub_indication.value


def basic_passes() -> Case:
    authority = opened()
    return case(authority, signed(authority, Level.B_B))


def expired_unstamped() -> Case:
    authority = opened()
    der = signed(authority, Level.B_B)
    after(authority, 3 * YEAR)
    return case(authority, der)


def expired_stamped() -> Case:
    authority = opened()
    der = signed(authority, Level.B_T)
    after(authority, 3 * YEAR)
    return case(authority, der)


def expired_with_its_evidence_only() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LT)
    after(authority, 3 * YEAR)
    return case(authority, der, lists=False)


def years_later_with_its_evidence_only() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LT)
    after(authority, YEAR)
    return case(authority, der, lists=False)


def revoked_unstamped() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_B, person)
    after(authority, HOUR)
    authority.revoke(person.certificate)
    after(authority, HOUR)
    return case(authority, der)


def revoked_after_the_stamp() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_T, person)
    after(authority, HOUR)
    authority.revoke(person.certificate)
    after(authority, HOUR)
    return case(authority, der)


def revoked_before_the_stamp() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    after(authority, HOUR)
    authority.revoke(person.certificate)
    after(authority, HOUR)
    return case(authority, signed(authority, Level.B_T, person))


def revoked_later_than_judged() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_B, person)
    asked = authority.now
    after(authority, HOUR)
    authority.revoke(person.certificate)
    given = case(authority, der)
    return Case(der, asked, given.roots, given.crls, made_at=authority.now)


def suspended() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_B, person)
    authority.revoke(person.certificate, reason="certificateHold")
    return case(authority, der)


def authority_revoked() -> Case:
    authority = opened()
    der = signed(authority, Level.B_B)
    after(authority, HOUR)
    authority.revoke(authority.intermediate)
    after(authority, HOUR)
    return case(authority, der)


def unknown_issuer() -> Case:
    authority, other = opened(), make_authority(name="Other")
    der = signed(authority, Level.B_B)
    return Case(der, authority.now, [other.root], authority.crls())


def no_revocation_data() -> Case:
    authority = opened()
    return case(authority, signed(authority, Level.B_B), lists=False)


def stale_list() -> Case:
    authority = opened()
    der = signed(authority, Level.B_B)
    lists = authority.crls()
    after(authority, 30 * DAY)
    return Case(der, authority.now, [authority.root], lists)


def list_of_another_signer() -> Case:
    authority, other = opened(), make_authority()
    der = signed(authority, Level.B_B)
    return Case(der, authority.now, [authority.root], other.crls())


def other_content() -> Case:
    authority = opened()
    given = case(authority, signed(authority, Level.B_B))
    return Case(given.der, given.at, given.roots, given.crls, content=b"another tender")


def other_value() -> Case:
    authority = opened()
    der = signed(authority, Level.B_B)
    outer = asn1.decode(ades.ContentInfo, der)
    info = outer.content.signers.as_list()[0]
    info.signature = opened_value(info.signature)
    outer.content.signers = asn1.SetOf([info])
    return case(authority, asn1.encode(outer))


def opened_value(value: bytes) -> bytes:
    return value[:-1] + bytes((value[-1] ^ 1,))


def missing_content() -> Case:
    authority = opened()
    given = case(authority, signed(authority, Level.B_B))
    return Case(given.der, given.at, given.roots, given.crls, content=None)


def not_yet_valid() -> Case:
    authority = opened()
    given = case(authority, signed(authority, Level.B_B))
    return Case(given.der, given.at - 5 * HOUR, given.roots, given.crls, made_at=given.at)


def without_reference() -> Case:
    authority = opened()
    return case(authority, ec_signature(authority, authority.person(PARTY), reference=None))


def other_reference() -> Case:
    authority = opened()
    return case(authority, ec_signature(authority, authority.person(PARTY), reference=bytes(32)))


def without_claimed_time() -> Case:
    authority = opened()
    return case(authority, ec_signature(authority, authority.person(PARTY), at=None))


def claimed_before_its_certificate() -> Case:
    authority = opened()
    signer = authority.person(PARTY)
    return case(authority, ec_signature(authority, signer, at=authority.now - 30 * DAY))


def sha1_today() -> Case:
    authority = opened()
    return case(authority, rsa_signature(authority, 2048, "sha1"))


def sha1_in_its_time() -> Case:
    authority = opened(IN_2010)
    return case(authority, rsa_signature(authority, 2048, "sha1"))


def sha1_stamped_in_its_time() -> Case:
    authority = opened(IN_2010)
    der = rsa_signature(authority, 2048, "sha1", token=authority.stamp)
    after(authority, 1100 * DAY)
    return case(authority, der)


def short_rsa_today() -> Case:
    authority = opened()
    return case(authority, rsa_signature(authority, 1024, "sha256"))


def short_rsa_in_its_time() -> Case:
    authority = opened(IN_2010)
    return case(authority, rsa_signature(authority, 1024, "sha256"))


def stamps_expired() -> Case:
    authority = opened()
    der = signed(authority, Level.B_T)
    after(authority, 6 * YEAR)
    return case(authority, der)


def stamps_revoked() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_T, person)
    after(authority, HOUR)
    authority.revoke(authority.tsa_signer.certificate)
    authority.revoke(person.certificate)
    after(authority, HOUR)
    return case(authority, der)


def stamps_of_no_stamper() -> Case:
    authority = opened()
    der = stamped_by(authority, other_tsa(authority, [CODE_SIGNING]))
    after(authority, 3 * YEAR)
    return case(authority, der)


def stamps_of_many_purposes() -> Case:
    authority = opened()
    der = stamped_by(authority, other_tsa(authority, [TIME_STAMPING, CODE_SIGNING]))
    after(authority, 3 * YEAR)
    return case(authority, der)


def stamp_over_another_signature() -> Case:
    authority = opened()
    der = ec_signature(authority, authority.person(PARTY), token=lambda value: authority.stamp(b"other"))
    after(authority, 3 * YEAR)
    return case(authority, der)


def archived_long_ago() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LTA)
    after(authority, 3 * YEAR)
    return case(authority, der)


def archived_beyond_all_stamps() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LTA)
    after(authority, 6 * YEAR)
    return case(authority, der)


def archive_renewed() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LTA)
    after(authority, 4 * YEAR)
    authority.tsa = other_tsa(authority, [TIME_STAMPING])
    der = renewed(authority, der)
    after(authority, 2 * YEAR)
    return case(authority, der)


def revoked_signer_archived_before() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_LTA, person)
    after(authority, HOUR)
    authority.revoke(person.certificate)
    after(authority, 3 * YEAR)
    return case(authority, der)


def revoked_signer_archived_after() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    after(authority, HOUR)
    authority.revoke(person.certificate)
    after(authority, HOUR)
    der = signed(authority, Level.B_LTA, person)
    after(authority, HOUR)
    return case(authority, der)


def list_older_than_the_certificate() -> Case:
    authority = opened()
    lists = authority.crls()
    after(authority, HOUR)
    return Case(signed(authority, Level.B_B), authority.now, [authority.root], lists)


def with_answer(**options: object) -> Case:
    """The signer's certificate judged by an answer alone, the authority's by the root's list."""
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_B, person)
    responder = options.pop("by", None)
    if callable(responder):
        responder = responder(authority)
    after(authority, HOUR)
    answer = answer_about(authority, person.certificate, responder=responder, **options)  # type: ignore[arg-type]
    return Case(der, authority.now, [authority.root], authority.crls()[1:], [answer])


def expired_authority_archived() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LTA)
    after(authority, 3 * YEAR)
    authority.tsa = other_tsa(authority, [TIME_STAMPING])
    der = renewed(authority, der)
    after(authority, 8 * YEAR)
    return case(authority, der, lists=False)


def archived_then_stamps_revoked() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LTA)
    after(authority, YEAR)
    first = authority.tsa_signer.certificate
    authority.tsa = other_tsa(authority, [TIME_STAMPING])
    der = renewed(authority, der)
    after(authority, YEAR)
    authority.revoke(first)
    after(authority, YEAR)
    return case(authority, der)


def answered_by_the_issuer() -> Case:
    return with_answer()


def answered_by_a_delegate() -> Case:
    return with_answer(by=delegate)


def answered_by_no_delegate() -> Case:
    return with_answer(by=lambda authority: delegate(authority, purposes=[CODE_SIGNING]))


def answered_by_an_unchecked_delegate() -> Case:
    return with_answer(by=lambda authority: delegate(authority, nocheck=False))


def answered_unknown() -> Case:
    return with_answer(status=ocsp.OCSPCertStatus.UNKNOWN)


def answered_revoked() -> Case:
    return with_answer(revoked_at=START)


def listed_revoked_answered_good() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_B, person)
    authority.revoke(person.certificate)
    lists = authority.crls()
    after(authority, HOUR)
    return Case(der, authority.now, [authority.root], lists, [answer_about(authority, person.certificate)])


def all_expired() -> Case:
    authority = opened()
    der = signed(authority, Level.B_B)
    after(authority, YEAR)
    lists = authority.crls()
    after(authority, 10 * YEAR)
    return Case(der, authority.now, [authority.root], lists)


def not_for_signatures() -> Case:
    authority = opened()
    key = make_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = certified(authority, key.public_key(), "Agreement", digital_signature=False)
    signer = Signer(key, certificate, (authority.intermediate,))
    return case(authority, ec_signature(authority, signer))


def made_for_answers() -> Case:
    authority = opened()
    signer = delegate(authority)
    return case(
        authority, ec_signature(authority, Signer(signer.key, signer.certificate, (authority.intermediate,)))
    )


def stamp_older_than_the_certificate() -> Case:
    authority = opened()
    person_clock = authority.now

    key = make_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)

    def sign(data: bytes) -> bytes:
        return key.sign(data, ec.ECDSA(hashes.SHA256()))

    after(authority, 10 * DAY)
    certificate = certified(authority, key.public_key(), "Later")
    stamps = stamps_at(authority, person_clock)
    der = plain_signature(
        certificate, (authority.intermediate,), sign, algorithm=ECDSA_SHA256, at=authority.now, token=stamps
    )
    return case(authority, der)


def content_stamped_after_revocation() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    authority.revoke(person.certificate)
    after(authority, HOUR)
    return case(authority, ec_signature(authority, person, content_token=authority.stamp))


def content_stamped_after_expiry() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    claimed = authority.now
    after(authority, 3 * YEAR)
    return case(authority, ec_signature(authority, person, content_token=authority.stamp, at=claimed))


CASES: list[tuple[Callable[[], Case], tuple[str, str | None]]] = [
    (basic_passes, PASSED),
    (expired_unstamped, ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")),
    (expired_stamped, PASSED),
    (expired_with_its_evidence_only, PASSED),
    (years_later_with_its_evidence_only, PASSED),
    (revoked_unstamped, ("INDETERMINATE", "REVOKED_NO_POE")),
    (revoked_after_the_stamp, PASSED),
    (revoked_before_the_stamp, ("INDETERMINATE", "REVOKED_NO_POE")),
    (revoked_later_than_judged, PASSED),
    (suspended, ("INDETERMINATE", "TRY_LATER")),
    (authority_revoked, ("INDETERMINATE", "REVOKED_CA_NO_POE")),
    (unknown_issuer, ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")),
    (no_revocation_data, ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")),
    (stale_list, ("INDETERMINATE", "TRY_LATER")),
    (list_of_another_signer, ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")),
    (other_content, ("TOTAL-FAILED", "HASH_FAILURE")),
    (other_value, ("TOTAL-FAILED", "SIG_CRYPTO_FAILURE")),
    (missing_content, ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")),
    (not_yet_valid, ("TOTAL-FAILED", "NOT_YET_VALID")),
    (without_reference, ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")),
    (other_reference, ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")),
    (without_claimed_time, ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")),
    (claimed_before_its_certificate, ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")),
    (sha1_today, ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")),
    (sha1_in_its_time, PASSED),
    (sha1_stamped_in_its_time, PASSED),
    (short_rsa_today, ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")),
    (short_rsa_in_its_time, PASSED),
    (stamps_expired, ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")),
    (stamps_revoked, ("INDETERMINATE", "REVOKED_NO_POE")),
    (stamps_of_no_stamper, ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")),
    (stamps_of_many_purposes, ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")),
    (stamp_over_another_signature, ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")),
    (archived_long_ago, PASSED),
    (archived_beyond_all_stamps, ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")),
    (archive_renewed, PASSED),
    (revoked_signer_archived_before, PASSED),
    (revoked_signer_archived_after, ("INDETERMINATE", "REVOKED_NO_POE")),
    (list_older_than_the_certificate, ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")),
    (expired_authority_archived, ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")),
    (archived_then_stamps_revoked, PASSED),
    (answered_by_the_issuer, PASSED),
    (answered_by_a_delegate, PASSED),
    (answered_by_no_delegate, ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")),
    (answered_by_an_unchecked_delegate, ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")),
    (answered_unknown, ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")),
    (answered_revoked, ("INDETERMINATE", "REVOKED_NO_POE")),
    (listed_revoked_answered_good, ("INDETERMINATE", "REVOKED_NO_POE")),
    (all_expired, ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")),
    (not_for_signatures, ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE")),
    (made_for_answers, ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")),
    (stamp_older_than_the_certificate, ("TOTAL-FAILED", "NOT_YET_VALID")),
    (content_stamped_after_revocation, ("TOTAL-FAILED", "REVOKED")),
    (content_stamped_after_expiry, ("TOTAL-FAILED", "EXPIRED")),
]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[each[0].__name__ for each in CASES])
def test_each_case_has_its_indication(make: Callable[[], Case], expected: tuple[str, str | None]) -> None:
    """A signature with this the matter is concluded as EN 319 102-1 says."""
    (found,) = judged(make()).signatures
    assert conclusion(found) == expected, found.detail


@pytest.mark.parametrize("level", list(Level))
def test_every_level_passes_and_is_told(level: Level) -> None:
    """A CAdES signature of each level passes and is reported as that level."""
    authority = opened()
    report = judged(case(authority, signed(authority, level)))
    assert report.passed
    assert report.signatures[0].level == level.value
