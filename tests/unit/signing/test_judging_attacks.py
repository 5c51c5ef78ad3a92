"""Attacks on the judgement itself: what is missing, borrowed, hidden or endless, each with what must be concluded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki import asn1
from pki.algorithms import der_of
from pki.asn1 import ades
from pki.errors import CertificateUntrusted
from pki.path_validation import find_path
from pki.signed_data import Signer
from signing.ades import archive_timestamp, cms_edit
from signing.ades.archive_timestamp import archive_imprint, token_with_index
from signing.ades.services import Evidence, Level
from signing.ades.tokens import stamped_digest
from signing.errors import DocumentTooComplex
from signing.validation import cms_stamps, revocation
from signing.validation.reading_cades import read_cades
from signing.validation.report import SubIndication
from tests.support.authority import MemoryAuthority, after, make_key
from tests.support.judged_cases import (
    CONTENT,
    ECDSA_SHA256,
    HOUR,
    PARTY,
    YEAR,
    Case,
    answer_about,
    case,
    certified,
    delegate,
    ec_signature,
    opened,
    plain_signature,
    renewed,
    signed,
)
from tests.support.signing import services_of
from tests.unit.signing.test_judging import DAY, PASSED, conclusion, judged

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
NOTHING_COUNTS = ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")
LACKS = ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")


def list_of(
    authority: MemoryAuthority,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    *revoked: x509.Certificate,
    ends: datetime | None = None,
    point: str | None = None,
) -> bytes:
    """A list past the house's own writer, made now."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(authority.now)
        .next_update(ends or authority.now + DAY)
        .add_extension(x509.CRLNumber(7), False)
    )
    if point is not None:
        names = [x509.UniformResourceIdentifier(point)]
        about = x509.IssuingDistributionPoint(names, None, False, False, None, False, False)
        builder = builder.add_extension(about, True)
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(authority.now).build())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def issued(
    authority: MemoryAuthority,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = True,
) -> x509.Certificate:
    """A certificate without key usage, past every profile."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.now - HOUR)
        .not_valid_after(authority.now + YEAR)
        .add_extension(x509.BasicConstraints(ca, None), True)
        .sign(by, hashes.SHA256())
    )


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def fresh_key() -> ec.EllipticCurvePrivateKey:
    key = make_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def roots_key(authority: MemoryAuthority) -> ec.EllipticCurvePrivateKey:
    assert isinstance(authority.root_key, ec.EllipticCurvePrivateKey)
    return authority.root_key


def no_reference_and_expired() -> Case:
    authority = opened()
    der = ec_signature(authority, authority.person(PARTY), reference=None, token=authority.stamp)
    after(authority, 3 * YEAR)
    return case(authority, der)


def no_reference_and_a_stale_list() -> Case:
    authority = opened()
    der = ec_signature(authority, authority.person(PARTY), reference=None, token=authority.stamp)
    lists = authority.crls()
    after(authority, 30 * DAY)
    return Case(der, authority.now, [authority.root], lists)


def no_claimed_time_and_revoked_later() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = ec_signature(authority, person, at=None, token=authority.stamp)
    after(authority, HOUR)
    authority.revoke(person.certificate)
    after(authority, HOUR)
    return case(authority, der)


def no_reference_but_archived() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = renewed(authority, ec_signature(authority, person, reference=None, token=authority.stamp))
    authority.revoke(person.certificate)
    after(authority, 3 * YEAR)
    return case(authority, der)


def two_references(*values: bytes) -> Case:
    authority = opened()
    person = authority.person(PARTY)
    key = person.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    own = asn1.encode(reference_to(person.certificate))
    der = ec_signature(authority, person)
    info = asn1.decode(ades.ContentInfo, der).content.signers.as_list()[0]
    assert info.signed_attributes is not None
    attributes = [
        each for each in info.signed_attributes.as_list() if each.type != ades.ID_SIGNING_CERTIFICATE_V2
    ]
    both = asn1.SetOf([asn1.tlv(each) for each in sorted((own, *values))])
    attributes.append(asn1.Attribute(type=ades.ID_SIGNING_CERTIFICATE_V2, values=both))
    info.signed_attributes = asn1.SetOf(attributes)
    info.signature = key.sign(asn1.encode(info.signed_attributes), ec.ECDSA(hashes.SHA256()))
    outer = asn1.decode(ades.ContentInfo, der)
    outer.content.signers = asn1.SetOf([info])
    return case(authority, asn1.encode(outer))


def reference_to(certificate: x509.Certificate) -> asn1.SigningCertificateV2:
    digest = hashlib.sha256(der_of(certificate)).digest()
    one = asn1.EssCertIdV2(hash_algorithm=None, certificate_hash=digest, issuer_serial=None)
    return asn1.SigningCertificateV2(certificates=[one], policies=None)


def named_beside_another() -> Case:
    return two_references(asn1.encode(reference_to(opened().root)))


def named_beside_something_else() -> Case:
    return two_references(b"\x05\x00")


def lists_without_end() -> Case:
    authority = opened()
    der = signed(authority, Level.B_LTA)
    after(authority, HOUR)
    key = authority.intermediate_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    lists = [
        list_of(authority, key, authority.intermediate, ends=NEVER),
        list_of(authority, roots_key(authority), authority.root, ends=NEVER),
    ]
    return Case(der, authority.now, [authority.root], lists)


def list_passed_off_as_a_certificate() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der, before = signed(authority, Level.B_B, person), authority.crls()
    after(authority, HOUR)
    authority.revoke(person.certificate)
    now = authority.crls()
    parts = cms_edit.read_parts(der).with_evidence(Evidence(crls=(before[0], *now)))
    (signer,) = parts.signers
    hiding = signer.with_unsigned(ades.ID_CERTIFICATE_VALUES, asn1.wrap(0x30, now[0]))
    return Case(parts.with_signer(signer, hiding).write(), authority.now, [authority.root])


def list_by_another_of_the_name(*, revoked: bool = False, ca: bool = True) -> Case:
    authority = opened()
    key = fresh_key()
    name, root = authority.intermediate.subject, authority.root.subject
    other = issued(authority, name, root, key, roots_key(authority), ca=ca)
    der = signed(authority, Level.B_B)
    after(authority, HOUR)
    told = list_of(authority, roots_key(authority), authority.root, *([other] if revoked else []))
    lists = [told, list_of(authority, key, other)]
    return Case(der, authority.now, [authority.root], lists, intermediates=[other])


def list_by_a_former_key() -> Case:
    return list_by_another_of_the_name()


def list_by_a_revoked_key() -> Case:
    return list_by_another_of_the_name(revoked=True)


def list_by_no_authority() -> Case:
    return list_by_another_of_the_name(ca=False)


def answer_by_a_delegate_revoked_later(*, archived: bool = False) -> Case:
    # The library dates every answer by the machine's clock.
    authority = opened(datetime.now(UTC).replace(microsecond=0) - 2 * HOUR)
    point, key = "http://lists.example/1", fresh_key()
    names = [x509.UniformResourceIdentifier(point)]
    points = x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])
    purposes = [ExtendedKeyUsageOID.OCSP_SIGNING]
    certificate = certified(
        authority, key.public_key(), "Answers", purposes=purposes, nocheck=True, more=points
    )
    person = authority.person(PARTY)
    der = signed(authority, Level.B_T, person)
    after(authority, HOUR)
    answer = answer_about(authority, person.certificate, responder=Signer(key, certificate))
    if archived:
        inside = Evidence(crls=tuple(authority.crls()[1:]), ocsps=(answer,))
        der = renewed(authority, cms_edit.read_parts(der).with_evidence(inside).write())
    after(authority, HOUR)
    own = authority.intermediate_key
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    lists = [list_of(authority, own, authority.intermediate, certificate, point=point), authority.crls()[1]]
    return Case(der, authority.now, [authority.root], lists, [answer])


def answer_that_was_archived_before() -> Case:
    return answer_by_a_delegate_revoked_later(archived=True)


def answer_by_a_key_that_nobody_knows() -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = signed(authority, Level.B_B, person)
    answer = answer_about(authority, person.certificate, responder=delegate(authority))
    known, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0209")
    given = case(authority, der)
    return Case(der, given.at, given.roots, given.crls, [answer.replace(known, unknown)])


CASES: list[tuple[Callable[[], Case], tuple[str, str | None]]] = [
    (no_reference_and_expired, LACKS),
    (no_reference_and_a_stale_list, LACKS),
    (no_claimed_time_and_revoked_later, LACKS),
    (no_reference_but_archived, LACKS),
    (named_beside_another, ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")),
    (named_beside_something_else, ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")),
    (lists_without_end, PASSED),
    (list_passed_off_as_a_certificate, ("INDETERMINATE", "REVOKED_NO_POE")),
    (list_by_a_former_key, PASSED),
    (list_by_a_revoked_key, NOTHING_COUNTS),
    (list_by_no_authority, NOTHING_COUNTS),
    (answer_by_a_delegate_revoked_later, ("INDETERMINATE", "REVOCATION_OUT_OF_BOUNDS_NO_POE")),
    (answer_that_was_archived_before, PASSED),
    (answer_by_a_key_that_nobody_knows, PASSED),
]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[each[0].__name__ for each in CASES])
def test_each_attack_has_its_indication(make: Callable[[], Case], expected: tuple[str, str | None]) -> None:
    """What the signature lacks no later time makes good, and evidence counts by whom it is from and when."""
    (found,) = judged(make()).signatures
    assert conclusion(found) == expected, found.detail


def test_an_index_by_a_weak_digest_proves_nothing() -> None:
    """An archive time stamp that names its evidence by SHA-1 is none, though its own imprint is by SHA-256."""
    authority = opened()
    parts = cms_edit.read_parts(signed(authority, Level.B_LT))
    (signer,) = parts.signers
    digests = (
        archive_timestamp._by_digest(parts.certificates, "sha1"),
        archive_timestamp._by_digest(parts.revocations, "sha1"),
        archive_timestamp._attribute_digests(signer, "sha1"),
    )
    sha1 = asn1.HashAlgorithm(algorithm=x509.ObjectIdentifier("1.3.14.3.2.26"), parameters=None)
    lists = [archive_timestamp._write_digests(each) for each in digests]
    index = asn1.wrap(0x30, asn1.encode(sha1), *lists)
    stamps = services_of(authority).stamps
    assert stamps is not None
    imprint = archive_imprint(parts, signer, index, lambda name: hashlib.new(name, CONTENT).digest())
    token = token_with_index(stamped_digest(stamps, "sha256", imprint("sha256")), index)
    archived = parts.with_signer(signer, signer.with_unsigned(ades.ID_ARCHIVE_TIME_STAMP_V3, token))
    (found,) = judged(case(authority, archived.write())).signatures
    assert found.level == Level.B_LT.value
    assert [each.sub_indication for each in found.timestamps if each.kind == "archive"] == [
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
    ]


@pytest.mark.parametrize("keys", [1, 40])
def test_certificates_that_name_each_other_have_an_end(keys: int) -> None:
    """Forty authorities of one name, by one key or each by the next one's, are no way to anybody trusted."""
    authority = opened()
    own = [fresh_key() for _ in range(keys)]
    circle = [
        issued(authority, named("X"), named("X"), own[each % keys], own[(each + 1) % keys])
        for each in range(40)
    ]
    key = fresh_key()
    leaf = issued(authority, named("Leaf"), named("X"), key, own[0], ca=False)

    def sign(data: bytes) -> bytes:
        return key.sign(data, ec.ECDSA(hashes.SHA256()))

    der = plain_signature(leaf, circle, sign, algorithm=ECDSA_SHA256, at=authority.now)
    (found,) = judged(case(authority, der)).signatures
    assert conclusion(found) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
    with pytest.raises(CertificateUntrusted):
        find_path(leaf, circle[:10], [authority.root], authority.now)


