"""Bouncy Castle and PDFBox as Debian has them, as referees of PDF signatures, CMS and time stamps.

    pdfbox.pdf(signed, trust=[root], at=now)          # one verdict for each signature or document time stamp
    pdfbox.cms(der, content, trust=[root], at=now)    # one for each signer

They say whether digests and signature values hold and whether a path to the trust is there; they read no lists and no
evidence, and know no levels. Their versions differ from those in DSS, and so does the process.
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

from pki.algorithms import der_of
from tools.java_referee import JavaReferee, compiled
from tools.maven_libs import ROOT, ServiceFailed

SOURCES = (ROOT / "tools" / "pdfbox" / "PdfBoxReferee.java", ROOT / "tools" / "dss" / "Lines.java")
_JARS = ("bcprov", "bcpkix", "bcutil", "pdfbox2", "fontbox2", "commons-logging")
_FOLDER = Path("/usr/share/java")


@dataclass(frozen=True, slots=True)
class Held:
    """``intact``: digest and signature value hold; ``trusted``: a path to the trust at its time; ``whole``: of a PDF,
    nothing follows what it covers."""

    signer: str
    intact: bool
    trusted: bool
    stamps: tuple[Held, ...] = ()
    time: datetime | None = None
    sub_filter: str | None = None
    whole: bool = True

    @property
    def holds(self) -> bool:
        """All of it, the stamps in it too."""
        return self.intact and self.trusted and all(each.holds for each in self.stamps)


class PdfBox:
    """Requests to one Java process; ``folder`` is for the files that they name."""

    def __init__(self, referee: JavaReferee, folder: Path) -> None:
        self._referee = referee
        self._folder = folder
        self._numbers = itertools.count(1)

    def pdf(self, signed: bytes, *, trust: Sequence[x509.Certificate], at: datetime) -> tuple[Held, ...]:
        """The signatures of a PDF; raises RefereeFailed where it cannot be read."""
        return self._ask({"do": "pdf", "file": self._file(signed)}, trust, at)

    def cms(
        self, der: bytes, content: bytes | None, *, trust: Sequence[x509.Certificate], at: datetime
    ) -> tuple[Held, ...]:
        """The signers of a CMS; ``content`` is None where it is inside."""
        beside = None if content is None else self._file(content)
        return self._ask({"do": "cms", "file": self._file(der), "content": beside}, trust, at)

    def fill(self, pdf: bytes, field: str, value: str) -> bytes:
        """The document with an update by which that form field has the value, and the look that PDFBox draws of it."""
        out = self._file(b"")
        self._referee.ask({"do": "fill", "file": self._file(pdf), "out": out, "field": field, "value": value})
        return out.read_bytes()

    def _ask(
        self, request: dict[str, object], trust: Sequence[x509.Certificate], at: datetime
    ) -> tuple[Held, ...]:
        request["trust"] = [self._file(der_of(each)) for each in trust]
        request["at"] = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return tuple(_held(each) for each in self._referee.ask(request)["signatures"])

    def _file(self, content: bytes) -> Path:
        path = self._folder / f"{next(self._numbers)}.bin"
        path.write_bytes(content)
        return path


@contextmanager
def running_pdfbox(folder: Path) -> Iterator[PdfBox]:
    """Both until the end of the block. Raises ServiceFailed."""
    jars = [_FOLDER / f"{name}.jar" for name in _JARS]
    if not all(each.is_file() for each in jars):
        raise ServiceFailed("Bouncy Castle or PDFBox is not there; on Debian: libbcpkix-java libpdfbox2-java")
    classpath = ":".join(map(str, jars))
    with JavaReferee(
        compiled("pdfbox", SOURCES, classpath), classpath, "PdfBoxReferee", folder / "pdfbox.log"
    ) as referee:
        yield PdfBox(referee, folder)


def _held(answer: dict[str, Any]) -> Held:
    return Held(
        signer=answer["signer"],
        intact=answer["intact"],
        trusted=answer["trusted"],
        stamps=tuple(_held(each) for each in answer.get("stamps", ())),
        time=datetime.fromisoformat(answer["time"]) if "time" in answer else None,
        sub_filter=answer.get("sub_filter"),
        whole=answer.get("whole", True),
    )
