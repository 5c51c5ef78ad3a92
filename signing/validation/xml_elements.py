"""Elements of ETSI TS 119 102-2 v1.4.1 reports: names, identifiers, instants and digests as its schema wants them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kernel.canonical import to_base64
from signing.validation.report import Indication, Outcome, SubIndication
from signing.validation.report_words import plain

REPORT = "http://uri.etsi.org/19102/v1.4.1#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
TRUST_LIST = "http://uri.etsi.org/02231/v2#"
OWN = "urn:mohr:validation-report:v1"
for _prefix, _namespace in (
    ("vr", REPORT),
    ("ds", DSIG),
    ("xades", XADES),
    ("tsl", TRUST_LIST),
    ("mohr", OWN),
):
    ElementTree.register_namespace(_prefix, _namespace)

_ETSI = "urn:etsi:019102:"
_DIGESTS = {
    "sha1": f"{DSIG}sha1",
    "sha224": "http://www.w3.org/2001/04/xmldsig-more#sha224",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
    "sha3_256": "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
    "sha3_384": "http://www.w3.org/2007/05/xmldsig-more#sha3-384",
    "sha3_512": "http://www.w3.org/2007/05/xmldsig-more#sha3-512",
    "1.3.14.3.2.26": f"{DSIG}sha1",
    "2.16.840.1.101.3.4.2.1": "http://www.w3.org/2001/04/xmlenc#sha256",
    "2.16.840.1.101.3.4.2.2": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "2.16.840.1.101.3.4.2.3": "http://www.w3.org/2001/04/xmlenc#sha512",
}
# Of a part of a judgement (TS 119 102-2 §4.3.12); the whole of a signature is total-passed or total-failed.
_PARTS = {
    Indication.TOTAL_PASSED: "passed",
    Indication.INDETERMINATE: "indeterminate",
    Indication.TOTAL_FAILED: "failed",
}
_OUTCOMES = {Outcome.FAILED: "failed", Outcome.INDETERMINATE: "indeterminate"}


def child(
    parent: Element, name: str, text: str | None = None, *, namespace: str = REPORT, **attributes: str
) -> Element:
    """A new last child."""
    made = ElementTree.SubElement(
        parent, f"{{{namespace}}}{name}", {key: plain(value) for key, value in attributes.items()}
    )
    if text is not None:
        made.text = plain(text)
    return made


def refer(parent: Element, name: str, *identifiers: str) -> Element:
    """A VOReference to one or more objects of the report."""
    return child(parent, name, VOReference=" ".join(identifiers))


def instant(moment: datetime) -> str:
    """As xs:dateTime in UTC; with a fraction only where there is one."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def digest(parent: Element, algorithm: str, value: bytes) -> Element:
    """DigestAlgAndValue of XAdES."""
    made = child(parent, "DigestAlgAndValue")
    digest_parts(made, algorithm, value)
    return made


def digest_parts(parent: Element, algorithm: str, value: bytes) -> None:
    """ds:DigestMethod and ds:DigestValue."""
    child(parent, "DigestMethod", namespace=DSIG, Algorithm=algorithm_uri(algorithm))
    child(parent, "DigestValue", to_base64(value), namespace=DSIG)


def algorithm_uri(name: str) -> str:
    """The identifier of RFC 6931 of a digest; of anything else by its object identifier or its name."""
    known = _DIGESTS.get(name.lower().replace("-", "") if name.lower().startswith("sha-") else name.lower())
    if known is not None:
        return known
    if name and all(part.isdecimal() and part.isascii() for part in name.split(".")):
        return f"urn:oid:{name}"
    return own("algorithm", name)


def own(kind: str, *names: str) -> str:
    """An identifier of this installation's own, where the standard leaves it to whoever reports."""
    return ":".join(("urn:mohr", kind, *(quote(plain(each), safe="-._~") for each in names)))


def etsi(*names: str) -> str:
    """An identifier of TS 119 102-2."""
    return _ETSI + ":".join(names)


def status(
    parent: Element, name: str, indication: Indication, sub: SubIndication | None, *, whole: bool
) -> Element:
    """A ValidationStatusIndication; ``whole`` for that of a signature, which is total-passed or total-failed."""
    made = child(parent, name)
    text = indication.value.lower() if whole else _PARTS[indication]
    child(made, "MainIndication", etsi("mainindication", text))
    if sub is SubIndication.CUSTOM:
        child(made, "SubIndication", own("subindication", sub.value))
    elif sub is not None:
        child(made, "SubIndication", etsi("subindication", sub.value))
    return made


def outcome(parent: Element, found: Outcome) -> None:
    """The status of one check; a warning passes."""
    made = child(parent, "ValidationStatus")
    child(made, "MainIndication", etsi("mainindication", _OUTCOMES.get(found, "passed")))
