"""Subjects: who a certificate speaks for. The serialNumber attribute is the party, everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from kernel.errors import MalformedInput
from pki.errors import CertificateUntrusted

_PARTY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_NAME = 64
# Begins the common name of root and intermediate of a demonstration.
DEMO_PREFIX = "DEMO "


@dataclass(frozen=True, slots=True)
class Subject:
    """``party`` is the national identifier of a person or organisation (X.520 §6.2.9 serialNumber)."""

    common_name: str
    party: str
    organization: str | None = None

    def __post_init__(self) -> None:
        if not is_party(self.party):
            raise MalformedInput(
                "a party is 1 to 64 letters, digits, dots, dashes", party=str(self.party)[:80]
            )
        for text in (self.common_name, self.organization):
            if text is not None and not _is_name(text):
                raise MalformedInput("a name has 1 to 64 printable characters (X.520 upper bound)")

    def to_name(self) -> x509.Name:
        attributes = []
        if self.organization is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organization))
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, self.common_name))
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, self.party))
        return x509.Name(attributes)


def is_party(text: object) -> bool:
    """Whether the text may stand as a party in documents and certificates."""
    return isinstance(text, str) and _PARTY.fullmatch(text) is not None


def party_of(certificate: x509.Certificate) -> str:
    """The one serialNumber of the subject; raises CertificateUntrusted if there is none, or more than one."""
    try:
        values = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    except ValueError as error:
        raise CertificateUntrusted("the subject of the certificate is not readable") from error
    if len(values) != 1 or not is_party(values[0].value):
        raise CertificateUntrusted("the certificate names no party")
    return str(values[0].value)


def name_of(certificate: x509.Certificate) -> str:
    """The common name, for people to read; empty if there is none."""
    values = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(values[0].value) if values else ""


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MAX_NAME and text == text.strip() and text.replace("\u200c", "").isprintable()
