"""Subjects: who a certificate speaks for. The serialNumber attribute is the party, everywhere."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from kernel.errors import MalformedInput
from pki.errors import CertificateUntrusted

_PARTY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_MAX_NAME = 64
_LOOKALIKES = frozenset({"LATIN", "CYRILLIC", "GREEK"})
# The zero-width non-joiner of Persian spelling stands alone between two letters, where it is seen by what it parts.
_NON_JOINER = re.compile(r"(?<=\w)\u200c(?=\w)")
# Printable by their category, yet drawn as nothing: fillers, grapheme joiner, blank, variation selectors.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# In the order in which a name is written: from the country to the party.
ATTRIBUTES = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organization_identifier": NameOID.ORGANIZATION_IDENTIFIER,
    "given_name": NameOID.GIVEN_NAME,
    "surname": NameOID.SURNAME,
    "common_name": NameOID.COMMON_NAME,
    "serial_number": NameOID.SERIAL_NUMBER,
}
# RFC 4514 §2.3 asks for a registered short name where there is one; the library knows few of them.
_SHORT_NAMES = {
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "givenName",
    NameOID.TITLE: "title",
    NameOID.PSEUDONYM: "pseudonym",
    NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}
# Begins the common name of root and intermediate of a demonstration.
DEMO_PREFIX = "DEMO "


@dataclass(frozen=True, slots=True)
class Subject:
    """``party`` is the national identifier of a person or organisation (X.520 §6.2.9 serialNumber).

    ``organization_identifier`` (EN 319 412-1 §5.1.4) names the organisation of a person or
    seal; ``country`` has two capital letters. What a profile demands beyond this it adds or refuses itself.
    """

    common_name: str
    party: str
    organization: str | None = None
    organization_identifier: str | None = None
    given_name: str | None = None
    surname: str | None = None
    country: str | None = None

    def __post_init__(self) -> None:
        if not is_party(self.party):
            raise MalformedInput(
                "a party is 1 to 64 letters, digits, dots, dashes", party=str(self.party)[:80]
            )
        if self.country is not None and _COUNTRY.fullmatch(self.country) is None:
            raise MalformedInput("a country has two capital letters (ISO 3166-1)")
        for text in (
            self.common_name,
            self.organization,
            self.organization_identifier,
            self.given_name,
            self.surname,
        ):
            if text is not None and not _is_name(text):
                raise MalformedInput("a name has 1 to 64 printable characters (X.520 upper bound)")

    @property
    def attributes(self) -> frozenset[str]:
        """The names (``ATTRIBUTES``) of what is there."""
        return frozenset(name for name in ATTRIBUTES if self._value(name) is not None)

    def to_name(self) -> x509.Name:
        values = ((oid, self._value(name)) for name, oid in ATTRIBUTES.items())
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in values if value is not None])

    def _value(self, name: str) -> str | None:
        value: str | None = self.party if name == "serial_number" else getattr(self, name)
        return value


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


def written_name(name: x509.Name) -> str:
    """All of a name in one line, its last part first (RFC 4514), with short names instead of object identifiers."""
    return name.rfc4514_string(_SHORT_NAMES)


def _is_name(text: str) -> bool:
    """One way of writing it (NFKC), nothing that cannot be seen, no letters of look-alike scripts side by side."""
    return (
        0 < len(text) <= _MAX_NAME
        and text == text.strip() == unicodedata.normalize("NFKC", text)
        and _NON_JOINER.sub("", text).isprintable()
        and not _UNSEEN.search(text)
        and len(_LOOKALIKES & {_script_of(each) for each in text}) < 2
    )


def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
