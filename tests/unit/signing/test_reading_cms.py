"""CMS of anybody is read: OpenSSL's in every encoding, with several signers, with evidence and stamps inside."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pki import asn1
from pki.algorithms import der_of
from pki.asn1 import ades
from pki.signed_data import Signer
from signing.ades.cades import sign_file
from signing.ades.cms_edit import read_parts
from signing.ades.services import Level
from signing.cms import sign_detached
from signing.validation import ber
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.cms_evidence import attribute_evidence, whole_answer
from signing.validation.cms_stamps import digest_of
from signing.validation.contents import CmsSignature, NotCovered
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.reading_cades import read_cades
from signing.validation.reading_cms import read_cms, read_contents
from signing.validation.report import SubIndication
from signing.validation.trust import Trust
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.openssl import run_openssl, write_signer
from tests.support.signing import services_of

CONTENT = "قرارداد آسفالت".encode()


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture(scope="module")
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-0012345678")


def holds(cms: CmsSignature, content: bytes) -> bool:
    """Whether digest and signature value are right, by the bare primitives."""
    assert cms.certificate is not None
    key = cms.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(cms.signature, cms.signed_bytes, ec.ECDSA(hashes.SHA256()))
    return hashlib.sha256(content).digest() == cms.message_digest


@pytest.mark.parametrize(
    ("options", "is_der", "inside"),
    [
        (("-outform", "DER"), True, False),
        (("-outform", "PEM"), True, False),
        (("-outform", "DER", "-nodetach"), True, True),
        (("-outform", "DER", "-nodetach", "-stream"), False, True),
        (("-outform", "DER", "-keyid"), True, False),
        (("-outform", "DER", "-cades"), True, False),
    ],
)
def test_openssl_in_every_encoding(
    tmp_path: Path, signer: Signer, options: tuple[str, ...], is_der: bool, inside: bool
) -> None:
    """DER, PEM and indefinite lengths, detached or not, named by issuer or key: what was signed is computed right."""
    write_signer(tmp_path, "person", signer.key, signer.certificate)
    (tmp_path / "content").write_bytes(CONTENT)
    command = ["cms", "-sign", "-binary", "-in", "content", "-out", "signed", *options]
    agreed, said = run_openssl(tmp_path, *command, "-signer", "person.pem", "-inkey", "person.key")
    assert agreed, said

    found = read_document(tmp_path / "signed", content=None if inside else tmp_path / "content")

    (signature,) = found.signatures
    assert signature.cms is not None
    assert signature.content is not None
    assert holds(signature.cms, CONTENT)
    assert signature.content("sha256") == signature.cms.message_digest
    assert signature.cms.is_der is is_der
    assert not any(each.fatal for each in signature.findings)


def test_several_signers_are_told_apart(tmp_path: Path, authority: MemoryAuthority) -> None:
    """Two SignerInfos of one CMS are two signatures, each with its own certificate."""
    (tmp_path / "content").write_bytes(CONTENT)
    command = ["cms", "-sign", "-binary", "-in", "content", "-out", "signed", "-outform", "DER"]
    for name in ("first", "second"):
        person = authority.person(f"IR-{name}")
        write_signer(tmp_path, name, person.key, person.certificate)
        command += ["-signer", f"{name}.pem", "-inkey", f"{name}.key"]
    agreed, said = run_openssl(tmp_path, *command)
    assert agreed, said

    found = read_cms((tmp_path / "signed").read_bytes())

    assert all(holds(each, CONTENT) for each in found)
    assert len({each.certificate for each in found}) == 2


def test_unsorted_sets_are_read_as_they_were_signed(authority: MemoryAuthority, signer: Signer) -> None:
    """Attributes and certificates in another order than DER has: read, said to be no DER, and still what was signed."""
    parts = read_parts(sign_detached(CONTENT, signer, at=authority.now))
    (info,) = parts.signers
    attributes = asn1.wrap(0xA0, *(each.raw for each in reversed(info.signed)))
    fields = (*info.fields[:3], attributes, *info.fields[4:])
    certificates = tuple(reversed(parts.certificates))
    unsorted = replace(parts, certificates=certificates, signers=(replace(info, fields=fields),)).write()

    contents = read_contents(unsorted)

    assert [each.code for each in contents.findings] == ["not-der"]
    assert holds(contents.signers[0].cms, CONTENT)
    assert set(contents.signers[0].cms.certificates) == {signer.certificate, *signer.chain}


def test_what_is_der_already_stays_as_it_is(authority: MemoryAuthority, signer: Signer) -> None:
    """Bringing DER into DER changes no byte."""
    der = sign_detached(CONTENT, signer, at=authority.now, timestamp=authority.stamp)

    assert ber.to_der(der) == der


def test_a_certificate_of_the_same_name_and_number_is_not_taken(
    authority: MemoryAuthority, signer: Signer
) -> None:
    """Of two certificates with the signer's issuer and number the one that the signature names by digest counts."""
    outer = asn1.decode(ades.ContentInfo, sign_detached(CONTENT, signer, at=authority.now))
    true = der_of(signer.certificate)
    forged = true[:-1] + bytes([true[-1] ^ 1])
    for first, second in ((true, forged), (forged, true)):
        outer.content.certificates = None
        contents = read_contents(asn1.encode(outer), [*map(x509.load_der_x509_certificate, (first, second))])
        assert contents.signers[0].cms.certificate == signer.certificate


