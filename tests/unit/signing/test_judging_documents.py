"""Judgement of whole documents: several signatures, what readers found, dated anchors, kinds of evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pki import asn1
from pki.revocation_lists import Revoked, build_crl
from pki.signed_data import Signer
from signing.ades.services import Evidence, Level
from signing.validation import algorithm_policy
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.cms_stamps import digest_of, token_evidence
from signing.validation.contents import Change, Finding, FoundDocument, FoundTimestamp, NotCovered
from signing.validation.judging import judge
from signing.validation.reading_cades import read_cades
from signing.validation.report import ValidationReport
from signing.validation.trust import USES, Anchor, Trust
from tests.support.authority import MemoryAuthority, after, make_authority
from tests.support.judged_cases import (
    CONTENT,
    HOUR,
    PARTY,
    TIME_STAMPING,
    YEAR,
    algorithm_der,
    certified,
    ec_signature,
    opened,
    other_tsa,
    plain_signature,
    renewed,
    signed,
    stamps_at,
)

POLICY = AlgorithmPolicy.default()
DAY = timedelta(days=1)


def read(der: bytes) -> FoundDocument:
    return read_cades(der, lambda name: hashlib.new(name, CONTENT).digest())


def judged(
    found: FoundDocument,
    trust: Trust,
    at: datetime,
    policy: AlgorithmPolicy = POLICY,
) -> ValidationReport:
    return judge(found, trust, policy, at=at, made_at=at)


def said(report: ValidationReport, number: int = 0) -> str:
    found = report.signatures[number]
    return (found.sub_indication or found.indication).value


def trust_in(authority: MemoryAuthority, **options: object) -> Trust:
    return Trust([Anchor(authority.root, **options)], (), Evidence(crls=tuple(authority.crls())))  # type: ignore[arg-type]


def test_the_worst_signature_is_the_document() -> None:
    """Each signature is judged by itself; the document is what the worst of them is."""
    authority, stranger = opened(), make_authority(name="Other")
    good = read(signed(authority, Level.B_B))
    bad = read(signed(stranger, Level.B_B)).signatures[0]
    both = replace(good, signatures=(*good.signatures, replace(bad, identifier="signature-2")))

    report = judged(both, trust_in(authority), authority.now)

    assert said(report, 0) == "TOTAL-PASSED"
    assert said(report, 1) == "NO_CERTIFICATE_CHAIN_FOUND"
    assert report.indication == "INDETERMINATE"
    assert not report.passed


def test_a_document_without_a_signature_does_not_pass() -> None:
    """Nothing signed is nothing proven."""
    authority = opened()
    found = replace(read(signed(authority, Level.B_B)), signatures=())
    assert judged(found, trust_in(authority), authority.now).indication == "INDETERMINATE"


def test_what_the_reader_refuses_fails_the_format() -> None:
    """A fatal finding of the document or the signature fails the format check; one that is not fatal only warns."""
    authority = opened()
    found = read(signed(authority, Level.B_B))
    (signature,) = found.signatures
    trust = trust_in(authority)
    fatal, harmless = Finding("broken", "it is broken"), Finding("odd", "it is odd", fatal=False)

    assert said(judged(replace(found, findings=(fatal,)), trust, authority.now)) == "FORMAT_FAILURE"
    of_signature = replace(found, signatures=(replace(signature, findings=(fatal,)),))
    assert said(judged(of_signature, trust, authority.now)) == "FORMAT_FAILURE"
    report = judged(replace(found, findings=(harmless,)), trust, authority.now)
    assert report.passed
    assert [each.name for each in report.signatures[0].checks if each.outcome == "warning"] == ["odd"]
    unread = replace(found, signatures=(replace(signature, cms=None),))
    assert said(judged(unread, trust, authority.now)) == "FORMAT_FAILURE"


def test_a_change_that_is_not_allowed_fails_the_signature() -> None:
    """A signed file that was changed otherwise than its signature allows is not the signed file."""
    authority = opened()
    found = read(signed(authority, Level.B_B))
    change = Change("page-added", "a page was added", allowed=False)

    def with_change(given: Change) -> ValidationReport:
        signature = replace(found.signatures[0], changes=(given,))
        return judged(replace(found, signatures=(signature,)), trust_in(authority), authority.now)

    report = with_change(change)
    assert said(report) == "FORMAT_FAILURE"
    assert "a page was added" in report.signatures[0].detail
    assert with_change(replace(change, allowed=True)).passed


def test_what_a_signature_covers_may_be_gone() -> None:
    """Content that cannot be had whole fails; a reader that breaks passes nothing."""
    authority = opened()
    der = signed(authority, Level.B_B)

    def gone(name: str) -> bytes:
        raise NotCovered("a file of the manifest was changed")

    def broken(name: str) -> bytes:
        raise RuntimeError("a reader broke")

    trust = trust_in(authority)
    assert said(judged(read_cades(der, gone), trust, authority.now)) == "HASH_FAILURE"
    assert said(judged(read_cades(der, broken), trust, authority.now)) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


def test_protected_algorithms_may_not_be_exchanged() -> None:
    """Where the signer names the algorithms under the signature, others are refused (RFC 6211)."""
    authority = opened()
    found = read(signed(authority, Level.B_B))
    (signature,) = found.signatures
    assert signature.cms is not None
    sha256 = asn1.HashAlgorithm(algorithm=x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"), parameters=None)
    ecdsa = asn1.SignatureAlgorithm(algorithm=x509.ObjectIdentifier("1.2.840.10045.4.3.2"), parameters=None)
    sha512 = asn1.HashAlgorithm(algorithm=x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3"), parameters=None)
    rsa_algorithm = asn1.SignatureAlgorithm(
        algorithm=x509.ObjectIdentifier("1.2.840.113549.1.1.11"), parameters=None
    )

    def with_protection(digest: asn1.HashAlgorithm, algorithm: asn1.SignatureAlgorithm) -> str:
        value = asn1.encode(asn1.AlgorithmProtection(digest_algorithm=digest, signature_algorithm=algorithm))
        assert signature.cms is not None
        signed_attributes = signature.cms.signed | {"1.2.840.113549.1.9.52": (value,)}
        cms = replace(signature.cms, signed=signed_attributes)
        changed = replace(found, signatures=(replace(signature, cms=cms),))
        return said(judged(changed, trust_in(authority), authority.now))

    assert with_protection(sha256, ecdsa) == "TOTAL-PASSED"
    assert with_protection(sha512, ecdsa) == "FORMAT_FAILURE"
    assert with_protection(sha256, rsa_algorithm) == "FORMAT_FAILURE"


def test_an_anchor_counts_for_its_uses_and_days() -> None:
    """An anchor for time stamps is none for signatures; before its first day it is none; after its last, only for what
    is proven to be older.
    """
    authority = opened()
    der = signed(authority, Level.B_LTA)
    found, now = read(der), authority.now

    def under(**options: object) -> str:
        return said(judged(found, trust_in(authority, **options), now))

    assert under() == "TOTAL-PASSED"
    assert under(uses=frozenset({"timestamps"})) == "NO_CERTIFICATE_CHAIN_FOUND"
    assert under(since=now + DAY) == "NO_CERTIFICATE_CHAIN_FOUND"
    later = now + 10 * DAY
    ended = Trust(
        [
            Anchor(authority.root, frozenset({"signatures"}), until=now + DAY),
            Anchor(authority.root, frozenset({"timestamps"})),
        ],
        (),
        Evidence(crls=tuple(authority.crls())),
    )
    assert said(judged(found, ended, later)) == "TOTAL-PASSED"
    unstamped = read(signed(authority, Level.B_B))
    assert said(judged(unstamped, ended, later)) == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    over = Trust([Anchor(authority.root, USES, until=now - DAY)], (), Evidence(crls=tuple(authority.crls())))
    assert said(judged(found, over, later)) == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"


def test_a_stamp_needs_an_anchor_for_stamps() -> None:
    """Where nobody is trusted for time stamps, an expired signature is not proven to be older."""
    authority = opened()
    der = signed(authority, Level.B_T)
    after(authority, 3 * YEAR)
    found = read(der)
    assert said(judged(found, trust_in(authority), authority.now)) == "TOTAL-PASSED"
    untrusted = trust_in(authority, uses=frozenset({"signatures"}))
    report = judged(found, untrusted, authority.now)
    assert said(report) == "OUT_OF_BOUNDS_NOT_REVOKED"
    assert report.signatures[0].timestamps[0].sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    assert report.signatures[0].level == "B-B"
    assert report.signatures[0].best_time is None


def test_deltas_complete_their_full_list() -> None:
    """A delta that names the full list revokes, and lifts a hold; one that rests on a later list completes nothing."""
    authority = opened()
    person = authority.person(PARTY)
    found = read(signed(authority, Level.B_B, person))
    key, issuer, root_list = authority.intermediate_key, authority.intermediate, authority.crls()[1]
    serial, now = person.certificate.serial_number, authority.now

    def under(full: list[Revoked], delta: list[Revoked], base: int = 5) -> str:
        later = now + HOUR
        lists = [
            build_crl(key, issuer, full, 5, now),
            build_crl(key, issuer, delta, 6, later, base=base),
            root_list,
        ]
        return said(judged(found, Trust.of([authority.root], crls=lists), later))

    assert under([], []) == "TOTAL-PASSED"
    assert under([], [Revoked(serial, now)]) == "REVOKED_NO_POE"
    assert under([], [Revoked(serial, now)], base=7) == "TOTAL-PASSED"
    held = [Revoked(serial, now, "certificateHold")]
    assert under(held, []) == "TRY_LATER"
    assert under(held, [Revoked(serial, now, "removeFromCRL")]) == "TOTAL-PASSED"


def test_a_shard_tells_only_of_its_own() -> None:
    """A list of one distribution point says nothing of a certificate that names another."""
    authority = opened()
    urls = ["http://crl.example/a", "http://crl.example/b"]
    key = ec.generate_private_key(ec.SECP256R1())
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(urls[0])], None, None, None)
    certificate = certified(authority, key.public_key(), "Sharded", more=x509.CRLDistributionPoints([point]))
    found = read(ec_signature(authority, Signer(key, certificate, (authority.intermediate,))))
    root_list = authority.crls()[1]

    def under(url: str) -> str:
        shard = build_crl(
            authority.intermediate_key, authority.intermediate, [], 1, authority.now, shard_url=url
        )
        return said(judged(found, Trust.of([authority.root], crls=[shard, root_list]), authority.now))

    assert under(urls[0]) == "TOTAL-PASSED"
    assert under(urls[1]) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


def test_a_list_from_the_future_or_of_a_stranger_counts_for_nothing() -> None:
    """A list of a later day than the judgement, and one that another key signed in the issuer's name, are left out."""
    authority = opened()
    found = read(signed(authority, Level.B_B))
    root_list = authority.crls()[1]
    later = build_crl(authority.intermediate_key, authority.intermediate, [], 1, authority.now + DAY)
    forged = build_crl(ec.generate_private_key(ec.SECP256R1()), authority.intermediate, [], 1, authority.now)
    for each in (later, forged):
        trust = Trust.of([authority.root], crls=[each, root_list])
        assert said(judged(found, trust, authority.now)) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


