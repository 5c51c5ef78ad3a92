"""Jars that Maven copies, each pinned by its SHA-256: of the Kafka broker and of the EU's signature library.

A folder of tools/ names them: ``pom.xml`` what is wanted, ``libs.sha256`` every jar. Maven checks its own checksums
as well (``--strict-checksums``). They are fetched once, into build/, and read again before every use.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_JAVA = 17
_FETCH_SECONDS = 300.0


class ServiceFailed(Exception):
    """A service cannot be had; the message says what to do."""


def required(program: str, package: str) -> str:
    """The path of a program; raises ServiceFailed naming the Debian package that brings it."""
    found = shutil.which(program)
    if found is None:
        raise ServiceFailed(f"{program} is not there; on Debian: apt-get install {package}")
    return found


def java() -> str:
    """A Java runtime that all of this runs on; raises ServiceFailed."""
    program = required("java", "default-jdk-headless")
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) < OLDEST_JAVA:
        raise ServiceFailed(f"Java {OLDEST_JAVA} or newer is needed; {program} is not")
    return program


@dataclass(frozen=True, slots=True)
class MavenLibs:
    """The jars of what people call ``title``; ``name`` is that of the folders in tools/ and build/."""

    name: str
    title: str

    @property
    def pom(self) -> Path:
        return ROOT / "tools" / self.name / "pom.xml"

    @property
    def pins(self) -> Path:
        return ROOT / "tools" / self.name / "libs.sha256"

    @property
    def folder(self) -> Path:
        return ROOT / "build" / self.name / "libs"

    def fetch(self) -> Path:
        """The folder of jars, each of them as pinned; fetched by Maven if need be. Raises ServiceFailed."""
        folder = self.folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / "fetch.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                self._copy_dependencies(folder)
            wrong = self.differing(folder)
            if wrong:
                raise ServiceFailed(f"not as pinned in {self.pins}: {', '.join(wrong[:5])}; remove {folder}")
        return folder

    def differing(self, folder: Path) -> list[str]:
        """Names of jars that are missing, not pinned, or not what the pins say."""
        pins = dict(reversed(line.split()) for line in self.pins.read_text("ascii").splitlines())
        found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*")}
        return sorted(name for name in pins.keys() | found.keys() if pins.get(name) != found.get(name))

    def _copy_dependencies(self, folder: Path) -> None:
        maven = required("mvn", "maven")
        partial = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(self.pom)]
        command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
        try:
            made = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceFailed(f"mvn did not fetch the jars of {self.title} in time") from error
        if made.returncode != 0:
            said = f"{made.stdout}{made.stderr}".rstrip()
            raise ServiceFailed(f"mvn could not fetch the jars of {self.title}:\n{said}")
        partial.rename(folder)
