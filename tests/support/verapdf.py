"""veraPDF as a referee of archival files (ISO 19005), one Java process for a run of tests.

verdict = verapdf.judge(pdf)
verdict.compliant, verdict.flavour, verdict.broken     # True, "2b", ()
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.java_referee import JavaReferee, compiled
from tools.maven_libs import ROOT, MavenLibs

LIBS = MavenLibs("verapdf", "veraPDF")
SOURCES = (ROOT / "tools" / "verapdf" / "VeraPdfReferee.java", ROOT / "tools" / "dss" / "Lines.java")


@dataclass(frozen=True, slots=True)
class ArchivalVerdict:
    """``flavour`` is what the file says it is, such as ``2b``; ``broken``: the clauses that it breaks, in words."""

    compliant: bool
    flavour: str
    broken: tuple[str, ...]


class VeraPdf:
    """Requests to one Java process; ``folder`` is for the files that they name."""

    def __init__(self, referee: JavaReferee, folder: Path) -> None:
        self._referee = referee
        self._folder = folder
        self._numbers = itertools.count(1)

    def judge(self, pdf: bytes) -> ArchivalVerdict:
        """Raises RefereeFailed where it cannot be read."""
        path = self._folder / f"{next(self._numbers)}.pdf"
        path.write_bytes(pdf)
        answer = self._referee.ask({"file": path})
        return ArchivalVerdict(answer["compliant"], answer["flavour"], tuple(answer["broken"]))


@contextmanager
def running_verapdf(folder: Path) -> Iterator[VeraPdf]:
    """Until the end of the block. Raises ServiceFailed."""
    classpath = str(LIBS.fetch() / "*")
    classes = compiled("verapdf", SOURCES, classpath)
    with JavaReferee(classes, classpath, "VeraPdfReferee", folder / "verapdf.log") as referee:
        yield VeraPdf(referee, folder)