def test_a_list_that_forgets_expired_certificates_is_silent_about_them() -> None:
    """Not being on a list proves nothing of a certificate that was over by then, unless the list keeps such ones."""
    authority = opened()
    found = read(signed(authority, Level.B_T))
    after(authority, 3 * YEAR)
    full, root_list = authority.crls()
    assert (
        said(judged(found, Trust.of([authority.root], crls=[full, root_list]), authority.now))
        == "TOTAL-PASSED"
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.intermediate.subject)
        .last_update(authority.now)
        .next_update(authority.now + DAY)
    )
    key = authority.intermediate_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    forgetful = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    trust = Trust.of([authority.root], crls=[forgetful, root_list])
    assert said(judged(found, trust, authority.now)) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


def test_an_algorithm_is_overcome_by_the_archive() -> None:
    """A certificate signed with a digest that no longer counts holds where an archive time stamp proves it older; the
    same without one does not.
    """
    authority = opened()
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certified(authority, key.public_key(), "Sha-512", digest=hashes.SHA512(), life=9 * YEAR)
    signer = Signer(key, certificate, (authority.intermediate,))
    stamped = signed(authority, Level.B_LT, signer)
    archived = renewed(authority, stamped)
    after(authority, 3 * YEAR)
    until_2028 = AlgorithmPolicy.parse(
        _policy_text().replace(b"sha512 = {}", b"sha512 = { until = 2028-01-01 }")
    )
    trust = trust_in(authority)
    assert said(judged(read(stamped), trust, authority.now)) == "TOTAL-PASSED"
    weak = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    assert said(judged(read(stamped), trust, authority.now, until_2028)) == weak
    assert said(judged(read(archived), trust, authority.now, until_2028)) == "TOTAL-PASSED"


