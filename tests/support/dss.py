"""The EU's Digital Signature Service (DSS) as a referee, one Java process for a whole run of tests.

    verdict = dss.validate(signed_pdf, trust=[authority.root], crls=authority.crls(), at=authority.now)
    verdict.signature.indication       # "TOTAL_PASSED", "INDETERMINATE" or "TOTAL_FAILED"
    verdict.signature.level            # "PAdES-BASELINE-LTA"

It asks nobody over a network: what it judges by is in the file or given. The rules are the default ones of DSS, which
know no EdDSA; with ``eddsa=True`` they take that as well. Every answer takes a bounded time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from pki.algorithms import der_of
from pki.signed_data import Signer
from signing.ades.services import StampSource
from signing.ades.signed_data import digest_for
from tools.java_referee import JavaReferee, compiled
from tools.maven_libs import ROOT, MavenLibs

LIBS = MavenLibs("dss", "DSS")
SOURCES = ROOT / "tools" / "dss"
_PASSWORD = "referee"
_NAMES = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_FAMILIES = {"pades": "PAdES", "cades": "CAdES", "asice": "CAdES"}


@dataclass(frozen=True, slots=True)
class StampVerdict:
    """``kind`` as DSS names it: SIGNATURE_TIMESTAMP, ARCHIVE_TIMESTAMP, DOCUMENT_TIMESTAMP, ..."""

    kind: str
    time: datetime
    indication: str
    sub_indication: str | None
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """``modifications`` are what DSS found changed in a PDF after the signature: a class and words, one each."""

    level: str
    indication: str
    sub_indication: str | None
    signer: str | None
    best_time: datetime | None
    claimed_time: datetime | None
    timestamps: tuple[StampVerdict, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    modifications: tuple[str, ...]

    @property
    def words(self) -> tuple[str, str | None]:
        """Indication and sub-indication as EN 319 102-1 writes them."""
        return self.indication.replace("_", "-"), self.sub_indication


@dataclass(frozen=True, slots=True)
class Verdict:
    """All of one file, in the order of DSS."""

    signatures: tuple[SignatureVerdict, ...]
    timestamps: tuple[StampVerdict, ...]

    @property
    def signature(self) -> SignatureVerdict:
        """The only one."""
        (found,) = self.signatures
        return found


class Dss:
    """Requests to one Java process; ``folder`` is for the files that they name."""

    def __init__(self, referee: JavaReferee, folder: Path) -> None:
        self._referee = referee
        self._folder = folder
        self._numbers = itertools.count(1)

    def validate(
        self,
        signed: bytes,
        *,
        trust: Sequence[x509.Certificate],
        content: bytes | Sequence[bytes] | None = None,
        certificates: Sequence[x509.Certificate] = (),
        crls: Sequence[bytes] = (),
        ocsps: Sequence[bytes] = (),
        at: datetime | None = None,
        eddsa: bool = False,
        etsi: Path | None = None,
        seconds: float = 60.0,
    ) -> Verdict:
        """What DSS says of a file; ``etsi`` is where its own report of TS 119 102-2 is written."""
        contents = [content] if isinstance(content, bytes) else list(content or ())
        request = {
            "do": "validate",
            "file": self._file(signed),
            "content": [self._file(each) for each in contents],
            "at": _instant(at),
            "policy": "eddsa" if eddsa else "default",
            "etsi": etsi,
            **self._known(trust, certificates, crls, ocsps),
        }
        answer = self._referee.ask(request, seconds=seconds)
        return Verdict(
            tuple(_signature(each) for each in answer["signatures"]),
            tuple(_stamp(each) for each in answer["timestamps"]),
        )

    def sign(
        self,
        source: bytes,
        signer: Signer,
        kind: str,
        level: str,
        *,
        stamps: StampSource | None = None,
        trust: Sequence[x509.Certificate] = (),
        crls: Sequence[bytes] = (),
        ocsps: Sequence[bytes] = (),
        at: datetime | None = None,
        packaging: str = "DETACHED",
        digest: str | None = None,
        certify: int | None = None,
        seen: str | None = None,
        field: str | None = None,
    ) -> bytes:
        """A signature by DSS: ``kind`` is ``pades``, ``cades`` or ``asice``; ``level`` ``B-B`` to ``B-LTA``.

        ``packaging`` (of CAdES): DETACHED or ENVELOPING; ``certify``: the permission of a certification, 1 to 3;
        ``seen``: what a signature in a PDF shows, in ``field`` or in a new one.
        It puts evidence inside only of authorities whose certificates say where their lists are.
        """
        out = self._place()
        request = {
            "do": "sign",
            "kind": kind,
            "file": self._file(source),
            "out": out,
            "level": f"{_FAMILIES[kind]}-BASELINE-{level[2:]}",
            "key": self._key(signer),
            "password": _PASSWORD,
            "packaging": packaging,
            "digest": digest or digest_for(signer.certificate).upper(),
            "certify": certify,
            "seen": seen,
            "field": field,
            "at": _instant(at),
            **self._known(trust, (), crls, ocsps),
        }
        self._referee.ask(request, stamp=_stamping(stamps))
        return out.read_bytes()

    def extend(
        self,
        signed: bytes,
        kind: str,
        level: str,
        *,
        stamps: StampSource,
        content: bytes | None = None,
        trust: Sequence[x509.Certificate] = (),
        crls: Sequence[bytes] = (),
        ocsps: Sequence[bytes] = (),
    ) -> bytes:
        """The signature at a higher level, by DSS."""
        out = self._place()
        request = {
            "do": "extend",
            "kind": kind,
            "file": self._file(signed),
            "content": [] if content is None else [self._file(content)],
            "out": out,
            "level": f"{_FAMILIES[kind]}-BASELINE-{level[2:]}",
            **self._known(trust, (), crls, ocsps),
        }
        self._referee.ask(request, stamp=_stamping(stamps))
        return out.read_bytes()

    def _known(
        self,
        trust: Sequence[x509.Certificate],
        certificates: Sequence[x509.Certificate],
        crls: Sequence[bytes],
        ocsps: Sequence[bytes],
    ) -> dict[str, list[Path]]:
        return {
            "trust": [self._file(der_of(each)) for each in trust],
            "certificate": [self._file(der_of(each)) for each in certificates],
            "crl": [self._file(each) for each in crls],
            "ocsp": [self._file(each) for each in ocsps],
        }

    def _key(self, signer: Signer) -> Path:
        # PKCS #12 for a moment and a made-up key; what is kept for long is never kept so.
        key: Any = signer.key
        protection = BestAvailableEncryption(_PASSWORD.encode())
        return self._file(
            serialize_key_and_certificates(b"key", key, signer.certificate, list(signer.chain), protection)
        )

    def _file(self, content: bytes) -> Path:
        path = self._place()
        path.write_bytes(content)
        return path

    def _place(self) -> Path:
        return self._folder / f"{next(self._numbers)}.bin"


@contextmanager
def running_dss(folder: Path) -> Iterator[Dss]:
    """DSS until the end of the block; jars are fetched and the source compiled if need be. Raises ServiceFailed."""
    classpath = f"{LIBS.fetch()}/*"
    classes = compiled("dss", [SOURCES / "DssReferee.java", SOURCES / "Lines.java"], classpath)
    with JavaReferee(classes, classpath, "DssReferee", folder / "dss.log") as referee:
        yield Dss(referee, folder)


def _stamping(stamps: StampSource | None) -> Any:
    return None if stamps is None else lambda name, digest: stamps.stamp(_NAMES[name], digest)


def _signature(answer: dict[str, Any]) -> SignatureVerdict:
    return SignatureVerdict(
        level=answer["level"].replace("_", "-"),
        indication=answer["indication"],
        sub_indication=answer["sub_indication"],
        signer=answer["signer"],
        best_time=_time(answer["best_time"]),
        claimed_time=_time(answer["claimed_time"]),
        timestamps=tuple(_stamp(each) for each in answer["timestamps"]),
        errors=tuple(answer["errors"]),
        warnings=tuple(answer["warnings"]),
        modifications=tuple(answer["modifications"]),
    )


def _stamp(answer: dict[str, Any]) -> StampVerdict:
    time = _time(answer["time"])
    assert time is not None
    return StampVerdict(
        answer["kind"], time, answer["indication"], answer["sub_indication"], tuple(answer["errors"])
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
