"""Whom a verification trusts, for what and when; and the certificates, lists and answers that lie beside.

A folder is read as it stands: its certificates are the anchors, or those that ``trust.toml`` names with dates and uses;
``intermediates/`` holds certificates that only help to build paths. Dates bound the trust in an anchor, not its
certificate: an anchor that was trusted until some day still counts for what is proven to be older (EN 319 102-1
§5.2.6.4, sunset dates).
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal, cast, get_args

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.algorithms import der_of
from pki.crl import MAX_CRL_BYTES
from signing.ades.services import Evidence
from signing.errors import TrustFolderInvalid
from signing.validation.material import Material

Use = Literal["signatures", "timestamps", "ocsp"]
USES: frozenset[Use] = frozenset(get_args(Use))
MAX_FILES = 2000
_MAX_CERTIFICATE_BYTES = 1 << 20
_CERTIFICATES = frozenset({".pem", ".crt", ".cer"})
_ANSWERS = frozenset({".ors", ".ocsp"})
_LIST = ".crl"
_TABLE = "trust.toml"
_READ = _CERTIFICATES | _ANSWERS | {_LIST, ".toml"}


@dataclass(frozen=True, slots=True)
class Anchor:
    """Trusted for these uses, ``since`` that instant and before ``until``; None: without bound."""

    certificate: x509.Certificate
    uses: frozenset[Use] = USES
    since: datetime | None = None
    until: datetime | None = None

    def begun(self, at: datetime) -> bool:
        return self.since is None or self.since <= at

    def counts(self, at: datetime) -> bool:
        return self.begun(at) and (self.until is None or at < self.until)


class Trust:
    """Anchors and what lies beside; read once, shared by any number of judgements."""

    def __init__(
        self,
        anchors: Iterable[Anchor],
        intermediates: Iterable[x509.Certificate] = (),
        evidence: Evidence | None = None,
        name: str = "given",
    ) -> None:
        self.name = name
        self.anchors = tuple(anchors)
        self.intermediates = tuple(intermediates)
        self.evidence = evidence or Evidence()
        self.sha256 = self._digest()
        self.material = Material()
        self.material.add_certificates(each.certificate for each in self.anchors)
        self.material.add_certificates(self.intermediates)
        self.material.add(self.evidence)

    @classmethod
    def of(
        cls,
        roots: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        crls: Sequence[bytes] = (),
        ocsps: Sequence[bytes] = (),
    ) -> Trust:
        """Roots trusted for all uses at any time."""
        return cls(
            (Anchor(each) for each in roots), intermediates, Evidence(crls=tuple(crls), ocsps=tuple(ocsps))
        )

    @classmethod
    def from_folder(cls, folder: Path) -> Trust:
        """Raises TrustFolderInvalid, naming path and problem; a folder without an anchor is refused too."""
        return _Folder(folder).read()

    def with_more(self, evidence: Evidence) -> Trust:
        """The same with more evidence beside it."""
        return Trust(self.anchors, self.intermediates, self.evidence | evidence, self.name)

    def anchors_for(self, use: Use) -> tuple[Anchor, ...]:
        return tuple(each for each in self.anchors if use in each.uses)

    def _digest(self) -> str:
        lines = [
            f"anchor {hashlib.sha256(der_of(each.certificate)).hexdigest()} {','.join(sorted(each.uses))} "
            f"{each.since} {each.until}"
            for each in self.anchors
        ]
        kinds = (
            ("intermediate", [der_of(each) for each in self.intermediates]),
            ("certificate", self.evidence.certificates),
            ("crl", self.evidence.crls),
            ("ocsp", self.evidence.ocsps),
        )
        lines += [f"{kind} {hashlib.sha256(der).hexdigest()}" for kind, ders in kinds for der in ders]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Trust:
        files = self._files()
        tables = [each for each in files if each.name.lower() == _TABLE and each.parent == self._folder]
        name, anchors = self._table(tables[0]) if tables else (self._folder.name, self._plain(files))
        if not anchors:
            raise _invalid(self._folder, "there is no trust anchor in it")
        named = {der_of(each.certificate) for each in anchors}
        rest = [certificate for path in files for certificate in self._beside(path)]
        evidence = Evidence(
            crls=tuple(_der(path, MAX_CRL_BYTES, b"X509 CRL") for path in files if _kind(path) == _LIST),
            ocsps=tuple(_bytes(path, _MAX_CERTIFICATE_BYTES) for path in files if _kind(path) in _ANSWERS),
        )
        return self._checked(
            Trust(anchors, [each for each in rest if der_of(each) not in named], evidence, name), files
        )

    def _checked(self, trust: Trust, files: Sequence[Path]) -> Trust:
        # A list that is silently left out would be missed only when somebody relied on it.
        for path in files:
            if _kind(path) == _LIST or _kind(path) in _ANSWERS:
                der = _der(path, MAX_CRL_BYTES, b"X509 CRL") if _kind(path) == _LIST else path.read_bytes()
                if not trust.material.holds(der):
                    raise _invalid(path, "it is no revocation list or OCSP answer that can be read")
        return trust

    def _files(self) -> list[Path]:
        """All that this reads, in links too; whatever is called so and cannot be read is refused, not passed over."""
        found: list[Path] = []
        for path in self._walk():
            if _kind(path) in _READ:
                if not path.is_file():
                    raise _invalid(path, "it is no file that can be read")
                found.append(path)
            if len(found) > MAX_FILES:
                raise _invalid(self._folder, f"it holds more than {MAX_FILES} files")
        return sorted(found)

    def _walk(self) -> Iterator[Path]:
        def refuse(error: OSError) -> None:
            raise _invalid(Path(error.filename or self._folder), error.strerror or "it can't be read")

        seen: set[str] = set()
        for folder, folders, names in os.walk(self._folder, onerror=refuse, followlinks=True):
            seen.add(os.path.realpath(folder))
            folders[:] = [
                each for each in folders if os.path.realpath(os.path.join(folder, each)) not in seen
            ]
            yield from (Path(folder, each) for each in (*folders, *names))

    def _plain(self, files: Sequence[Path]) -> list[Anchor]:
        return [
            Anchor(certificate)
            for path in files
            if path.parent == self._folder and _kind(path) in _CERTIFICATES
            for certificate in _certificates(path)
        ]

    def _beside(self, path: Path) -> list[x509.Certificate]:
        return _certificates(path) if _kind(path) in _CERTIFICATES else []

    def _table(self, table: Path) -> tuple[str, list[Anchor]]:
        try:
            read = tomllib.loads(_bytes(table, _MAX_CERTIFICATE_BYTES).decode("utf-8"))
            if not {"anchors"} <= read.keys() <= {"anchors", "name"} or not isinstance(read["anchors"], list):
                raise ValueError("it has anchors, a list of tables, and may have a name")
            name = read.get("name", self._folder.name)
            if not isinstance(name, str):
                raise ValueError("name is a text")
            return name, [each for entry in read["anchors"] for each in self._anchors(entry)]
        except (ValueError, OverflowError, RecursionError) as error:  # TOML and UTF-8 errors too
            raise _invalid(table, str(error)) from error

    def _anchors(self, entry: Any) -> Iterator[Anchor]:
        if not isinstance(entry, dict) or not {"file"} <= entry.keys() <= {"file", "uses", "since", "until"}:
            raise ValueError("an anchor has a file and may have uses, since and until")
        path = self._folder / str(entry["file"])
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise ValueError(f"the file is outside the folder: {entry['file']}")
        uses = entry.get("uses", sorted(USES))
        if not isinstance(uses, list) or not uses or not set(map(str, uses)) <= USES:
            raise ValueError(f"uses are some of {', '.join(sorted(USES))}")
        since, until = (_instant(entry.get(each), each) for each in ("since", "until"))
        if since is not None and until is not None and until <= since:
            raise ValueError("until is not after since")
        for certificate in _certificates(path):
            yield Anchor(certificate, frozenset(cast("list[Use]", uses)), since, until)


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _instant(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    if type(value) is date:
        return datetime.combine(value, time(), UTC)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    raise ValueError(f"{name} is a date, or a time with its offset from UTC")


def _certificates(path: Path) -> list[x509.Certificate]:
    data = _bytes(path, _MAX_CERTIFICATE_BYTES)
    try:
        if b"-----BEGIN CERTIFICATE-----" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except Exception as error:  # InvalidVersion, for one, is no ValueError
        raise _invalid(path, "it is no certificate in PEM or DER") from error


def _der(path: Path, limit: int, label: bytes) -> bytes:
    data = _bytes(path, limit)
    if not data.startswith(b"-----BEGIN " + label):
        return data
    if data.count(b"-----BEGIN ") != 1:
        raise _invalid(path, "it holds several revocation lists, of which one is read")
    try:
        return x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
    except ValueError as error:
        raise _invalid(path, "it is no revocation list") from error


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _invalid(path, error.strerror or "it can't be read") from error
    if len(data) > limit:
        raise _invalid(path, f"it is longer than {limit} bytes")
    return data


def _invalid(path: Path, problem: str) -> TrustFolderInvalid:
    return TrustFolderInvalid(
        "the folder of trust anchors can't be used", path=str(path), problem=problem[:200]
    )