def test_the_stamps_of_a_file_are_counted_and_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """More time stamps than anybody gives are refused before one is read; of those read the file is cut once."""
    authority = opened()
    der = renewed(authority, renewed(authority, signed(authority, Level.B_LTA)))
    cut: list[bytes] = []
    plain = cms_stamps.read_parts
    monkeypatch.setattr(cms_stamps, "read_parts", lambda data: (cut.append(data), plain(data))[1])
    (found,) = read_cades(der, cms_stamps.digest_of(CONTENT)).signatures
    assert len(found.timestamps) == 4
    assert cut == [der]
    monkeypatch.setattr(cms_stamps, "MAX_ALL_STAMPS", 3)
    with pytest.raises(DocumentTooComplex) as refused:
        read_cades(der, None)
    assert refused.value.fields["limit"] == "timestamps"


def test_of_strangers_no_signature_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists in the issuer's name by certificates of that name cost one look each, for they lead to nobody trusted."""
    authority = opened()
    key, name = fresh_key(), authority.intermediate.subject
    strangers = [issued(authority, name, authority.root.subject, key, key) for _ in range(30)]
    later = [authority.now + (number + 1) * DAY for number in range(30)]
    lists = [list_of(authority, key, strangers[0], ends=each) for each in later]
    given = case(authority, signed(authority, Level.B_B))
    tried: list[x509.Certificate] = []
    plain = revocation._signed_list
    monkeypatch.setattr(
        revocation,
        "_signed_list",
        lambda found, candidate: (tried.append(candidate), plain(found, candidate))[1],
    )
    crowded = Case(given.der, given.at, given.roots, [*given.crls, *lists], intermediates=strangers)
    (found,) = judged(crowded).signatures
    assert conclusion(found) == PASSED
    assert not {der_of(each) for each in tried} & {der_of(each) for each in strangers}