def test_a_stamp_whose_digest_no_longer_counts_proves_nothing() -> None:
    """The digest of an imprint has to count when the stamp is proven to exist."""
    authority = opened()
    der = signed(authority, Level.B_T)
    after(authority, 3 * YEAR)
    never = AlgorithmPolicy.parse(_policy_text().replace(b"sha256 = {}", b"sha256 = { until = 2025-01-01 }"))
    report = judged(read(der), trust_in(authority), authority.now, never)
    assert not report.passed
    assert report.signatures[0].timestamps[0].indication != "TOTAL-PASSED"


def test_content_stamped_after_the_signature_is_out_of_order() -> None:
    """Two authorities that contradict each other prove nothing (EN 319 102-1 5.5.4 step 4 e)."""
    authority = opened()
    person = authority.person(PARTY)
    late = stamps_at(authority, authority.now + DAY)
    der = ec_signature(authority, person, token=authority.stamp, content_token=late)
    after(authority, 2 * DAY)
    assert said(judged(read(der), trust_in(authority), authority.now)) == "TIMESTAMP_ORDER_FAILURE"


@pytest.mark.parametrize("kind", ["P-521", "brainpool", "PSS", "Ed25519"])
def test_what_others_sign_with_is_verified(kind: str) -> None:
    """Keys and schemes that are not issued here are verified, and a wrong value of each is refused."""
    authority = opened()
    key, algorithm, sign, digest = _signers()[kind]
    certificate = certified(authority, key.public_key(), "Other")
    for expected, spoil in (("TOTAL-PASSED", False), ("SIG_CRYPTO_FAILURE", True)):
        der = plain_signature(
            certificate,
            (authority.intermediate,),
            (lambda data: sign(data + b"x")) if spoil else sign,
            algorithm=algorithm,
            digest=digest,
            at=authority.now,
        )
        assert said(judged(read(der), trust_in(authority), authority.now)) == expected


