"""The extension qcStatements of a qualified certificate (RFC 3739 §3.2.6, ETSI EN 319 412-5 §4)."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509 import ObjectIdentifier

from pki import asn1
from pki.profiles.model import Qualified

QC_STATEMENTS = ObjectIdentifier("1.3.6.1.5.5.7.1.3")
_ARC = "0.4.0.1862.1"
_TYPES = {
    "esign": ObjectIdentifier(f"{_ARC}.6.1"),
    "eseal": ObjectIdentifier(f"{_ARC}.6.2"),
    "web": ObjectIdentifier(f"{_ARC}.6.3"),
}


def statements(qualified: Qualified) -> x509.UnrecognizedExtension:
    """The extension's value, its statements in the order of EN 319 412-5 §4.2 and §4.3."""
    parts = []
    if qualified.compliance:
        parts.append(asn1.QcStatement(statement_id=_statement(1)))
    if qualified.device:
        parts.append(asn1.QcStatement(statement_id=_statement(4)))
    infos: list[tuple[int, object]] = []
    if qualified.type is not None:
        infos.append((6, [_TYPES[qualified.type]]))
    if qualified.legislation:
        infos.append((7, [asn1.PrintableString(country) for country in qualified.legislation]))
    if qualified.retention_years is not None:
        infos.append((3, qualified.retention_years))
    if qualified.disclosure:
        places = [
            asn1.DisclosurePlace(url=asn1.IA5String(url), language=asn1.PrintableString(language))
            for url, language in qualified.disclosure
        ]
        infos.append((5, places))
    detailed = [
        asn1.QcStatementWithInfo(statement_id=_statement(number), info=asn1.tlv(asn1.encode(info)))
        for number, info in infos
    ]
    whole = [asn1.tlv(asn1.encode(part)) for part in (*parts, *detailed)]
    return x509.UnrecognizedExtension(QC_STATEMENTS, asn1.encode(whole))


def _statement(number: int) -> ObjectIdentifier:
    return ObjectIdentifier(f"{_ARC}.{number}")
