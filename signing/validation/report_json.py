"""A report as a signed document ``mohr/validation-report/v1``: canonical JSON, sealed, and read back exactly.

The members are the fields of ``ValidationReport`` by their names. Instants are RFC 3339; ``der`` and
``signature_value`` are base64, ``signed_digest`` hexadecimal; enumerations are their values. A certificate stands
once, in ``certificates`` by its fingerprint, and each ``path`` names it. The JSON Schema is
schemas/validation-report-v1.json.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from kernel.canonical import canonical_bytes, from_base64, sha256_hex, to_base64
from kernel.clock import format_utc, parse_utc
from kernel.errors import LimitExceeded, MalformedInput
from pki.signed_data import Signer
from pki.trust import Revocations, TrustStore
from signing.cms import sign_detached, verify_detached
from signing.documents import SignedDocument, parse_document
from signing.validation.report import CertificateShown, ValidationReport
from signing.validation.report_words import plain

TYPE = "mohr/validation-report/v1"
MAX_REPORT_BYTES = 8 << 20
MAX_CERTIFICATES = 10_000
MAX_ITEMS = 10_000
_HEXADECIMAL = frozenset({"signed_digest"})
_SHA256 = frozenset(
    {"sha256", "fingerprint", "certificate", "token_sha256", "algorithms_sha256", "trust_sha256"}
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MEMBERS = tuple(each.name for each in dataclasses.fields(ValidationReport))
_Certificates = dict[str, CertificateShown]


def report_bytes(report: ValidationReport) -> bytes:
    """The canonical bytes, unsigned; raises LimitExceeded beyond ``MAX_REPORT_BYTES`` or ``MAX_ITEMS`` in a list."""
    certificates: _Certificates = {}
    members = {name: _written(name, getattr(report, name), certificates) for name in _MEMBERS}
    shown = {fingerprint: _members(each, certificates) for fingerprint, each in sorted(certificates.items())}
    data = canonical_bytes({"type": TYPE, "certificates": shown, **members})
    if len(data) > MAX_REPORT_BYTES:
        raise LimitExceeded("the report is too long", limit_bytes=MAX_REPORT_BYTES, length_bytes=len(data))
    return data


def sign_report(
    report: ValidationReport,
    signer: Signer,
    at: datetime,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> SignedDocument:
    """The report with a detached CAdES signature of level B-B; B-T when ``timestamp`` stamps the signature value."""
    return sign_bytes(report_bytes(report), signer, at, timestamp)


def sign_bytes(
    written: bytes,
    signer: Signer,
    at: datetime,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> SignedDocument:
    """The same seal over any written form of a report, such as its XML: the bytes and their detached signature."""
    return SignedDocument(written, sign_detached(written, signer, at=at, timestamp=timestamp))


def read_report(
    document: bytes,
    signature: bytes,
    trust: TrustStore,
    *,
    now: datetime,
    party: str | None = None,
    revocation: Revocations = "at",
) -> ValidationReport:
    """The values of a report whose seal holds (of ``party``, if given).

    Raises what ``report_of`` and ``verify_detached`` raise.
    """
    report = report_of(document)
    verify_detached(document, signature, trust, now=now, party=party, revocation=revocation)
    return report


def report_of(document: bytes) -> ValidationReport:
    """The values in the canonical bytes of a report; no signature is looked at.

    Raises MalformedInput or LimitExceeded.
    """
    value = parse_document(
        document, type_=TYPE, fields=[*_MEMBERS, "certificates"], max_bytes=MAX_REPORT_BYTES
    )
    certificates = _certificates(value["certificates"])
    reading = _Reading(certificates)
    report = cast(
        ValidationReport, reading.members(ValidationReport, {name: value[name] for name in _MEMBERS})
    )
    if reading.used != set(certificates):
        raise MalformedInput("the report lists certificates that it does not name")
    return report


def schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12)."""
    text = resources.files("schemas").joinpath("validation-report-v1.json").read_text("utf-8")
    return cast(dict[str, Any], json.loads(text))


def _written(name: str, value: Any, certificates: _Certificates) -> Any:
    if isinstance(value, CertificateShown):
        if certificates.setdefault(value.fingerprint, value) != value:
            raise MalformedInput("one fingerprint names two certificates", fingerprint=value.fingerprint)
        return value.fingerprint
    if dataclasses.is_dataclass(value):
        return _members(value, certificates)
    if isinstance(value, tuple):
        _check_count(name, value)
        return [_written(name, each, certificates) for each in value]
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, bytes):
        return value.hex() if name in _HEXADECIMAL else to_base64(value)
    if isinstance(value, StrEnum):
        return value.value
    return plain(value) if isinstance(value, str) else value


