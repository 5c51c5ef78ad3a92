"""NIST's path validation test suite (PKITS), judged by our path validation and trust store.

``tests/contract/pkits.csv`` lists every test with the verdict that the suite's document demands under its default
settings: any policy will do, none is demanded from outside. Certificates and lists are those that the suite itself
puts into the signed message of each test. PKITS certificates name no party and no use of ours, so ``TrustStore`` is
asked for the path and its revocation alone.
"""

from __future__ import annotations

import base64
import csv
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
from asn1crypto import cms
from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from kernel.errors import DomainError
from pki.errors import RevocationUnknown
from pki.path_validation import find_path
from pki.trust import TrustStore

SUITE = Path(cryptography_vectors.__path__[0]) / "x509" / "PKITS_data"
TABLE = Path(__file__).resolve().parents[1] / "contract" / "pkits.csv"
AT = datetime(2026, 1, 1, tzinfo=UTC)
_MESSAGE = re.compile(r'filename="smime\.p7s"\s*\n\s*\n(?P<body>.*?)\n\s*\n?--', re.DOTALL)

_ROLLOVER = (
    "the authority has two keys and its list is signed by the other one; we demand the key that certified"
)
_INDIRECT = "an indirect list, or one for some certificates or reasons only; of those we read none"
_DSA = "DSA is not among the accepted algorithms"
# Valid paths that we refuse, each with the reason; a test holds that these are all of them and that each is refused.
REFUSED = {
    "4.1.4": _DSA,
    "4.1.5": _DSA,
    "4.3.6": "the parser behind the fence does not keep the bits of a unique identifier, which X.509 has long given up",
    "4.3.10": "the list writes its issuer's name in another string type than the certificate; we compare bytes",
    "4.4.19": _ROLLOVER,
    **dict.fromkeys(("4.5.1", "4.5.3", "4.5.4", "4.5.6"), _ROLLOVER),
    **dict.fromkeys(("4.6.15", "4.6.17", "4.9.6", "4.11.7", "4.12.7", "4.12.9", "4.13.19"), _ROLLOVER),
    **dict.fromkeys((f"4.14.{number}" for number in (1, 4, 5, 7, 13, 18, 19)), _INDIRECT),
    **dict.fromkeys((f"4.14.{number}" for number in (22, 24, 25, 28, 29, 30, 33)), _INDIRECT),
}


@dataclass(frozen=True)
class Case:
    """``expected``: ``valid`` or ``invalid``."""

    number: str
    name: str
    expected: str


@dataclass(frozen=True)
class Verdict:
    """``actual``: ``valid`` or ``invalid``; ``why``: the refusal, empty where there is none."""

    case: Case
    actual: str
    why: str


def cases() -> list[Case]:
    """All tests, in the order of the suite."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return [Case(**row) for row in csv.DictReader(stream)]


def judge_all() -> list[Verdict]:
    """The verdict on every test."""
    root = x509.load_der_x509_certificate((SUITE / "certs" / "TrustAnchorRootCertificate.crt").read_bytes())
    with warnings.catch_warnings():
        # Negative serial numbers are among what is tested.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return [_judge(case, root) for case in cases()]


def _judge(case: Case, root: x509.Certificate) -> Verdict:
    try:
        _validate(case, root)
    except DomainError as refusal:
        return Verdict(case, "invalid", f"{refusal.code}: {_cause(refusal)}")
    except ValueError:
        return Verdict(case, "invalid", "a certificate of the path cannot be read")
    return Verdict(case, "valid", "")


def _validate(case: Case, root: x509.Certificate) -> None:
    message = (SUITE / "smime" / f"Signed{case.name}.eml").read_text("ascii")
    certificates, lists, serial = _contents(message)
    others = [x509.load_der_x509_certificate(each) for each in certificates]
    store = TrustStore([root], others)
    for each in lists:
        _offer(store, each)
    path = find_path(_signer(others, serial), others, [root], AT)
    store.check_path(path, AT, "signature")


def _offer(store: TrustStore, crl: bytes) -> None:
    """A list that is refused is not there; what follows from that is judged with the path."""
    try:
        store.add_crl(crl)
    except RevocationUnknown:
        return


def _contents(message: str) -> tuple[list[bytes], list[bytes], int]:
    found = _MESSAGE.search(message)
    assert found is not None
    signed = cms.ContentInfo.load(base64.b64decode(found["body"]))["content"]
    certificates = [each.dump() for each in signed["certificates"]]
    return certificates, list(_lists(signed)), signed["signer_infos"][0]["sid"].native["serial_number"]


def _lists(signed: cms.SignedData) -> Iterator[bytes]:
    for each in signed["crls"] or ():
        yield each.dump()


def _signer(certificates: list[x509.Certificate], serial: int) -> x509.Certificate:
    """The certificate with the signer's serial number that has issued none of the others."""
    found = [each for each in certificates if each.serial_number == serial]
    issuers = {each.issuer.public_bytes() for each in certificates}
    ends = [each for each in found if each.subject.public_bytes() not in issuers]
    return (ends or found)[0]


def _cause(refusal: DomainError) -> str:
    text = str(refusal.__cause__ or refusal)
    return text.removeprefix("The path could not be validated because ").rstrip(".").partition("\n")[0]