def test_the_report_says_what_it_rests_on() -> None:
    """Path, revocation and policy are named by their digests, and the time that counts is the stamp's."""
    authority = opened()
    person = authority.person(PARTY)
    stamped_at = authority.now
    der = signed(authority, Level.B_LTA, person)
    after(authority, DAY)
    trust = trust_in(authority)
    report = judged(read(der), trust, authority.now)
    (found,) = report.signatures
    assert [each.der for each in found.path] == [
        each.public_bytes(Encoding.DER)
        for each in (person.certificate, authority.intermediate, authority.root)
    ]
    assert [each.status for each in found.revocation] == ["good", "good"]
    assert (found.party, found.best_time, found.claimed_time) == (PARTY, stamped_at, stamped_at)
    assert report.policy.trust_sha256 == trust.sha256
    assert report.policy.algorithms_sha256 == hashlib.sha256(_policy_text()).hexdigest()
    numbers = [each.number for each in found.checks]
    assert len(numbers) == len(set(numbers))


def test_evidence_in_the_trust_alone_is_not_long_term() -> None:
    """A signature whose revocation information is not inside it holds, but is not of a long-term level."""
    authority = opened()
    found = read(signed(authority, Level.B_LT))
    (signature,) = found.signatures
    bare = replace(found, signatures=(replace(signature, evidence=Evidence()),))
    report = judged(bare, trust_in(authority), authority.now)
    assert report.passed
    assert report.signatures[0].level == "B-T"


