"""The extension qcStatements of a qualified certificate (RFC 3739 §3.2.6, ETSI EN 319 412-5 §4)."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509 import ObjectIdentifier

from pki import asn1
from pki.profiles.model import Qualified

QC_STATEMENTS = ObjectIdentifier("1.3.6.1.5.5.7.1.3")
_SEQUENCE = 0x30
_ARC = "0.4.0.1862.1"
_TYPES = {
    "esign": ObjectIdentifier(f"{_ARC}.6.1"),
    "eseal": ObjectIdentifier(f"{_ARC}.6.2"),
    "web": ObjectIdentifier(f"{_ARC}.6.3"),
}


def statements(qualified: Qualified) -> x509.UnrecognizedExtension:
    """The extension's value, its statements in the order of EN 319 412-5 §4.2 and §4.3."""
    parts: list[object] = []
    if qualified.compliance:
        parts.append(asn1.QcStatement(statement_id=_statement(1)))
    if qualified.device:
        parts.append(asn1.QcStatement(statement_id=_statement(4)))
    if qualified.type is not None:
        parts.append(_listed(6, [_TYPES[qualified.type]]))
    if qualified.legislation:
        parts.append(_listed(7, [asn1.PrintableString(country) for country in qualified.legislation]))
    if qualified.retention_years is not None:
        years = qualified.retention_years
        parts.append(asn1.QcStatementWithNumber(statement_id=_statement(3), info=years))
    if qualified.disclosure:
        parts.append(_listed(5, [_place(url, language) for url, language in qualified.disclosure]))
    return x509.UnrecognizedExtension(
        QC_STATEMENTS, asn1.wrap(_SEQUENCE, *(asn1.encode(part) for part in parts))
    )


def _listed(number: int, values: Sequence[object]) -> asn1.QcStatementWithList:
    info = [asn1.tlv(asn1.encode(value)) for value in values]
    return asn1.QcStatementWithList(statement_id=_statement(number), info=info)


def _place(url: str, language: str) -> asn1.DisclosurePlace:
    return asn1.DisclosurePlace(url=asn1.IA5String(url), language=asn1.PrintableString(language))


def _statement(number: int) -> ObjectIdentifier:
    return ObjectIdentifier(f"{_ARC}.{number}")