def test_what_cannot_be_read_inside_is_a_finding(authority: MemoryAuthority, signer: Signer) -> None:
    """Certificates that are none, or of a version that there is not, and unknown revocation values are told."""
    outer = asn1.decode(ades.ContentInfo, sign_detached(CONTENT, signer, at=authority.now))
    kept = [] if outer.content.certificates is None else outer.content.certificates.as_list()
    unknown_version = der_of(signer.certificate).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)
    broken = [asn1.tlv(b"\x30\x03\x02\x01\x05"), asn1.tlv(unknown_version)]
    outer.content.certificates = asn1.SetOf([*kept, *broken])
    outer.content.revocations = asn1.SetOf([asn1.tlv(b"\xa1\x05\x06\x03\x2a\x03\x04")])

    contents = read_contents(asn1.encode(outer))

    assert sorted(each.code for each in contents.findings) == [
        *["certificate-unreadable"] * 2,
        "revocation-value-unknown",
    ]
    assert holds(contents.signers[0].cms, CONTENT)


def test_evidence_in_attributes_is_read(authority: MemoryAuthority, signer: Signer) -> None:
    """Revocation values and Adobe's archival attribute give the same list and answer, as whole answers."""
    (cms,) = read_cms(sign_detached(CONTENT, signer, at=authority.now))
    crl, basic = authority.crls()[0], b"\x30\x03\x02\x01\x07"
    answers = {ades.ID_REVOCATION_VALUES: basic, ades.ID_ADBE_REVOCATION: whole_answer(basic)}
    for name, answer in answers.items():
        value = asn1.wrap(
            0x30,
            asn1.wrap(0xA0, asn1.wrap(0x30, crl)),
            asn1.wrap(0xA1, asn1.wrap(0x30, answer)),
        )
        evidence, findings = attribute_evidence(replace(cms, unsigned={name.dotted_string: (value,)}))

        assert (evidence.crls, evidence.ocsps, findings) == ((crl,), (whole_answer(basic),), ())


def test_every_stamp_holds_and_says_what_it_covers(
    tmp_path: Path, authority: MemoryAuthority, signer: Signer
) -> None:
    """Of a CAdES B-LTA signature the stamps' imprints are those in the tokens, and the archive covers all before it."""
    (tmp_path / "content").write_bytes(CONTENT)
    der = sign_file(tmp_path / "content", signer, Level.B_LTA, services_of(authority), at=authority.now)

    (found,) = read_cades(der, digest_of(CONTENT)).signatures
    signature, archive = found.timestamps

    assert (signature.kind, archive.kind) == ("signature", "archive")
    assert all(each.imprint("sha256") in each.token for each in found.timestamps)
    assert archive.covered.signatures == {found.identifier}
    assert archive.covered.timestamps == {signature.identifier}
    assert {hashlib.sha256(each).digest() for each in found.evidence.crls} <= archive.covered.evidence


def test_a_missing_or_other_content_is_not_covered_over(
    tmp_path: Path, authority: MemoryAuthority, signer: Signer
) -> None:
    """Without its content the archive stamp says so; beside an enveloping signature another file is refused."""
    (tmp_path / "content").write_bytes(CONTENT)
    services = services_of(authority)
    detached = sign_file(tmp_path / "content", signer, Level.B_LTA, services, at=authority.now)
    enveloping = sign_file(
        tmp_path / "content", signer, Level.B_B, services, at=authority.now, enveloping=True
    )

    (alone,) = read_cades(detached, None).signatures
    (other,) = read_document(enveloping, content=b"another file").signatures

    assert alone.content is None
    with pytest.raises(NotCovered):
        alone.timestamps[-1].imprint("sha256")
    assert [each.code for each in other.findings if each.fatal] == ["content-mismatch"]


@pytest.mark.parametrize(
    ("content_is_the_attributes", "expected"),
    [(True, SubIndication.SIG_CONSTRAINTS_FAILURE), (False, SubIndication.SIG_CRYPTO_FAILURE)],
)
def test_attributes_do_not_pass_for_content(
    authority: MemoryAuthority, signer: Signer, content_is_the_attributes: bool, expected: SubIndication
) -> None:
    """A signature whose signed attributes were taken out, and offered as what was signed, never passes."""
    info = asn1.decode(ades.ContentInfo, sign_detached(CONTENT, signer, at=authority.now))
    (one,) = info.content.signers.as_list()
    attributes = asn1.encode(one.signed_attributes)
    one.signed_attributes = None
    info.content.signers = asn1.SetOf([one])
    offered = attributes if content_is_the_attributes else CONTENT
    trust = Trust.of([authority.root], [authority.intermediate], authority.crls())

    document = read_document(asn1.encode(info), content=offered)
    report = judge(document, trust, AlgorithmPolicy.default(), at=authority.now, made_at=authority.now)

    assert not report.passed
    assert report.signatures[0].sub_indication is expected
