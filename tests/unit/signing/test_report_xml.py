"""The XML of TS 119 102-2: valid by ETSI's schema whatever a report holds, true to it, sealed as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from lxml import etree

from kernel.canonical import from_base64
from pki.algorithms import der_of
from signing.cms import verify_detached
from signing.validation.contents import Finding
from signing.validation.report import Indication, SubIndication, ValidationReport
from signing.validation.report_json import sign_bytes
from signing.validation.report_xml import report_xml
from tests.support.authority import make_authority
from tests.support.dss import LIBS
from tests.support.etsi_schema import report_schema
from tests.support.reports import report, signature_report, stamp_report
from tests.unit.signing.test_report_html import hostile_report
from tests.unit.signing.test_report_json import full_report

SPACES = {"vr": "http://uri.etsi.org/19102/v1.4.1#", "ds": "http://www.w3.org/2000/09/xmldsig#"}
FAILED = {
    SubIndication.FORMAT_FAILURE,
    SubIndication.HASH_FAILURE,
    SubIndication.SIG_CRYPTO_FAILURE,
    SubIndication.REVOKED,
    SubIndication.EXPIRED,
    SubIndication.NOT_YET_VALID,
}


@cache
def schema() -> Any:
    return report_schema(LIBS.fetch())


def valid_tree(made: ValidationReport, seal: x509.Certificate | None = None) -> Any:
    """The XML as a tree, which ETSI's schema takes."""
    tree = etree.fromstring(report_xml(made, seal))
    assert schema().validate(tree), schema().error_log
    return tree


def text_of(tree: Any, path: str) -> Sequence[str]:
    found: Sequence[str] = tree.xpath(f"{path}/text()", namespaces=SPACES)
    return found


def test_full_report() -> None:
    """Signatures, checks, times and objects are those of the report, and the bytes are the same each time."""
    authority = make_authority()
    made = full_report(authority)
    tree = valid_tree(made)
    assert report_xml(made) == report_xml(made)
    status = "/*/vr:SignatureValidationReport/vr:SignatureValidationStatus"
    assert text_of(tree, f"{status}/vr:MainIndication") == [
        "urn:etsi:019102:mainindication:total-passed",
        "urn:etsi:019102:mainindication:total-failed",
    ]
    assert text_of(tree, f"{status}/vr:SubIndication") == ["urn:etsi:019102:subindication:HASH_FAILURE"]
    assert text_of(tree, "//vr:SignatureIdentifier/vr:DAIdentifier") == ["signature-1", "signature-2"]
    checks = text_of(tree, "/*/vr:SignatureValidationReport[1]//vr:ValidationConstraintIdentifier")
    assert checks == [f"urn:mohr:check:{each.number}:{each.name}" for each in made.signatures[0].checks]
    times = text_of(tree, "//vr:ValidationTimeInfo/vr:ValidationTime")
    assert times == ["2026-11-24T08:00:00Z", "2026-11-24T08:00:00Z"]
    value = from_base64(text_of(tree, "//ds:SignatureValue")[0])
    assert value == made.signatures[0].signature_value
    certificates = {from_base64(each) for each in text_of(tree, "//vr:ValidationObject//vr:base64")}
    assert certificates == {each.der for found in made.signatures for each in found.path} | {
        der_of(authority.tsa_signer.certificate)
    }


def test_what_a_stamp_proves() -> None:
    """A valid time stamp proves the signature, certificate and list that it covers; a broken one nothing."""
    authority = make_authority()
    signature = signature_report(authority)
    covered = ("signature-1", signature.path[1].fingerprint, signature.revocation[0].sha256)
    stamp = dataclasses.replace(stamp_report(authority), covered=covered)
    broken = dataclasses.replace(stamp, indication=Indication.TOTAL_FAILED)
    proven = valid_tree(report(authority, dataclasses.replace(signature, timestamps=(stamp,))))
    assert proven.xpath("//vr:BestSignatureTime/vr:POEObject/@VOReference", namespaces=SPACES) == [
        "timestamp-1"
    ]
    objects = proven.xpath("//vr:POEProvisioning/vr:ValidationObject/@VOReference", namespaces=SPACES)
    assert objects == [f"certificate-{covered[1]}", f"revocation-{covered[2]}"]
    assert text_of(proven, "//vr:POEProvisioning/vr:SignatureReference/vr:PAdESFieldName") == ["signature-1"]
    assert len(proven.xpath("//vr:ValidationObject/vr:POE/vr:POEObject", namespaces=SPACES)) == 2
    unproven = valid_tree(report(authority, dataclasses.replace(signature, timestamps=(broken,))))
    assert not unproven.xpath("//vr:POEObject | //vr:POEProvisioning", namespaces=SPACES)
    cades = dataclasses.replace(signature, form="CAdES", timestamps=(stamp,))
    assert len(text_of(valid_tree(report(authority, cades)), "//vr:SignatureReference/vr:DigestValue")) == 1