def test_an_older_stamp_is_proven_by_a_newer_one_only_while_it_counted() -> None:
    """An archive time stamp that came after the end of the one it covers proves nothing of it."""
    authority = opened()
    found = read(signed(authority, Level.B_LTA))
    old = found.signatures[0].timestamps
    lists = authority.crls()
    covered = replace(old[-1].covered, timestamps=frozenset(each.identifier for each in old))
    for years, expected in ((4, "TOTAL-PASSED"), (2, "OUT_OF_BOUNDS_NOT_REVOKED")):
        after(authority, years * YEAR)
        authority.tsa = other_tsa(authority, [TIME_STAMPING])
        token = authority.stamp(b"all of it")
        late = FoundTimestamp(
            "late", "document", token, digest_of(b"all of it"), covered, token_evidence(token)
        )
        trust = Trust.of([authority.root], crls=[*lists, *authority.crls()])
        report = judged(replace(found, timestamps=(late,)), trust, authority.now + 2 * YEAR)
        assert report.timestamps[0].indication == "TOTAL-PASSED"
        assert said(report) == expected


def _policy_text() -> bytes:
    return (Path(algorithm_policy.__file__).parent / "policies" / "ades.toml").read_bytes()


_Sign = Callable[[bytes], bytes]
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def _signers() -> dict[str, tuple[_Key, bytes, _Sign, str]]:
    p521 = ec.generate_private_key(ec.SECP521R1())
    brainpool = ec.generate_private_key(ec.BrainpoolP256R1())
    pss = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    edwards = ed25519.Ed25519PrivateKey.generate()
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return {
        "P-521": (
            p521,
            algorithm_der("1.2.840.10045.4.3.4"),
            lambda data: p521.sign(data, ec.ECDSA(hashes.SHA512())),
            "sha512",
        ),
        "brainpool": (
            brainpool,
            algorithm_der("1.2.840.10045.4.3.2"),
            lambda data: brainpool.sign(data, ec.ECDSA(hashes.SHA256())),
            "sha256",
        ),
        "PSS": (pss, _pss_algorithm(), lambda data: pss.sign(data, scheme, hashes.SHA256()), "sha256"),
        "Ed25519": (edwards, algorithm_der("1.3.101.112"), edwards.sign, "sha512"),
    }


def _pss_algorithm() -> bytes:
    sha256 = asn1.HashAlgorithm(algorithm=x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"), parameters=None)
    mask = asn1.MaskGeneration(algorithm=x509.ObjectIdentifier("1.2.840.113549.1.1.8"), hash_algorithm=sha256)
    parameters = asn1.PssParameters(
        hash_algorithm=sha256, mask_generation=mask, salt_length=32, trailer_field=None
    )
    algorithm = x509.ObjectIdentifier("1.2.840.113549.1.1.10")
    return asn1.encode(asn1.SignatureAlgorithm(algorithm=algorithm, parameters=parameters))
