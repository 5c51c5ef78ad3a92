"""A report as JSON: canonical, sealed, read back exactly, and never taken from somebody else."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from kernel.canonical import canonical_bytes
from kernel.errors import LimitExceeded, MalformedInput
from signing.cms import examine_detached
from signing.errors import SignatureInvalid, WrongSigner
from signing.validation import report_json
from signing.validation.contents import Change, Finding
from signing.validation.report import Indication, SubIndication, ValidationReport
from signing.validation.report_json import read_report, report_bytes, report_of, schema, sign_report
from tests.support.authority import MemoryAuthority, make_authority
from tests.support.reports import report, signature_report, stamp_report


def full_report(authority: MemoryAuthority) -> ValidationReport:
    """Two signatures and a time stamp of the file; every kind of value occurs, None among them."""
    failed = signature_report(
        authority,
        identifier="signature-2",
        sub=SubIndication.HASH_FAILURE,
        indication=Indication.TOTAL_FAILED,
        changes=(Change("page-added", "page 3", False, "page 3", 2),),
        findings=(Finding("der-required", "the signature is BER", fatal=False),),
    )
    return dataclasses.replace(
        report(authority, signature_report(authority), failed, indication=Indication.TOTAL_FAILED),
        timestamps=(dataclasses.replace(stamp_report(authority, "document-1"), kind="document", time=None),),
        findings=(Finding("trailing-bytes", "12 bytes"),),
    )


def test_round_trip() -> None:
    """What was judged is read back, value for value, from the sealed bytes; each certificate stands in them once."""
    authority = make_authority()
    seal = authority.service("IRO-VERIFIER", "Verification")
    judged = full_report(authority)
    signed = sign_report(judged, seal, authority.now)
    again = read_report(
        signed.document, signed.signature, authority.trust_store(), now=authority.now, party="IRO-VERIFIER"
    )
    assert again == judged
    assert report_bytes(again) == signed.document
    assert len(json.loads(signed.document)["certificates"]) == 5


def test_stamped() -> None:
    """With a time stamp the seal is of level B-T, and holds when the seal's certificate has expired."""
    authority = make_authority()
    seal = authority.service("IRO-VERIFIER", "Verification")
    signed = sign_report(full_report(authority), seal, authority.now, authority.stamp)
    later = authority.now + timedelta(days=3650)
    found = examine_detached(signed.document, signed.signature, authority.trust_store(), now=later)
    assert found.valid
    assert found.timestamp is not None
    assert found.timestamp.time == authority.now


def test_other_bytes_and_other_seal() -> None:
    """A changed report and one sealed by another party are refused."""
    authority = make_authority()
    signed = sign_report(full_report(authority), authority.service("IRO-OTHER"), authority.now)
    trust = authority.trust_store()
    with pytest.raises(WrongSigner):
        read_report(signed.document, signed.signature, trust, now=authority.now, party="IRO-VERIFIER")
    passed = signed.document.replace(b'"TOTAL-FAILED"', b'"TOTAL-PASSED"')
    assert report_of(passed).passed
    with pytest.raises(SignatureInvalid):
        read_report(passed, signed.signature, trust, now=authority.now)


def test_schema() -> None:
    """The published schema is a schema, takes a full report, and names exactly the members that are written."""
    authority = make_authority()
    published = schema()
    jsonschema.Draft202012Validator.check_schema(published)
    checker = jsonschema.Draft202012Validator(published)
    value = json.loads(report_bytes(full_report(authority)))
    assert [error.message for error in checker.iter_errors(value)] == []
    for part in (value, value["signatures"][0], value["signatures"][0]["timestamps"][0], value["policy"]):
        lacking = part.popitem()
        assert not checker.is_valid(value)
        part.update([lacking])
    assert checker.is_valid(value)


@pytest.mark.parametrize(
    ("place", "put"),
    [
        (["indication"], "PASSED"),
        (["at"], "2026-11-24T11:30:00.000000+03:30"),
        (["length"], True),
        (["length"], "1204"),
        (["signatures", 0, "signature_value"], "MAYA ="),
        (["signatures", 0, "signed_digest"], "ABCD"),
        (["sha256"], "0" * 63),
        (["policy", "trust_sha256"], "F" * 64),
        (["signatures", 0, "path"], ["0" * 64]),
        (["signatures", 0, "form"], "XAdES"),
        (["signatures", 0, "checks"], {}),
        (["signatures", 0, "whole"], None),
        (["signatures", 0, "more"], 1),
        (["certificates"], []),
    ],
)
def test_strict(place: list[Any], put: Any) -> None:
    """A member of another form, a certificate that is not listed and an unknown member are refused."""
    value = json.loads(report_bytes(full_report(make_authority())))
    part = value
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = put
    with pytest.raises(MalformedInput):
        report_of(canonical_bytes(value))


def test_certificates_are_what_they_say() -> None:
    """A listed certificate that nothing names, or whose fingerprint is not its own, is refused."""
    authority = make_authority()
    value = json.loads(report_bytes(full_report(authority)))
    listed = value["certificates"]
    first, second = list(listed)[:2]
    swapped = {**value, "certificates": {**listed, first: listed[second], second: listed[first]}}
    unnamed = {**value, "signatures": [], "timestamps": []}
    for each in (swapped, unnamed):
        with pytest.raises(MalformedInput):
            report_of(canonical_bytes(each))


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report beyond the limit is neither written nor read, nor one with too many items."""
    authority = make_authority()
    judged = full_report(authority)
    data = report_bytes(judged)
    monkeypatch.setattr(report_json, "MAX_ITEMS", 1)
    with pytest.raises(LimitExceeded):
        report_of(data)
    monkeypatch.setattr(report_json, "MAX_REPORT_BYTES", len(data) - 1)
    with pytest.raises(LimitExceeded):
        report_of(data)
    with pytest.raises(LimitExceeded):
        report_bytes(judged)


def test_text_that_is_none() -> None:
    """A file name or reason with what no text may hold does not keep a report from being written."""
    authority = make_authority()
    judged = report(authority, signature_report(authority), name="a\ud800\x00b.pdf")
    assert report_of(report_bytes(judged)).name == "a\ufffd\ufffdb.pdf"
