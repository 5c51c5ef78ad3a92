"""Attacks on the judgement itself: what is missing, borrowed, hidden or endless, each with what must be concluded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

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
from signing.ades.cades import sign_file
from signing.ades.levels import _archived
from signing.ades.services import Evidence, Level
from signing.ades.tokens import stamped_digest
from signing.errors import DocumentTooComplex
from signing.validation import cms_stamps, revocation
from signing.validation.cms_stamps import digest_of
from signing.validation.material import FoundList
from signing.validation.reading_cades import read_cades
from signing.validation.report import SubIndication
from tests.support.authority import MemoryAuthority, after, make_key
from tests.support.judged_cases import (
    CONTENT,
    ECDSA_SHA256,
    HOUR,
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
    signed,
    stamped_by,
)
from tests.support.signing import services_of
from tests.unit.signing.test_judging import DAY, PASSED, conclusion, judged

# When SHA-224 is over.
IN_2029 = datetime(2029, 2, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
NOTHING_COUNTS = ("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")
UNPROVEN = ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")
LACKS = ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")


def list_of(
    authority: MemoryAuthority,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    *revoked: x509.Certificate,
    ends: datetime | None = None,
    digest: hashes.HashAlgorithm | None = None,
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
    return builder.sign(key, digest or hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]


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


def resigned(
    authority: MemoryAuthority, type_: x509.ObjectIdentifier, *values: bytes, person: Signer | None = None
) -> bytes:
    """A signature with these values for one of its signed attributes."""
    person = person or authority.person(PARTY)
    key = person.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    outer = asn1.decode(ades.ContentInfo, ec_signature(authority, person))
    (info,) = outer.content.signers.as_list()
    assert info.signed_attributes is not None
    kept = [each for each in info.signed_attributes.as_list() if each.type != type_]
    found = asn1.SetOf([asn1.tlv(each) for each in sorted(values)])
    info.signed_attributes = asn1.SetOf([*kept, asn1.Attribute(type=type_, values=found)])
    info.signature = key.sign(asn1.encode(info.signed_attributes), ec.ECDSA(hashes.SHA256()))
    outer.content.signers = asn1.SetOf([info])
    return asn1.encode(outer)


def two_references(other: bytes) -> Case:
    authority = opened()
    person = authority.person(PARTY)
    own = asn1.encode(reference_to(person.certificate))
    der = resigned(authority, ades.ID_SIGNING_CERTIFICATE_V2, own, other, person=person)
    return case(authority, der)


def content_of_another_type() -> Case:
    given = another_content_type()
    outer = asn1.decode(ades.ContentInfo, given.der)
    outer.content.encapsulated = ades.EncapsulatedContent(content_type=ades.ID_TST_INFO, content=None)
    return Case(asn1.encode(outer), given.at, given.roots, given.crls)


def another_content_type() -> Case:
    authority = opened()
    return case(authority, resigned(authority, ades.ID_CONTENT_TYPE, asn1.encode(ades.ID_TST_INFO)))


def two_message_digests() -> Case:
    authority = opened()
    both = [asn1.encode(hashlib.sha256(each).digest()) for each in (CONTENT, b"another")]
    return case(authority, resigned(authority, ades.ID_MESSAGE_DIGEST, *both))


def weak_digest_of_the_content() -> Case:
    authority = opened()
    return case(authority, ec_signature(authority, authority.person(PARTY), digest="sha1"))


def claimed_after_its_certificate() -> Case:
    authority = opened()
    return case(authority, ec_signature(authority, authority.person(PARTY), at=authority.now + 3 * YEAR))


def weak_and_stamped_too_late(*, archived: bool = False) -> Case:
    authority = opened()
    person = authority.person(PARTY)
    der = ec_signature(authority, person, digest="sha1", token=authority.stamp)
    if archived:
        parts = cms_edit.read_parts(der).with_evidence(Evidence(crls=tuple(authority.crls())))
        services, content = services_of(authority), digest_of(CONTENT)
        der = _archived(parts, parts.signers[0], services, content, "sha256").write()
        authority.revoke(person.certificate)
    after(authority, 3 * YEAR)
    return case(authority, der)


def weak_and_archived_too_late() -> Case:
    return weak_and_stamped_too_late(archived=True)


def nothing_told_of_the_authority() -> Case:
    authority = opened()
    return Case(signed(authority, Level.B_B), authority.now, [authority.root], authority.crls()[:1])


def list_by_a_weak_digest() -> Case:
    authority = opened(IN_2029)
    key = authority.intermediate_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    der = signed(authority, Level.B_B)
    after(authority, HOUR)
    weak = list_of(authority, key, authority.intermediate, digest=hashes.SHA224())
    return Case(der, authority.now, [authority.root], [weak, authority.crls()[1]])


def stamped_and_expired(make: Callable[[MemoryAuthority, bytes], bytes]) -> Case:
    authority = opened()
    der = ec_signature(authority, authority.person(PARTY), token=lambda value: make(authority, value))
    after(authority, 3 * YEAR)
    return case(authority, der)


def stamped_by_a_certificate_without_the_critical_purpose() -> Case:
    authority = opened()
    der = stamped_by(authority, other_tsa(authority, [TIME_STAMPING], critical=False))
    after(authority, 3 * YEAR)
    return case(authority, der)


def stamped_with_other_content() -> Case:
    def make(authority: MemoryAuthority, value: bytes) -> bytes:
        told = cms_edit.read_parts(authority.stamp(value)).content
        who, at = authority.tsa_signer, authority.now
        return sign_file(BytesIO(told or b""), who, Level.B_B, services_of(authority), at=at, enveloping=True)

    return stamped_and_expired(make)


def archived_over_a_stamp_of_something_else() -> Case:
    authority = opened()
    der = ec_signature(authority, authority.person(PARTY), token=lambda value: authority.stamp(b"other"))
    parts = cms_edit.read_parts(der)
    (signer,) = parts.signers
    after(authority, 3 * YEAR)
    return case(authority, _archived(parts, signer, services_of(authority), digest_of(CONTENT)).write())


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
    (another_content_type, ("TOTAL-FAILED", "FORMAT_FAILURE")),
    (content_of_another_type, ("TOTAL-FAILED", "FORMAT_FAILURE")),
    (two_message_digests, ("TOTAL-FAILED", "FORMAT_FAILURE")),
    (weak_digest_of_the_content, ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")),
    (weak_and_stamped_too_late, ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")),
    (weak_and_archived_too_late, ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")),
    (claimed_after_its_certificate, LACKS),
    (nothing_told_of_the_authority, NOTHING_COUNTS),
    (list_by_a_weak_digest, ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")),
    (stamped_by_a_certificate_without_the_critical_purpose, UNPROVEN),
    (stamped_with_other_content, UNPROVEN),
    (archived_over_a_stamp_of_something_else, UNPROVEN),
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


def test_evidence_that_came_after_the_archive_is_not_archived() -> None:
    """What an archive time stamp does not name it does not cover: the level is what was there when it was made."""
    authority = opened()
    services = services_of(authority)
    parts = cms_edit.read_parts(signed(authority, Level.B_T))
    (signer,) = parts.signers
    archived = _archived(parts, signer, services, digest_of(CONTENT))
    whole = cms_edit.read_parts(signed(authority, Level.B_LT)).evidence | Evidence(
        crls=tuple(authority.crls())
    )
    later = archived.with_evidence(whole).write()
    (found,) = judged(case(authority, later, lists=False)).signatures
    assert (conclusion(found), found.level) == (PASSED, Level.B_LT.value)


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

    def counted(data: bytes) -> cms_edit.SignedDataParts:
        cut.append(data)
        return cms_edit.read_parts(data)

    monkeypatch.setattr(cms_stamps, "read_parts", counted)
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

    def counted(found: FoundList, candidate: x509.Certificate) -> bool:
        tried.append(candidate)
        return plain(found, candidate)

    monkeypatch.setattr(revocation, "_signed_list", counted)
    crowded = Case(given.der, given.at, given.roots, [*given.crls, *lists], intermediates=strangers)
    (found,) = judged(crowded).signatures
    assert conclusion(found) == PASSED
    assert not {der_of(each) for each in tried} & {der_of(each) for each in strangers}