def _members(value: Any, certificates: _Certificates) -> dict[str, Any]:
    return {
        each.name: _written(each.name, getattr(value, each.name), certificates)
        for each in dataclasses.fields(value)
    }


def _certificates(value: Any) -> _Certificates:
    if not isinstance(value, dict):
        raise MalformedInput("the certificates of a report are an object")
    if len(value) > MAX_CERTIFICATES:
        raise LimitExceeded("the report lists too many certificates", limit=MAX_CERTIFICATES)
    found = {name: _certificate(each) for name, each in value.items()}
    for fingerprint, each in found.items():
        if not fingerprint == each.fingerprint == sha256_hex(each.der):
            raise MalformedInput(
                "a certificate of the report has another fingerprint", named=fingerprint[:64]
            )
    return found


def _certificate(value: Any) -> CertificateShown:
    return cast(CertificateShown, _Reading({}).members(CertificateShown, value))


@dataclass
class _Reading:
    """Values back from JSON, each by the type of its field; ``used`` gathers the certificates that paths name."""

    certificates: Mapping[str, CertificateShown]
    used: set[str] = field(default_factory=set)

    def members(self, kind: type, value: Any) -> Any:
        hints = _hints(kind)
        if not isinstance(value, dict) or set(value) != set(hints):
            raise MalformedInput("a part of the report has missing or unknown fields", part=kind.__name__)
        return kind(**{name: self.value(name, hints[name], value[name]) for name in hints})

    def value(self, name: str, hint: Any, value: Any) -> Any:
        origin = get_origin(hint)
        if origin is tuple:
            return self._items(name, get_args(hint)[0], value)
        if origin in (Union, types.UnionType):
            inner = next(each for each in get_args(hint) if each is not type(None))
            return None if value is None else self.value(name, inner, value)
        if origin is Literal:
            return _one_of(name, get_args(hint), value)
        if hint is CertificateShown:
            return self._named(value)
        if dataclasses.is_dataclass(hint):
            return self.members(cast(type, hint), value)
        return _plain_value(name, hint, value)

    def _items(self, name: str, hint: Any, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise MalformedInput("a list was expected in the report", field=name)
        _check_count(name, value)
        return tuple(self.value(name, hint, each) for each in value)

    def _named(self, value: Any) -> CertificateShown:
        if not isinstance(value, str) or value not in self.certificates:
            raise MalformedInput("the report names a certificate that it does not list")
        self.used.add(value)
        return self.certificates[value]


def _check_count(name: str, items: Collection[Any]) -> None:
    if len(items) > MAX_ITEMS:
        raise LimitExceeded("a list of the report is too long", field=name, limit=MAX_ITEMS)


def _plain_value(name: str, hint: Any, value: Any) -> Any:
    if hint in (bool, int):
        if type(value) is not hint:
            raise MalformedInput("a value of another type was expected in the report", field=name)
        return value
    if not isinstance(value, str):
        raise MalformedInput("text was expected in the report", field=name)
    if hint is datetime:
        return _instant(value)
    if hint is bytes:
        return _hexadecimal(value) if name in _HEXADECIMAL else _base64(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(_one_of(name, tuple(hint), value))
    if name in _SHA256 and _DIGEST.fullmatch(value) is None:
        raise MalformedInput("a SHA-256 was expected in the report", field=name)
    return value


def _one_of(name: str, known: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, str) or value not in known:
        raise MalformedInput("a value of the report is not known", field=name, value=str(value)[:64])
    return value


def _instant(text: str) -> datetime:
    instant = parse_utc(text)
    if format_utc(instant) != text:
        raise MalformedInput("an instant of the report is not in UTC with microseconds", value=text[:64])
    return instant


def _base64(text: str) -> bytes:
    data = from_base64(text, max_bytes=MAX_REPORT_BYTES)
    if to_base64(data) != text:
        raise MalformedInput("base64 of the report has another spelling")
    return data


def _hexadecimal(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise MalformedInput("hexadecimal digits were expected in the report") from error
    if data.hex() != text:
        raise MalformedInput("hexadecimal digits of the report are lower case without spaces")
    return data


@lru_cache(maxsize=32)
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in dataclasses.fields(cast(Any, kind))}
