"""Validation data inside CMS: among the revocations, in CAdES attributes, and in Adobe's (ISO 32000-2 §12.8.3.3.2).

What cannot be read is left out and becomes a finding that is not fatal: evidence is searched, not owed.
"""

from __future__ import annotations

from cryptography import x509

from pki import asn1
from pki.algorithms import issuer_of
from pki.asn1 import NotDer, ades, ocsp
from signing.ades.services import Evidence
from signing.errors import DocumentTooComplex
from signing.validation import ber
from signing.validation.contents import CmsSignature, Finding

MAX_VALUES = 1_000
_SEQUENCE, _CRLS, _OCSPS = 0x30, 0xA0, 0xA1


def read_certificate(der: bytes) -> x509.Certificate | None:
    """None where it is none that can be read, its names included, which the library reads when asked for."""
    try:
        found = x509.load_der_x509_certificate(der)
        asked = (issuer_of(found), found.subject, found.not_valid_before_utc, found.not_valid_after_utc)
        return found if all(each is not None for each in asked) else None
    except Exception:
        # Errors of several kinds (InvalidVersion is no ValueError) and warnings all mean the same.
        return None


def evidence_of(
    revocations: asn1.SetOf[asn1.Tlv] | None,
) -> tuple[tuple[bytes, ...], tuple[bytes, ...], list[Finding]]:
    """Lists and whole OCSP answers of ``SignedData.crls``."""
    lists: dict[bytes, None] = {}
    answers: dict[bytes, None] = {}
    findings: list[Finding] = []
    for each in [] if revocations is None else revocations.as_list():
        der = asn1.encode(each)
        answer = _answer(each)
        if der[0] == _SEQUENCE:
            lists[der] = None
        elif answer is not None:
            answers[answer] = None
        else:
            detail = "a revocation value inside the signature is of a form that is not read"
            findings.append(Finding("revocation-value-unknown", detail, fatal=False))
    return tuple(lists), tuple(answers), findings


def attribute_evidence(cms: CmsSignature) -> tuple[Evidence, tuple[Finding, ...]]:
    """Certificate-values, revocation-values and Adobe's archival attribute, signed or not."""
    certificates: list[bytes] = []
    lists: list[bytes] = []
    answers: list[bytes] = []
    findings: list[Finding] = []
    for name, value in _values(cms):
        try:
            if name == ades.ID_CERTIFICATE_VALUES.dotted_string:
                certificates += _bounded(ber.elements(value))
            else:
                basic = name == ades.ID_REVOCATION_VALUES.dotted_string
                found, answered = _revocation_values(value, basic=basic)
                lists, answers = lists + found, answers + answered
        except ber.NotBer:
            detail = f"the evidence in attribute {name} cannot be read"
            findings.append(Finding("evidence-unreadable", detail, fatal=False))
    evidence = Evidence(*(tuple(dict.fromkeys(each)) for each in (certificates, lists, answers)))
    return evidence, tuple(findings)


def whole_answer(basic: bytes) -> bytes:
    """A BasicOCSPResponse as the OCSPResponse that a responder would have sent (RFC 6960 §4.2.1)."""
    inner = ocsp.ResponseBytes(type=ocsp.ID_BASIC, response=basic)
    return asn1.encode(ocsp.OcspResponse(status=ocsp.enumerated(ocsp.SUCCESSFUL), response=inner))


def _values(cms: CmsSignature) -> list[tuple[str, bytes]]:
    names = (ades.ID_CERTIFICATE_VALUES, ades.ID_REVOCATION_VALUES, ades.ID_ADBE_REVOCATION)
    return [
        (name, value)
        for attributes in (cms.signed, cms.unsigned)
        for name in (each.dotted_string for each in names)
        for value in attributes.get(name, ())
    ]


def _revocation_values(value: bytes, *, basic: bool) -> tuple[list[bytes], list[bytes]]:
    lists: list[bytes] = []
    answers: list[bytes] = []
    for part in ber.elements(value):
        for inner in ber.elements(part) if part[0] in (_CRLS, _OCSPS) else ():
            found = _bounded(ber.elements(inner))
            if part[0] == _CRLS:
                lists += found
            else:
                answers += [whole_answer(each) for each in found] if basic else found
    return lists, answers


def _answer(element: asn1.Tlv) -> bytes | None:
    try:
        return ades.ocsp_answer(element)
    except NotDer:
        return None


def _bounded(values: list[bytes]) -> list[bytes]:
    if len(values) > MAX_VALUES:
        raise DocumentTooComplex("an attribute holds more evidence than is read", limit="evidence")
    return values