def test_a_stamp_of_the_whole_file_stands_once() -> None:
    """A time stamp that signatures and file name is one object, to which each signature refers."""
    authority = make_authority()
    stamp = dataclasses.replace(
        stamp_report(authority), kind="document", covered=("signature-1", "signature-2")
    )
    both = [
        dataclasses.replace(signature_report(authority, identifier=name), timestamps=(stamp,), name=name)
        for name in stamp.covered
    ]
    tree = valid_tree(dataclasses.replace(report(authority, *both), timestamps=(stamp,)))
    assert tree.xpath("//vr:ValidationObject[vr:ValidationReport]/@id", namespaces=SPACES) == ["timestamp-1"]
    referred = tree.xpath("//vr:DocTimeStamp/vr:AttributeObject/@VOReference", namespaces=SPACES)
    assert referred == ["timestamp-1", "timestamp-1"]
    assert text_of(tree, "//vr:PAdESFieldName") == ["signature-1", "signature-2"]


@pytest.mark.parametrize("sub", SubIndication)
def test_every_sub_indication(sub: SubIndication) -> None:
    """Each sub-indication has its identifier of the standard; CUSTOM has one of this installation's own."""
    authority = make_authority()
    indication = Indication.TOTAL_FAILED if sub in FAILED else Indication.INDETERMINATE
    tree = valid_tree(report(authority, signature_report(authority, sub=sub, indication=indication)))
    (found,) = text_of(tree, "/*/vr:SignatureValidationReport/vr:SignatureValidationStatus/vr:SubIndication")
    base = "urn:mohr" if sub is SubIndication.CUSTOM else "urn:etsi:019102"
    assert found == f"{base}:subindication:{sub.value}"


def test_revoked() -> None:
    """Time, reason and list of each revocation stand in the report of the signature."""
    authority = make_authority()
    signature = signature_report(authority, sub=SubIndication.REVOKED, indication=Indication.TOTAL_FAILED)
    revoked = tuple(
        dataclasses.replace(each, status="revoked", revoked_at=authority.now, reason="keyCompromise")
        for each in signature.revocation
    )
    tree = valid_tree(report(authority, dataclasses.replace(signature, revocation=revoked)))
    reasons = text_of(tree, "//vr:RevocationStatusInformation/vr:RevocationReason")
    assert reasons == ["urn:etsi:019102:revocationReason:keyCompromise"] * 2
    assert text_of(tree, "//vr:RevocationTime") == ["2026-11-24T08:00:00Z"] * 2


def test_schema_whatever_is_inside() -> None:
    """Hostile texts, a signature that could not be read, and a file without any are valid by the schema as well."""
    authority = make_authority()
    hostile = hostile_report(authority)
    odd = "a\x00\ud800"
    tree = valid_tree(dataclasses.replace(hostile, name=odd, findings=(Finding("odd", odd),)))
    assert not tree.xpath("//*[local-name() = 'script']")
    bare = dataclasses.replace(
        signature_report(authority, sub=SubIndication.FORMAT_FAILURE, indication=Indication.TOTAL_FAILED),
        party=None,
        signer=None,
        claimed_time=None,
        best_time=None,
        digest_algorithm=None,
        signature_algorithm=None,
        signature_value=b"",
        signed_digest=None,
        path=(),
        revocation=(),
        timestamps=(),
        checks=(),
        reason=None,
        location=None,
    )
    valid_tree(report(authority, bare, indication=Indication.TOTAL_FAILED))
    unsigned = valid_tree(report(authority, indication=Indication.INDETERMINATE))
    assert text_of(unsigned, "//vr:SubIndication") == ["urn:mohr:subindication:no-signature-found"]


def test_sealed() -> None:
    """The XML names the seal that signs it, and its bytes are sealed as they are."""
    authority = make_authority()
    seal = authority.service("IRO-VERIFIER", "Verification")
    written = report_xml(full_report(authority), seal.certificate)
    assert schema().validate(etree.fromstring(written))
    signed = sign_bytes(written, seal, authority.now, authority.stamp)
    verify_detached(
        signed.document, signed.signature, authority.trust_store(), now=authority.now, party="IRO-VERIFIER"
    )
    named = etree.fromstring(written).xpath("//*[local-name() = 'X509Certificate']/text()")
    assert [from_base64(each) for each in named] == [der_of(seal.certificate)]
